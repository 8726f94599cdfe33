"""``tad reproduce``: runs a run folder again and says whether the same comes out, and where it first differs."""

import json
import os
from typing import Any, Dict, List, NamedTuple

from tad.data.annotations import read_json
from tad.data.features import FeatureStore
from tad.data.paths import data_path
from tad.engine.checkpoint import read_checkpoint, saved_steps, step_path
from tad.engine.devices import pick_device
from tad.engine.losslog import read_losses
from tad.errors import UserError
from tad.files import write_json
from tad.pipeline import data_files, infer_run, score_run, train_run
from tad.report.manifest import command_line, make_manifest
from tad.reproduce.compare import DIFFERENT, EQUAL, compare_json, compare_losses, compare_weights, worst
from tad.reproduce.conditions import data_differences, environment_differences, settings_differences
from tad.settings import flatten, load_written, override_settings, replace, settings_to_dict

REPORT = "reproduction.json"


class Original(NamedTuple):
    """A run folder to repeat: its manifests as read (``inferred`` is None without detections), and its settings."""

    folder: str
    manifest: Dict[str, Any]
    inferred: Any
    settings: Any
    step: int

    def path(self, *parts):
        """A file in the folder."""
        return os.path.join(self.folder, *parts)


class Reproduction(NamedTuple):
    """``verdict`` is one of :mod:`tad.reproduce.compare`'s; ``conditions``: sentences on what is not as it was;
    ``parts``: name -> (verdict, sentence), in the order in which a run makes them."""

    verdict: str
    conditions: List[str]
    parts: Dict[str, Any]


def open_original(folder, assignments=()):
    """Read what a run folder says of itself.

    :param assignments: strings ``key=value`` that change where data are and what runs it, on another machine.
    :raises UserError: something that is needed is missing, or the training was not finished.
    """
    for name in ("manifest.json", "config.yaml"):
        if not os.path.isfile(os.path.join(folder, name)):
            raise UserError("%s is no run folder that can be repeated: it has no %s" % (folder, name))
    manifest = _manifest(os.path.join(folder, "manifest.json"))
    settings = load_written(os.path.join(folder, "config.yaml"))
    steps = saved_steps(os.path.join(folder, "checkpoints"))
    if not steps:
        raise UserError("%s holds no checkpoint to compare with" % folder)
    if steps[0] != settings.train.steps:
        raise UserError("the training in %s ended at step %d of %d; finish it with --resume auto before repeating it"
                        % (folder, steps[0], settings.train.steps))
    inferred = os.path.join(folder, "detections.manifest.json")
    has_detections = os.path.isfile(inferred) and os.path.isfile(os.path.join(folder, "detections.json"))
    changed = override_settings(settings, assignments)
    if changed.threads is None and type(manifest["machine"].get("threads")) is int:
        # How sums are split over threads changes their last bits
        changed = replace(changed, threads=manifest["machine"]["threads"])
    return Original(folder, manifest, _manifest(inferred) if has_detections else None, changed, steps[0])


def _manifest(path):
    manifest = read_json(path, "manifest")
    wanted = ("versions", "machine", "data")
    if not isinstance(manifest, dict) or not all(isinstance(manifest.get(key), dict) for key in wanted):
        raise UserError("%s is no manifest of a run: it must hold %s" % (path, ", ".join(wanted)))
    return manifest


def look(original):
    """What is not as it was: lists of sentences on settings, on data, and on the environment.

    :raises UserError: the data are not there.
    """
    dataset = original.settings.dataset
    store = FeatureStore(data_path(dataset.features, "dataset.features"), 0)
    files = data_files(data_path(dataset.annotations, "dataset.annotations"), store.path)
    now = make_manifest(original.settings, pick_device(original.settings), command_line(), files, {})
    kept = read_checkpoint(step_path(original.path("checkpoints"), original.step)).meta["settings"]
    before, after = flatten(kept, original.folder), flatten(settings_to_dict(original.settings), original.folder)
    return (settings_differences(before, after), data_differences(original.manifest, now),
            environment_differences(original.manifest, now))


def reproduce(original, output, tolerance, found):
    """Run everything again that the original run made, and compare.

    :param output: a new run folder; the comparison is also written there, as ``reproduction.json``.
    :param tolerance: difference that counts as close, relative to values above 1 and absolute below.
    :param found: what :func:`look` gave.
    :returns: :class:`Reproduction`
    :raises UserError: ``output`` is taken, or the run cannot be made.
    """
    parts = {}
    train_run(original.settings, output)
    losses = [read_losses(os.path.join(folder, "tensorboard")) for folder in (original.folder, output)]
    parts["losses"] = compare_losses(*(losses + [tolerance]))
    weights = [read_checkpoint(step_path(os.path.join(folder, "checkpoints"), original.step))
               for folder in (original.folder, output)]
    parts["weights"] = compare_weights(*(weights + [tolerance]))
    if original.inferred is not None:
        parts.update(_after_training(original, output, tolerance))
    verdict = worst([each for each, _ in parts.values()])
    result = Reproduction(verdict, [sentence for group in found for sentence in group], parts)
    write_json(os.path.join(output, REPORT), {
        "original": os.path.abspath(original.folder), "verdict": verdict, "tolerance": tolerance,
        "conditions": result.conditions,
        "parts": {name: {"verdict": each, "text": text} for name, (each, text) in parts.items()}})
    return result


def _after_training(original, output, tolerance):
    """Detections, and metrics where the original has them."""
    asked = original.inferred.get("asked") or {}
    changes = original.inferred.get("changed_settings") or {}
    moved = {key: value for key, value in changes.items() if not key.startswith(("dataset.annotations",
                                                                                 "dataset.features", "device"))}

    def as_then(settings):
        return override_settings(settings, ["%s=%s" % (key, json.dumps(value)) for key, value in moved.items()])

    path, detections, trained = infer_run(output, subset=asked.get("subset"), override=as_then,
                                          external=asked.get("external_scores"))
    parts = {"detections": compare_json(*([read_json(place, "detections") for place in (
        original.path("detections.json"), path)] + [tolerance]))}
    if os.path.isfile(original.path("metrics.json")):
        score_run(output, path, detections, trained, asked.get("subset"))
        parts["metrics"] = compare_json(*([read_json(os.path.join(folder, "metrics.json"), "metrics") for folder in (
            original.folder, output)] + [tolerance]))
    return parts


__all__ = ["DIFFERENT", "EQUAL", "Original", "Reproduction", "look", "open_original", "reproduce"]
