"""Mean average precision over tIoU thresholds, as the ActivityNet and THUMOS14 evaluators define it."""

from typing import NamedTuple, Optional, Tuple

import numpy as np

from tad.evaluation.instances import Instances, best_first, first_of_each
from tad.evaluation.matching import Matching, match, official_tiou, overlapping_pairs
from tad.evaluation.sharing import matched_by_all

ANY_OVERLAP = float(np.finfo(np.float64).tiny)  # as a tIoU that every segment with shared time reaches


class Ranking(NamedTuple):
    """Detections of all classes, best first within each, with what they found.

    ``found``: :class:`tad.evaluation.instances.Instances`; class c has those from ``edges[c]`` to ``edges[c + 1]``.
    ``instances`` int ``(classes,)`` how many the ground truth has. ``matchings``: for each threshold a
    :class:`tad.evaluation.matching.Matching`. ``droppable`` bool ``(N,)``: what counts as no false positive, or None.
    """

    found: Instances
    edges: np.ndarray
    instances: np.ndarray
    thresholds: Tuple[float, ...]
    matchings: Tuple[Matching, ...]
    droppable: Optional[np.ndarray] = None

    def dropped(self, matching):
        """Detections that do not count at one threshold: droppable ones that are no true positives."""
        if self.droppable is None:
            return None
        dropped = self.droppable.copy()
        dropped[matching.detection] = False
        return dropped


def rank(truth, found, classes, thresholds, ignored=None, ranks=None):
    """Match detections with the ground truth at each threshold.

    Detections take their turn by falling score, ties in the order given; each takes the free instance of its recording
    and class with the highest tIoU at or above the threshold, else it is a false positive.

    :param truth: ground truth, :class:`tad.evaluation.instances.Instances` with labels below ``classes``.
    :param found: detections, likewise.
    :param ignored: ambiguous instances of no class: detections that share time with one and find nothing are dropped.
    :param ranks: :class:`tad.engine.ranks.Ranks` that share the work, connected; rank 0 gets the whole.
    :returns: :class:`Ranking`
    """
    def matched(part):
        pairs = overlapping_pairs(truth, part, min(thresholds), overlap=official_tiou)
        matchings = [match(pairs, threshold, len(truth.labels)) for threshold in thresholds]
        if ignored is None or not len(ignored.labels):
            return matchings, np.zeros(0, np.int64)
        return matchings, overlapping_pairs(ignored, part, ANY_OVERLAP, same_label=False).detection

    found = best_first(found)
    alone = ranks is None or ranks.count == 1
    matchings, ambiguous = matched(found) if alone else matched_by_all(matched, found, ranks)
    droppable = None
    if len(ambiguous):
        droppable = np.zeros(len(found.labels), dtype=bool)
        droppable[ambiguous] = True
    return Ranking(found, first_of_each(found.labels, classes), np.bincount(truth.labels, minlength=classes),
                   tuple(thresholds), tuple(matchings), droppable)


def average_precisions(ranking, weight=None):
    """AP of each class at each threshold: float64 ``(classes, thresholds)``; NaN for a class without instances.

    :param weight: as for :func:`precisions`.
    """
    return np.array([class_precisions(ranking.found.labels[matching.detection], wrong_before(ranking, matching),
                                      ranking.instances, weight) for matching in ranking.matchings]).T


def wrong_before(ranking, matching, dropped=None):
    """Number of false positives before each true positive of a matching, in its class: int ``(K,)``.

    :param dropped: bool ``(N,)``, detections that count as nothing, none of them a true positive; None for those that
        the ranking drops.
    """
    hits = matching.detection
    dropped = ranking.dropped(matching) if dropped is None else dropped
    labels = ranking.found.labels[hits]
    wrong = (hits - ranking.edges[labels]) - (np.arange(len(hits)) - np.searchsorted(hits, ranking.edges)[labels])
    if dropped is not None:
        before = np.append(0, np.cumsum(dropped))
        wrong = wrong - (before[hits] - before[ranking.edges[labels]])
    return wrong


def class_precisions(labels, wrong, instances, weight=None):
    """AP of each class, float64 ``(classes,)``; NaN for one without instances.

    :param labels: of the true positives, rising, those of a class best first; ``wrong`` false positives before each.
    :param instances: int ``(classes,)``
    :param weight: as for :func:`precisions`.
    """
    first = first_of_each(labels, len(instances))
    result = np.full(len(instances), np.nan)
    for label in np.flatnonzero(instances):
        part = wrong[first[label]:first[label + 1]]
        result[label] = interpolated(precisions(part, instances[label], weight)).sum() / instances[label]
    return result


def precisions(wrong, instances, weight=None):
    """Precision at each true positive of a class: ``(K,)``.

    :param wrong: number of false positives before each.
    :param weight: number of instances that every class is taken to have (Hoiem et al., "Diagnosing Error in Object
        Detectors", ECCV 2012); None for its own.
    """
    right = np.arange(1.0, len(wrong) + 1)
    if weight is not None:
        right = right / instances * weight
    return right / (right + wrong)


def interpolated(precision):
    """Precision made monotonic: the best at this recall or a higher one (Everingham et al., PASCAL VOC 2012, 3.4.1)."""
    return np.maximum.accumulate(precision[::-1])[::-1]


def interpolated_area(recall, precision):
    """Area under any precision-recall curve with precision made monotonic; ``(N,)`` each, recall not falling."""
    steps = np.diff(np.concatenate([[0.0], recall]))
    return float(np.sum(steps * interpolated(precision)))


def precision_at_recalls(ranking, recalls):
    """Interpolated precision of each class at some recalls, float64 ``(thresholds, classes, len(recalls))``."""
    curves = np.zeros((len(ranking.thresholds), len(ranking.instances), len(recalls)))
    for row, matching in zip(curves, ranking.matchings):
        wrong = wrong_before(ranking, matching)
        first = first_of_each(ranking.found.labels[matching.detection], len(ranking.instances))
        for label in np.flatnonzero(ranking.instances):
            instances = ranking.instances[label]
            part = wrong[first[label]:first[label + 1]]
            curve = np.append(interpolated(precisions(part, instances)), 0.0)
            # The first hit that reaches the recall; a thousandth of an instance is rounding
            place = np.maximum(np.ceil(recalls * instances - 1e-3).astype(int) - 1, 0)
            row[label] = curve[np.minimum(place, len(curve) - 1)]
    return curves
