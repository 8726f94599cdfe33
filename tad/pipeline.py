"""The whole way of the data, in the order of the folders: read this first.

A run folder holds everything that a run made. ``train_run`` fills its checkpoints, ``infer_run`` writes detections,
``score_run`` scores and draws them.
"""

import contextlib
import json
import os
import warnings
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

import numpy as np
import torch
from tqdm import tqdm

from tad.config import Settings
from tad.data.annotations import class_names, in_subset, read_annotations, read_ground_truth
from tad.data.external import external_scores
from tad.data.features import FeatureError, FeatureStore
from tad.data.paths import data_path, optional_path
from tad.data.recipe import (
    Recipe,
    at_rate_of,
    check_recipe,
    find_recipe,
    read_recipe,
    recipe_from_dict,
    recipe_to_dict,
    with_recipe,
)
from tad.data.rows import open_rows
from tad.data.sources import (
    Normalization,
    actions_checksum,
    check_learnable,
    identity_normalization,
    learn_normalization,
    left_out,
    load_sources,
    shared_rate,
)
from tad.data.streams import part_paths
from tad.detectors import DETECTORS, build_detector
from tad.detectors.base import check_labels
from tad.engine.checkpoint import (
    clear_leftovers,
    newest_readable,
    open_checkpoint,
    read_checkpoint,
    saved_steps,
    step_path,
)
from tad.engine.devices import pick_device
from tad.engine.gathering import gather
from tad.engine.inference import detect
from tad.engine.losslog import LossLog
from tad.engine.progress import LogLines, tell
from tad.engine.ranks import ALONE
from tad.engine.training import from_checkpoint, load_weights, start, train
from tad.engine.trust import check_meta, check_proportions
from tad.errors import DataWarning, UserError
from tad.evaluation.detections import write_detections
from tad.evaluation.diagnosis.diagnose import NothingToDiagnoseError, diagnose
from tad.evaluation.evaluate import evaluate_measures
from tad.evaluation.rules import read_rules
from tad.evaluation.scoring import open_scoring
from tad.evaluation.thresholds import parse_thresholds
from tad.files import check_writable, make_folder, run_folder, write_json
from tad.planning.feasible import check_feasible
from tad.planning.fitting import fit_settings
from tad.postprocess.curves import CurveJoiner
from tad.report.manifest import checksum, command_line, make_manifest, manifest_path
from tad.report.snippet_scores import replaced_scores, scores_folder
from tad.report.timeline import draw_timelines
from tad.settings import flatten, replace, settings_from_dict, settings_to_dict, write_settings

# Settings that may change when a training is resumed, because no weight depends on them
FREE_TO_CHANGE = ("device", "threads", "dataset.test_subset", "dataset.strict", "dataset.max_missing",
                  "dataset.allow_missing", "dataset.cache_mib", "train.workers",
                  "train.checkpoint_every", "train.log_every", "postprocess.", "evaluation.", "report.")


class Normalized(NamedTuple):
    """Reads normalized features by id; a plain record, so that worker processes can carry it."""

    store: FeatureStore
    normalization: Normalization

    def __call__(self, name):
        return self.normalization.apply(self.store.read(name))


class Trained(NamedTuple):
    """What a checkpoint gives to inference.

    ``recipe`` is None where it was trained on features without one; ``origin`` says for manifests which checkpoint it
    is, and what was changed. ``rate`` is the fps of all training recordings; None where they differ or nothing tells.
    """

    settings: Settings
    classes: Tuple[str, ...]
    normalization: Normalization
    detector: torch.nn.Module
    recipe: Optional[Recipe]
    origin: Dict[str, Any]
    rate: Optional[float] = None

    def at_learned_rate(self, dataset):
        """:class:`tad.config.DatasetSettings` with the rate that was learned from, wherever it came from."""
        return dataset if self.rate is None else replace(dataset, fps=self.rate)

    def wanted_recipe(self, dataset, found):
        """The recipe that features must have, where ``found`` is the one that they do have.

        :param dataset: :class:`tad.config.DatasetSettings` that hold for them.
        """
        known = self.recipe or Recipe(normalization=found.normalization)
        return known._replace(width=len(self.normalization.mean), fps=dataset.fps, stride=dataset.stride,
                              window=dataset.window)


