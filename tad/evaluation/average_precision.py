"""Mean average precision over tIoU thresholds, as the ActivityNet and THUMOS14 evaluators define it."""

from typing import Dict, NamedTuple, Tuple

import numpy as np

from tad.segments import paired_tiou


class Instances(NamedTuple):
    """Segments of one class: ``recordings`` int64 ``(N,)``, ``segments`` float64 ``(N, 2)``, ``scores (N,)``.

    Ground truth has no use for ``scores``.
    """

    recordings: np.ndarray
    segments: np.ndarray
    scores: np.ndarray


class AveragePrecision(NamedTuple):
    """``per_class``: label -> AP at each threshold, 0 to 1; ``thresholds`` the tIoU thresholds."""

    per_class: Dict[str, np.ndarray]
    thresholds: Tuple[float, ...]

    @property
    def mean(self):
        """mAP at each threshold."""
        return np.mean(list(self.per_class.values()), axis=0)


def mean_average_precision(ground_truth, detections, thresholds):
    """AP of each class that the ground truth has.

    :param ground_truth: dict label -> :class:`Instances`, every one with at least one segment.
    :param detections: dict label -> :class:`Instances`; a class without detections has AP 0.
    :returns: :class:`AveragePrecision`
    """
    nothing = Instances(np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros(0))
    return AveragePrecision({label: average_precision(truth, detections.get(label, nothing), thresholds)
                             for label, truth in ground_truth.items()}, tuple(thresholds))


def average_precision(truth, detections, thresholds):
    """AP of one class at each threshold: float64 ``(len(thresholds),)``.

    Detections are taken by falling score (ties in the order given); each takes the free instance of its recording with
    the highest tIoU at or above the threshold, else it is a false positive. Precision is made monotonic and summed
    over the recalls where it changes (Everingham et al., PASCAL VOC 2012 development kit, section 3.4.1).
    """
    detections = Instances(*(values[np.argsort(-detections.scores, kind="mergesort")] for values in detections))
    pairs = _overlapping_pairs(truth, detections, min(thresholds))
    result = np.zeros(len(thresholds))
    for index, threshold in enumerate(thresholds):
        matched = _match(pairs, threshold, len(truth.recordings), len(detections.recordings))
        hits = np.cumsum(matched)
        recall = hits / float(len(truth.recordings))
        precision = hits / np.arange(1.0, len(matched) + 1)
        result[index] = interpolated_area(recall, precision)
    return result


def interpolated_area(recall, precision):
    """Area under the precision-recall curve with precision made monotonic; ``(N,)`` each, recall not falling."""
    recall = np.concatenate([[0.0], recall, [1.0]])
    envelope = np.maximum.accumulate(np.concatenate([[0.0], precision, [0.0]])[::-1])[::-1]
    return float(np.sum((recall[1:] - recall[:-1]) * envelope[1:]))


class _Pairs(NamedTuple):
    """Detections and instances of one recording that overlap enough to matter, in the order that they are tried."""

    detection: np.ndarray
    instance: np.ndarray
    tiou: np.ndarray


def _overlapping_pairs(truth, detections, least):
    order = np.argsort(truth.recordings, kind="mergesort")
    first = np.searchsorted(truth.recordings[order], detections.recordings, side="left")
    last = np.searchsorted(truth.recordings[order], detections.recordings, side="right")
    count = last - first
    detection = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(detection)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    instance = order[place]
    overlap = paired_tiou(detections.segments[detection], truth.segments[instance])
    enough = overlap >= least
    detection, instance, overlap = detection[enough], instance[enough], overlap[enough]
    best_first = np.lexsort((-overlap, detection))
    return _Pairs(detection[best_first], instance[best_first], overlap[best_first])


def _match(pairs, threshold, instances, detections):
    """Which detections are true positives."""
    matched = np.zeros(detections, dtype=bool)
    taken = [False] * instances
    done = -1
    kept = pairs.tiou >= threshold
    for detection, instance in zip(pairs.detection[kept].tolist(), pairs.instance[kept].tolist()):
        if detection != done and not taken[instance]:
            taken[instance] = True
            matched[detection] = True
            done = detection
    return matched
