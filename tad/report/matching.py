"""Which detections are right and what is wrong with the others, for every threshold at once."""

from typing import NamedTuple

import numpy as np

from tad.segments import paired_tiou

# The kinds of detections, after Alwassel et al., "Diagnosing Error in Temporal Action Detectors" (ECCV 2018), table 1
TRUE_POSITIVE, DOUBLE, WRONG_LABEL, LOCALIZATION, CONFUSION, BACKGROUND, UNCOUNTED = range(7)
KINDS = ("true positive", "double detection", "wrong label", "localization", "confusion", "background", "not counted")
TOP = 10  # multiples of the instances that a profile shows
LEAST_TIOU = 0.1  # below it a detection is background, in that paper
NONE = -1


class Table(NamedTuple):
    """Segments of many recordings: ``recordings`` and ``labels`` int64 ``(N,)``, ``segments`` float64 ``(N, 2)`` in
    seconds, ``scores`` float64 ``(N,)``, falling where the segments are detections and 0 where they are annotated."""

    recordings: np.ndarray
    labels: np.ndarray
    segments: np.ndarray
    scores: np.ndarray

    def take(self, chosen):
        """The segments at some indices, or where a mask is true."""
        return Table(*(values[chosen] for values in self))


class Pairs(NamedTuple):
    """Detections and instances of one recording that overlap; in the order of detections, the best tIoU first, of
    equal ones the later instance."""

    detection: np.ndarray
    instance: np.ndarray
    tiou: np.ndarray

    def take(self, chosen):
        """The pairs at some indices, or where a mask is true."""
        return Pairs(*(values[chosen] for values in self))


def by_score(table):
    """The table with the best scores first; ties stay in their order."""
    return table.take(np.argsort(-table.scores, kind="mergesort"))


def overlapping(truth, found):
    """All :class:`Pairs` of one recording that share time, whatever their labels."""
    order = np.argsort(truth.recordings, kind="mergesort")
    first = np.searchsorted(truth.recordings[order], found.recordings, side="left")
    count = np.searchsorted(truth.recordings[order], found.recordings, side="right") - first
    detection = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(detection)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    instance = order[place]
    tiou = paired_tiou(found.segments[detection], truth.segments[instance])
    pairs = Pairs(detection, instance, tiou).take(tiou > 0)
    return pairs.take(np.lexsort((-pairs.instance, -pairs.tiou, pairs.detection)))


def same_label(pairs, truth, found):
    """The pairs whose labels are the same."""
    return pairs.take(truth.labels[pairs.instance] == found.labels[pairs.detection])


def match(pairs, threshold, detections):
    """The instance that each detection takes, int64 ``(detections,)``, -1 for false positives.

    As :func:`tad.evaluation.average_precision.average_precision`: in the order of scores each detection takes the free
    instance with the highest tIoU at or above the threshold.

    :param pairs: those of the same label, of detections with falling scores.
    """
    taken, result = set(), np.full(detections, NONE, np.int64)
    done = NONE
    kept = pairs.take(pairs.tiou >= threshold)
    for detection, instance in zip(kept.detection.tolist(), kept.instance.tolist()):
        if detection != done and instance not in taken:
            taken.add(instance)
            result[detection] = instance
            done = detection
    return result


def kinds(pairs, truth, found, matched, threshold, counted):
    """What each detection is, and the instance that it is compared with.

    A false positive is judged by the instance of any label that it overlaps most; among equals one of its own label.

    :param pairs: of all labels, from :func:`overlapping`.
    :param matched: from :func:`match` at ``threshold``.
    :param counted: labels from this number on are in no annotation, and their detections count for nothing.
    :returns: kind uint8 ``(N,)``, and that instance int64 ``(N,)``, -1 for background; true positives have the one that
        they take.
    """
    size = len(found.recordings)
    same = truth.labels[pairs.instance] == found.labels[pairs.detection]
    order = np.lexsort((~same, -pairs.tiou, pairs.detection))
    tiou, partner, right_label = np.zeros(size), np.full(size, NONE, np.int64), np.zeros(size, bool)
    present, first = np.unique(pairs.detection[order], return_index=True)
    best = order[first]
    tiou[present], partner[present], right_label[present] = pairs.tiou[best], pairs.instance[best], same[best]
    kind = np.where(tiou >= threshold, np.where(right_label, DOUBLE, WRONG_LABEL),
                    np.where(right_label, LOCALIZATION, CONFUSION)).astype(np.uint8)
    kind[tiou < LEAST_TIOU] = BACKGROUND
    partner[tiou < LEAST_TIOU] = NONE
    right = matched != NONE
    kind[right], partner[right] = TRUE_POSITIVE, matched[right]
    kind[found.labels >= counted] = UNCOUNTED
    return kind, partner


def rank_in_group(groups):
    """How many rows of the same group stand before each row: int64 ``(N,)``."""
    order = np.argsort(groups, kind="mergesort")
    _, first, count = np.unique(groups[order], return_index=True, return_counts=True)
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups)) - np.repeat(first, count)
    return rank


def profile(found, kind, instances):
    """The kinds among the best G detections of each class, among the next G, and so on to 10 G (DETAD, figure 3).

    :param found: falling scores.
    :param kind: from :func:`kinds`.
    :param instances: G of each class that counts, ``(K,)``.
    :returns: int64 ``(10, 6)``, the kinds in the order of ``KINDS``.
    """
    counts = kind != UNCOUNTED
    labels, kind = found.labels[counts], kind[counts]
    tenth = rank_in_group(labels) // np.asarray(instances)[labels]
    result = np.zeros((TOP, UNCOUNTED), np.int64)
    shown = tenth < TOP
    np.add.at(result, (tenth[shown], kind[shown]), 1)
    return result
