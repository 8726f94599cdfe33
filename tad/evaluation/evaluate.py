"""Scores a detections file against an annotation file; needs neither a model nor PyTorch."""

import warnings
from collections import defaultdict

import numpy as np

from tad.data.annotations import in_subset, read_ground_truth
from tad.errors import DataWarning, UserError
from tad.evaluation.average_precision import Instances, mean_average_precision
from tad.evaluation.detections import read_detections_and_missing
from tad.evaluation.thresholds import parse_thresholds, threshold_name

_ELSEWHERE = -1  # the number of every recording outside the scored subset


def evaluate(ground_truth_path, detections_path, tiou, subset=None):
    """Metrics as ``metrics.json`` holds them.

    As in the official evaluators, recordings of the subset without detections count as missed, detections in
    recordings outside the subset count as false positives, and labels that the subset's annotations do not have count
    for nothing. The second is warned of, and so is the third where no subset has the label. ``left_out`` in the result
    names those recordings without detections that could not be detected in, as the detections file says.

    :param tiou: thresholds as text, see :func:`tad.evaluation.thresholds.parse_thresholds`.
    :param subset: name of the subset; None when the file has one only, ``all`` for every one.
    :raises UserError: a file cannot be understood, or the subset has no instance.
    """
    thresholds = parse_thresholds(tiou)
    recordings = read_ground_truth(ground_truth_path)
    subset = subset or _only_subset(recordings, ground_truth_path)
    chosen = in_subset(recordings, subset, ground_truth_path)
    detections, missing = read_detections_and_missing(detections_path)
    truth = _truth_by_class(chosen)
    if not truth:
        raise UserError("%s has no action in subset '%s' to score against" % (ground_truth_path, subset))
    _warn_of_unknown_labels(detections, recordings, detections_path)
    found = _detections_by_class(detections, {recording.id: index for index, recording in enumerate(chosen)},
                                 truth, detections_path)
    result = mean_average_precision(truth, found, thresholds)
    names = [threshold_name(value) for value in thresholds]
    return {
        "mAP": dict(zip(names, result.mean.tolist())),
        "average_mAP": float(result.mean.mean()),
        "AP_per_class": {label: dict(zip(names, values.tolist())) for label, values in result.per_class.items()},
        "recordings": len(chosen),
        "instances": sum(len(instances.recordings) for instances in truth.values()),
        "detections": sum(len(instances.recordings) for instances in found.values()),
        "scored_recordings": [recording.id for recording in chosen],
        "left_out": [recording.id for recording in chosen if recording.id in set(missing)],
        "instances_left_out": sum(len(recording.labels) for recording in chosen if recording.id in set(missing)),
        "recordings_without_detections": [recording.id for recording in chosen if not detections.get(recording.id)],
    }


def _only_subset(recordings, path):
    subsets = sorted({recording.subset for recording in recordings.values()})
    if len(subsets) > 1:
        raise UserError("%s has several subsets; choose one with --subset: %s, or all" % (path, ", ".join(subsets)))
    return subsets[0]


def _truth_by_class(recordings):
    rows = defaultdict(list)
    for index, recording in enumerate(recordings):
        for segment, label in zip(recording.segments_s, recording.labels):
            rows[label].append((index, segment[0], segment[1], 0.0))
    return {label: _instances(rows[label]) for label in sorted(rows)}


def _warn_of_unknown_labels(detections, recordings, path):
    known = {label for recording in recordings.values() for label in recording.labels}
    unknown = sorted({entry[0] for entries in detections.values() for entry in entries} - known)
    if unknown:
        warnings.warn("%s: %d labels are not in the annotations and count for nothing, for example '%s'"
                      % (path, len(unknown), unknown[0]), DataWarning, stacklevel=2)


def _detections_by_class(detections, index, truth, path):
    rows = defaultdict(list)
    for name, entries in detections.items():
        for label, score, start, end in entries:
            rows[label].append((index.get(name, _ELSEWHERE), start, end, score))
    elsewhere = [name for name in detections if name not in index]
    if elsewhere:
        warnings.warn("%s: %d of its %d recordings are not in the scored subset and count as false positives, for "
                      "example '%s'"
                      % (path, len(elsewhere), len(detections), elsewhere[0]), DataWarning, stacklevel=2)
    return {label: _instances(rows[label]) for label in truth if label in rows}


def _instances(rows):
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Instances(table[:, 0].astype(np.int64), table[:, 1:3], table[:, 3])
