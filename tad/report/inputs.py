"""What ``tad report`` reads: run folders, or detections files of any toolbox, and the annotations to score by."""

import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from tad.data.annotations import Recording, class_names, in_subset, read_ground_truth, read_json
from tad.data.naming import count, shortened
from tad.data.paths import data_path
from tad.errors import UserError
from tad.evaluation.detections import DetectionTable, read_detection_table
from tad.evaluation.rules import NO_RULES, Rules, recorded_rules
from tad.evaluation.scoring import only_subset, renamed
from tad.evaluation.thresholds import parse_thresholds
from tad.report.snippet_scores import scores_folder
from tad.settings import load_written

DETECTIONS, CONFIG, METRICS, DIAGNOSIS = "detections.json", "config.yaml", "metrics.json", "diagnosis.json"
DEFAULT_TIOU = "0.3:0.1:0.7"


class Asked(NamedTuple):
    """What the command line says in place of the runs' own settings and metrics; None where it says nothing."""

    ground_truth: Optional[str] = None
    subset: Optional[str] = None
    tiou: Optional[str] = None
    rules: Optional[Rules] = None


class Run(NamedTuple):
    """One run as it was read.

    ``truth`` are the scored recordings with the instances that count, ``ambiguous`` the same ones with those of ignored
    labels; ``detections`` a table of all detections that are not of blocked recordings, under the annotations' labels;
    ``rules`` what made them so; ``thresholds`` the tIoU thresholds; ``facts`` pairs of words for the page; ``metrics``
    and ``diagnosis`` what those files hold, or None; ``scores`` the folder of per-snippet scores, or None.
    """

    name: str
    path: str
    truth: List[Recording]
    ambiguous: List[Recording]
    detections: DetectionTable
    rules: Rules
    thresholds: Tuple[float, ...]
    facts: Tuple[Tuple[str, str], ...]
    metrics: Optional[Dict[str, Any]]
    diagnosis: Optional[Dict[str, Any]]
    scores: Optional[str]


def read_runs(paths, asked):
    """The runs at some paths, with names that differ.

    :param paths: run folders or detections files.
    :param asked: :class:`Asked`
    :raises UserError: a file is missing or cannot be understood, or the runs are not scored by the same annotations.
    """
    runs = [_read_run(path, name, asked) for path, name in zip(paths, distinct_names(paths))]
    for run in runs[1:]:
        _check_same_truth(runs[0], run)
        if run.thresholds != runs[0].thresholds:
            raise UserError("%s and %s were scored at different tIoU thresholds; give those of the report with --tiou"
                            % (runs[0].path, run.path))
    return runs


def distinct_names(paths):
    """The shortest ends of some paths that tell them apart; a path given twice gets a number."""
    parts = [os.path.splitext(os.path.abspath(path))[0].split(os.sep) if path.endswith(".json")
             else os.path.abspath(path).split(os.sep) for path in paths]
    names = []
    for own in parts:
        for length in range(1, len(own) + 1):
            alike = [other for other in parts if other[-length:] == own[-length:]]
            if all(other == own for other in alike):
                break
        name = "/".join(own[-length:])
        taken = names.count(name) + sum(other.startswith(name + " (") for other in names)
        names.append("%s (%d)" % (name, taken + 1) if taken else name)
    return names


def _read_run(path, name, asked):
    if not os.path.exists(path):
        raise UserError("there is no run %s; give a run folder, or a detections file with --ground-truth" % path)
    folder = path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path))
    detections = os.path.join(path, DETECTIONS) if os.path.isdir(path) else path
    if not os.path.isfile(detections):
        raise UserError("%s has no %s; make it with: tad infer --checkpoint %s" % (path, DETECTIONS, path))
    # A lone detections file has nothing to do with what lies beside it, unless that is its own run's
    own = os.path.basename(detections) == DETECTIONS
    config = os.path.join(folder, CONFIG)
    settings = load_written(config) if own and os.path.isfile(config) else None
    annotations, subset = _annotations(path, settings, asked)
    recordings = read_ground_truth(annotations)
    metrics = _optional(os.path.join(folder, METRICS), "metrics") if own else None
    rules = _rules(asked, metrics, os.path.join(folder, METRICS))
    chosen = [recording for recording in in_subset(recordings, subset or only_subset(recordings, annotations),
                                                   annotations) if recording.id not in rules.blocked]
    truth, ambiguous = ([_only(recording, rules, ignored) for recording in chosen] for ignored in (False, True))
    if not any(recording.labels for recording in truth):
        raise UserError("%s has no action in the recordings to score; choose others with --subset" % annotations)
    tiou = asked.tiou or (settings.evaluation.tiou if settings is not None else DEFAULT_TIOU)
    manifest = _optional(os.path.splitext(detections)[0] + ".manifest.json", "manifest")
    scores = scores_folder(detections)
    table = _ruled(read_detection_table(detections), rules, set(class_names(recordings.values())), detections)
    return Run(name, path, truth, ambiguous, table, rules, parse_thresholds(tiou),
               _facts(path, annotations, subset, manifest) + _rule_facts(rules), metrics,
               _optional(os.path.join(folder, DIAGNOSIS), "diagnosis") if own else None,
               scores if os.path.isdir(scores) else None)