def train_run(settings, folder, resume=False, ranks=ALONE):
    """Train a detector into a run folder.

    :param settings: :class:`tad.config.Settings`
    :param resume: go on from the newest checkpoint in the folder, if there is one.
    :param ranks: :class:`tad.engine.ranks.Ranks` that share the work; rank 0 writes.
    :raises UserError: data, settings or folder cannot be used.
    """
    device = pick_device(settings, ranks)
    if settings.train.batch < ranks.count:
        raise UserError("train.batch is %d, too few clips for %d ranks; raise it or start fewer ranks"
                        % (settings.train.batch, ranks.count))
    ranks.connect(device)
    dataset = settings.dataset
    store = FeatureStore(data_path(dataset.features, "dataset.features"), dataset.cache_mib)
    annotations = data_path(dataset.annotations, "dataset.annotations")
    recipe, place = read_recipe(store.path), find_recipe(store.path)
    settings = with_recipe(settings, recipe, place)
    dataset = settings.dataset
    recordings = in_subset(read_annotations(annotations, dataset.strict), dataset.train_subset, annotations)
    if dataset.timing == "auto":
        recordings = at_rate_of(recordings, recipe, place, dataset.strict)
    classes = class_names(recordings)
    if not classes:
        raise UserError("%s has no annotated action in subset '%s' to learn from" % (annotations, dataset.train_subset))
    sources, width = load_sources(recordings, store, dataset, classes)
    if recipe is not None:
        check_width(recipe, width, place)
        recipe = recipe._replace(width=width, stride=dataset.stride, window=dataset.window, fps=dataset.fps)
    check_learnable(sources, classes)
    settings = fit_settings(settings, sources)
    check_feasible(settings, sources)
    check_labels(settings, classes, dataset.external_scores)
    normalization = learn_normalization(sources, store) if dataset.normalize else identity_normalization(width)
    meta = {"settings": settings_to_dict(settings), "classes": list(classes), "width": width,
            "fps": shared_rate(recordings, sources, settings.dataset),
            "mean": normalization.mean.tolist(), "deviation": normalization.deviation.tolist(),
            "actions": actions_checksum(sources), "recipe": recipe and recipe_to_dict(recipe)}
    checkpoints = os.path.join(folder, "checkpoints")
    found = open_together(folder, checkpoints, meta, resume, ranks)
    places = ranks.places(device)
    torch.manual_seed(settings.seed)
    progress = start(build_detector(settings, width, len(classes)).to(device), settings)
    if found is not None:
        progress = from_checkpoint(progress, found)
    read = Normalized(store, normalization)
    if not ranks.leads:
        train(progress, sources, read, settings, device, checkpoints, meta, lambda step, values: None, ranks)
        return settings
    write_settings(settings, os.path.join(folder, "config.yaml"))
    write_json(os.path.join(folder, "manifest.json"),
               make_manifest(settings, device, command_line(), data_files(annotations, store.path),
                             used_recordings("train", recordings, sources), places))
    with contextlib.closing(LossLog(os.path.join(folder, "tensorboard"), progress.step)) as log:
        train(progress, sources, read, settings, device, checkpoints, meta, log, ranks)
    return settings


def open_together(folder, checkpoints, meta, resume, ranks):
    """:func:`open_run` by rank 0; the others then read the same checkpoint."""
    found = []

    def look():
        found.append(open_run(folder, checkpoints, meta, resume))
        return found[0] and found[0].meta["step"]

    ranks.check_same(json.dumps(meta, sort_keys=True))
    step = ranks.first(look)
    if found:
        return found[0]
    return None if step is None else read_checkpoint(step_path(checkpoints, step))


def check_width(recipe, width, place):
    """Refuse features of another width than their recipe says."""
    if recipe.width not in (None, width):
        raise UserError("%s says that the features have width %d, but they have %d; is it the recipe of other features?"
                        % (place, recipe.width, width))


def open_run(folder, checkpoints, meta, resume):
    """Make the run folder, or look into it: the checkpoint to go on from, or None for a new run."""
    make_folder(checkpoints)
    if not resume:
        if saved_steps(checkpoints):
            raise UserError("%s holds a trained run already; go on with --resume auto, or choose another --output"
                            % folder)
        return None
    clear_leftovers(checkpoints)
    found = newest_readable(checkpoints, lambda message: warnings.warn(message, DataWarning, stacklevel=3))
    if found is None:
        tell("nothing to resume in %s: starting anew" % folder)
        return None
    check_meta(found, "the newest checkpoint in " + checkpoints)
    old, new = (flatten(values["settings"], folder) for values in (found.meta, meta))
    changed = [key for key in new if old.get(key) != new[key] and not key.startswith(FREE_TO_CHANGE)]
    changed += ["the %s of the data" % key for key in ("classes", "width", "mean", "deviation", "actions")
                if found.meta.get(key) != meta[key]]
    if changed:
        raise UserError("%s was trained with other settings or data (%s); resume with the same ones, or choose another "
                        "--output" % (folder, ", ".join(changed)))
    tell("going on from step %d of %d in %s" % (found.meta["step"], new["train.steps"], folder))
    return found


