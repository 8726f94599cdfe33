"""What ``tad report`` reads: run folders, or detections files of any toolbox, and the annotations to score by."""

import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from tad.data.annotations import Recording, in_subset, read_ground_truth, read_json
from tad.data.paths import data_path
from tad.errors import UserError
from tad.evaluation.detections import DetectionTable, read_detection_table
from tad.evaluation.thresholds import parse_thresholds
from tad.report.snippet_scores import scores_folder
from tad.settings import load_settings

DETECTIONS, CONFIG, METRICS, DIAGNOSIS = "detections.json", "config.yaml", "metrics.json", "diagnosis.json"
DEFAULT_TIOU = "0.3:0.1:0.7"


class Asked(NamedTuple):
    """What the command line says in place of the runs' own settings; None where it says nothing."""

    ground_truth: Optional[str] = None
    subset: Optional[str] = None
    tiou: Optional[str] = None


class Run(NamedTuple):
    """One run as it was read.

    ``truth`` are the scored recordings; ``detections`` a table of all detections; ``thresholds`` the tIoU
    thresholds; ``facts`` pairs of words for the page; ``metrics`` and ``diagnosis`` what those
    files hold, or None; ``scores`` the folder of per-snippet scores, or None.
    """

    name: str
    path: str
    truth: List[Recording]
    detections: DetectionTable
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
    settings = load_settings(config) if own and os.path.isfile(config) else None
    annotations, subset = _annotations(path, settings, asked)
    recordings = read_ground_truth(annotations)
    truth = in_subset(recordings, subset or _only_subset(recordings, annotations), annotations)
    if not any(recording.labels for recording in truth):
        raise UserError("%s has no action in the recordings to score; choose others with --subset" % annotations)
    tiou = asked.tiou or (settings.evaluation.tiou if settings is not None else DEFAULT_TIOU)
    manifest = _optional(os.path.splitext(detections)[0] + ".manifest.json", "manifest")
    scores = scores_folder(detections)
    return Run(name, path, truth, read_detection_table(detections), parse_thresholds(tiou),
               _facts(path, annotations, subset, manifest),
               _optional(os.path.join(folder, METRICS), "metrics") if own else None,
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


def _only_subset(recordings, path):
    subsets = sorted({recording.subset for recording in recordings.values()})
    if len(subsets) > 1:
        raise UserError("%s has several subsets; choose one with --subset: %s, or all" % (path, ", ".join(subsets)))
    return subsets[0]


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
    ours, theirs = ({recording.id: recording for recording in run.truth} for run in (first, other))
    for name in list(ours) + list(theirs):
        if name not in theirs or name not in ours:
            raise UserError("%s and %s are scored on different recordings (only one has '%s'); report them apart, or "
                            "give both --ground-truth FILE and --subset NAME" % (first.path, other.path, name))
        mine, its = ours[name], theirs[name]
        if mine.labels != its.labels or mine.segments_s.tolist() != its.segments_s.tolist():
            raise UserError("%s and %s have different annotations of '%s'; report them apart, or give both "
                            "--ground-truth FILE" % (first.path, other.path, name))