def _annotations(path, settings, asked):
    """The annotation file of a run and the subset, which may be None."""
    if asked.ground_truth is not None:
        return asked.ground_truth, asked.subset or (settings.dataset.test_subset if settings is not None else None)
    if settings is None:
        raise UserError("%s has no %s beside its detections; say what they are scored by with --ground-truth FILE"
                        % (path, CONFIG))
    try:
        annotations = data_path(settings.dataset.annotations, "dataset.annotations")
    except UserError:
        raise UserError("%s: the annotations %s are not there any more; say where they are with --ground-truth FILE"
                        % (os.path.join(path, CONFIG), settings.dataset.annotations or "(none set)"))
    return annotations, asked.subset or settings.dataset.test_subset


def _rules(asked, metrics, path):
    """What the command line says, else what the run's metrics were made with."""
    if asked.rules is not None:
        return asked.rules
    handling = (metrics or {}).get("handling")
    recorded = handling.get("rules") if isinstance(handling, dict) else None
    return NO_RULES if recorded is None else recorded_rules(recorded, path)


def _only(recording, rules, ignored):
    """A recording with the instances of ignored labels alone, or without them."""
    kept = [(label in rules.ignored) == ignored for label in recording.labels]
    return recording._replace(segments_s=recording.segments_s[np.array(kept, dtype=bool)],
                              labels=tuple(label for label, keep in zip(recording.labels, kept) if keep))


def _ruled(table, rules, known, path):
    """A table of detections under the annotations' labels, without those of blocked recordings."""
    kept = np.array([name not in rules.blocked for name in table.names] + [True])[table.recording]
    columns = {key: getattr(table, key)[kept] for key in ("recording", "label", "segments", "scores")}
    return table._replace(labels=renamed(table.labels, rules, known, path), **({} if kept.all() else columns))


def _rule_facts(rules):
    """Words on what does not count, for the page."""
    facts = []
    if rules.class_map:
        facts.append(("class map", "%s (%s)" % (rules.class_map_path, count(len(rules.class_map), "label"))))
    if rules.blocked:
        facts.append(("blocked", "%s: %s" % (count(len(rules.blocked), "recording"), shortened(sorted(rules.blocked)))))
    if rules.ignored:
        facts.append(("ignored labels", ", ".join(rules.ignored)))
    return tuple(facts)


def _optional(path, what):
    """What a JSON file holds, or None where there is no such file."""
    if not os.path.isfile(path):
        return None
    value = read_json(path, what)
    if not isinstance(value, dict):
        raise UserError("the %s %s must hold an object; write it again, or move it away" % (what, path))
    return value


def _facts(path, annotations, subset, manifest):
    """Words on where a run comes from, as far as its manifest says."""
    manifest = manifest or {}
    checkpoint = manifest.get("checkpoint")
    checkpoint = checkpoint if isinstance(checkpoint, dict) else {}
    versions = manifest.get("versions")
    versions = versions if isinstance(versions, dict) else {}
    facts = [("run", path), ("annotations", annotations), ("subset", subset), ("detected", manifest.get("created")),
             ("device", manifest.get("device")), ("seed", manifest.get("seed")), ("checkpoint", checkpoint.get("path")),
             ("training step", checkpoint.get("step")), ("checkpoint's SHA-256", checkpoint.get("sha256")),
             ("tad", versions.get("tad")), ("PyTorch", versions.get("torch"))]
    return tuple((key, str(value)) for key, value in facts if value is not None)


def _check_same_truth(first, other):
    """Runs side by side need the same annotated actions in the same recordings."""
    if (first.rules.blocked, first.rules.ignored) != (other.rules.blocked, other.rules.ignored):
        raise UserError("%s and %s were scored with other blocked recordings or ignored labels; give those of the "
                        "report with --blocked FILE and --ignore-label LABEL" % (first.path, other.path))
    ours, theirs = ({recording.id: recording for recording in run.truth} for run in (first, other))
    for name in list(ours) + list(theirs):
        if name not in theirs or name not in ours:
            raise UserError("%s and %s are scored on different recordings (only one has '%s'); report them apart, or "
                            "give both --ground-truth FILE and --subset NAME" % (first.path, other.path, name))
        mine, its = ours[name], theirs[name]
        if mine.labels != its.labels or mine.segments_s.tolist() != its.segments_s.tolist():
            raise UserError("%s and %s have different annotations of '%s'; report them apart, or give both "
                            "--ground-truth FILE" % (first.path, other.path, name))