def data_files(annotations, features, external=None):
    """For manifests: every file or folder that was read. A recipe inside the feature folder counts with it."""
    recipe = None if os.path.isdir(features) else find_recipe(features)
    paths = [annotations, features] + part_paths(features) + [recipe, external]
    return [path for path in paths if path is not None]


def used_recordings(part, recordings, sources):
    """For manifests: ids of the recordings that are used, and of those that were left out."""
    return {part: [source.id for source in sources], "left_out": left_out(recordings, sources)}


def infer_run(checkpoint, output=None, subset=None, override: Callable[[Any], Settings] = None, external=None,
              ranks=ALONE):
    """Detect in the recordings of a configured data set; write the detections, and beside them how they were made.

    :param checkpoint: run folder or checkpoint file.
    :param output: detections file; None for ``detections.json`` in the run folder.
    :param subset: None for ``dataset.test_subset``.
    :param override: function that changes the checkpoint's settings, for data or device of another machine.
    :param external: file of external scores (:mod:`tad.data.external`); None for ``dataset.external_scores``.
    :param ranks: :class:`tad.engine.ranks.Ranks` that share the recordings; rank 0 writes, and has all detections.
    :returns: path of the detections, detections by id, and the :class:`Trained` that made them.
    """
    output = output or os.path.join(run_folder(checkpoint), "detections.json")
    trained = load_trained(checkpoint, override)
    check_writable(output)
    settings, dataset = trained.settings, trained.settings.dataset
    device = pick_device(settings, ranks)
    ranks.connect(device)
    trained.detector.to(device)
    annotations = data_path(dataset.annotations, "dataset.annotations")
    recordings = in_subset(read_annotations(annotations, dataset.strict), subset or dataset.test_subset, annotations)
    store = FeatureStore(data_path(dataset.features, "dataset.features"), dataset.cache_mib)
    recipe, place = read_recipe(store.path), find_recipe(store.path)
    if recipe is not None:
        settings = with_recipe(settings, recipe, place)
        check_recipe(trained.wanted_recipe(trained.at_learned_rate(settings.dataset), recipe), recipe, place)
        if dataset.timing == "auto":
            recordings = at_rate_of(recordings, recipe, place, dataset.strict)
    sources, _ = load_sources(recordings, store, settings.dataset, trained.classes, len(trained.normalization.mean))
    given = external or optional_path(dataset.external_scores, "dataset.external_scores")
    scores = external_scores(given, trained.classes, [source.id for source in sources])
    check_labels(settings, trained.classes, all(source.id in scores for source in sources))
    mine = [sources[index] for index in ranks.portion([source.snippets for source in sources])]
    # Each rank replaces the curves of its recordings, rank 0 also those of recordings that are left out
    replaced = [source.id for source in mine] + (left_out(recordings, sources) if ranks.leads else [])
    detections, lines = {}, LogLines("infer", "recording", 0, len(mine), ranks.quiet)
    with replaced_scores(scores_folder(output), replaced) as keep:
        for source in tqdm(mine, desc="infer", unit="recording", disable=ranks.quiet):
            detections[source.id], curves = detect_source(trained, source, store, settings, device,
                                                          scores.get(source.id))
            if curves is not None:
                keep(source.id, curves)
            if lines.due(len(detections)):
                lines.say(len(detections))
        detections, places = gather(detections, [source.id for source in sources], ranks), ranks.places(device)
        if ranks.leads:
            write_detections(output, detections, trained.classes, left_out(recordings, sources))
    if not ranks.leads:
        return output, detections, trained
    made = make_manifest(settings, device, command_line(), data_files(annotations, store.path, given),
                         used_recordings("test", recordings, sources), places)
    asked = {"subset": subset or dataset.test_subset, "external_scores": external}
    write_json(manifest_path(output), dict(made, detections={output: checksum(output)}, asked=asked, **trained.origin))
    return output, detections, trained


def detect_source(trained, source, store, settings, device, external=None):
    """Detections of one recording whose features were found good before, and its curves.

    :returns: :class:`tad.postprocess.fusion.Detections` in seconds, and :class:`tad.postprocess.curves.Curves`, or None
        where the detector has none or ``report.curves`` is off.
    :raises UserError: they cannot be read any more, or are others.
    """
    joiner = CurveJoiner(settings.dataset.length if settings.dataset.mode == "rescale" else source.snippets)
    try:
        rows = open_rows(store, source.id)
        if len(rows) != source.snippets:
            raise FeatureError("had %d snippets a moment ago, and now it has %d" % (source.snippets, len(rows)))
        found = detect(trained.detector, source, rows.map(trained.normalization.apply), settings, device, external,
                       watch=joiner.add if settings.report.curves else None)
        return found, joiner.joined()
    except FeatureError as error:
        raise UserError("%s %s; its features changed while they were used; mend them and start again"
                        % (source.id, error))


def check_resolved(settings, path):
    """Refuse settings that only a training can fill in, and that are open."""
    open_keys = ["dataset.length"] + [settings.detector + "." + name for name in DETECTORS[settings.detector].OPEN]
    values = flatten(settings_to_dict(settings), path)
    for key in open_keys:
        if values[key] is None:
            raise UserError("%s: %s is null, which only a training can fill in; leave --set %s out" % (path, key, key))


def load_trained(path, override=None):
    """A detector for inference, with the averaged weights, from a run folder or checkpoint file."""
    path, checkpoint = open_checkpoint(path, lambda message: warnings.warn(message, DataWarning, stacklevel=3))
    check_meta(checkpoint, path)
    meta = checkpoint.meta
    kept = settings_from_dict(meta["settings"], path)
    settings = kept if override is None else override(kept)
    check_resolved(settings, path)
    check_proportions(checkpoint, settings, path)
    detector = build_detector(settings, meta["width"], len(meta["classes"]))
    load_weights(detector, checkpoint.group("averaged"), path)
    normalization = Normalization(np.array(meta["mean"], np.float32), np.array(meta["deviation"], np.float32))
    # Checkpoints from before there were recipes have none
    recipe = None if meta.get("recipe") is None else recipe_from_dict(meta["recipe"], path)
    before, after = (flatten(settings_to_dict(each), path) for each in (kept, settings))
    origin = {"checkpoint": {"path": path, "sha256": checksum(path), "step": meta["step"]},
              "changed_settings": {key: value for key, value in after.items() if value != before[key]}}
    # One that is given by hand counts more; old checkpoints have none
    rate = meta.get("fps") if settings.dataset.fps == kept.dataset.fps else None
    return Trained(settings, tuple(meta["classes"]), normalization, detector.eval(), recipe, origin, rate)


def score_run(folder, detections_path, detections, trained, subset=None, ranks=ALONE):
    """Score detections against the configured annotations; writes ``metrics.json``, ``diagnosis.json`` and ``report/``.

    :param ranks: :class:`tad.engine.ranks.Ranks` that share the matching, connected; rank 0 writes, once it has written
        the detections.
    :returns: the metrics and the paths of the pictures, None on other ranks.
    """
    settings = trained.settings
    dataset = settings.dataset
    annotations = data_path(dataset.annotations, "dataset.annotations")
    subset = subset or dataset.test_subset
    thresholds = parse_thresholds(settings.evaluation.tiou)
    scoring = open_scoring(annotations, detections_path, subset, scoring_rules(settings))
    metrics = evaluate_measures(scoring, thresholds, ranks=ranks)
    if not ranks.leads:
        return None
    write_json(os.path.join(folder, "metrics.json"), metrics)
    try:
        write_json(os.path.join(folder, "diagnosis.json"), diagnose(scoring, thresholds))
    except NothingToDiagnoseError as error:
        warnings.warn("no diagnosis.json: %s" % error, DataWarning, stacklevel=2)
    return metrics, draw_timelines(os.path.join(folder, "report"), scoring.recordings, detections, trained.classes,
                                   settings.report.pictures)


def run(settings, folder, resume=False, ranks=ALONE):
    """Train, infer and score in one run folder; returns metrics and the paths of the pictures, on rank 0."""
    check_scoring(settings)
    train_run(settings, folder, resume, ranks)
    path, detections, trained = infer_run(folder, ranks=ranks)
    ranks.most(0)  # the others wait until rank 0 has written the detections
    return score_run(folder, path, detections, trained, ranks=ranks)


def scoring_rules(settings):
    """Which recordings are not scored."""
    return read_rules(blocked=optional_path(settings.evaluation.blocked, "evaluation.blocked"))


def check_scoring(settings):
    """Find out before a long training that its result could not be scored."""
    parse_thresholds(settings.evaluation.tiou)
    dataset, blocked = settings.dataset, scoring_rules(settings).blocked
    annotations = data_path(dataset.annotations, "dataset.annotations")
    optional_path(dataset.external_scores, "dataset.external_scores")
    tested = [recording for recording in in_subset(read_ground_truth(annotations), dataset.test_subset, annotations)
              if recording.id not in blocked]
    if not class_names(tested):
        raise UserError("%s has no action in subset '%s' to score against" % (annotations, dataset.test_subset))
    store = FeatureStore(data_path(dataset.features, "dataset.features"), 0)
    if not any(recording.id in store for recording in tested):
        raise UserError("%s has features of no recording in subset '%s'; do the names match, for example '%s'?"
                        % (store.path, dataset.test_subset, tested[0].id))
