"""Average recall of proposals against their average number, as ActivityNet's proposal task defines it."""

from typing import NamedTuple, Tuple

import numpy as np

from tad.evaluation.instances import best_first
from tad.evaluation.matching import overlapping_pairs

POINTS = 100  # of the curve


class RecallCurve(NamedTuple):
    """``numbers (100,)``: average numbers of proposals a recording; ``recall (thresholds, 100)``, parts of 1."""

    numbers: np.ndarray
    recall: np.ndarray
    thresholds: Tuple[float, ...]

    @property
    def average(self):
        """AR at each number."""
        return self.recall.mean(axis=0)

    @property
    def area(self):
        """Area under the AR-AN curve over the largest number, by trapezoids from the first point on."""
        middle = (self.average[1:] + self.average[:-1]) / 2
        return float(np.sum(middle * np.diff(self.numbers)) / self.numbers[-1])


def average_recall(truth, proposals, thresholds, most):
    """Recall of instances when the same part of each recording's proposals is taken, best first.

    Labels do not count. Recordings without instances count only in the number of proposals that there are. Proposals of
    equal score are taken in the order given.

    :param truth: :class:`tad.evaluation.instances.Instances`, at least one.
    :param proposals: likewise, in any order; -1 is a recording that the ground truth lacks.
    :param most: the largest average number of proposals a recording.
    :returns: :class:`RecallCurve`
    """
    annotated, recording = np.unique(truth.recordings, return_inverse=True)
    available = np.bincount(proposals.recordings[proposals.recordings >= 0], minlength=annotated[-1] + 1)[annotated]
    # Part of all proposals that is wanted at the most; products in the official order, for the same rounding
    part = most * float(len(annotated)) / max(len(proposals.recordings), 1)
    taken = np.minimum((available * part).astype(np.int64), available)
    numbers = np.arange(1, POINTS + 1) / float(POINTS) * most
    if not taken.sum():
        return RecallCurve(numbers, np.zeros((len(thresholds), POINTS)), tuple(thresholds))
    parts = np.arange(1, POINTS + 1) / float(POINTS) * (most * float(len(annotated)) / taken.sum())
    limits = np.minimum((taken[:, None] * parts).astype(np.int64), taken[:, None])
    return RecallCurve(parts * (taken.sum() / float(len(annotated))), _recall(truth, recording, proposals, thresholds,
                                                                            limits), tuple(thresholds))


def _recall(truth, recording, proposals, thresholds, limits):
    """:param limits: how many proposals of each annotated recording stand at each point ``(recordings, 100)``."""
    ranked = best_first(proposals._replace(labels=proposals.recordings))
    first = np.searchsorted(ranked.recordings, ranked.recordings)
    pairs = overlapping_pairs(truth, ranked, min(thresholds), same_label=False)
    recall = np.zeros((len(thresholds), POINTS))
    for row, threshold in zip(recall, thresholds):
        enough = pairs.tiou >= threshold
        instance, detection = pairs.instance[enough], pairs.detection[enough]
        found_at = np.full(len(truth.recordings), np.iinfo(np.int64).max)
        # Of several that find an instance, the last one written is the best
        found_at[instance[::-1]] = (detection - first[detection])[::-1]
        row[:] = np.mean(found_at[:, None] < limits[recording], axis=0)
    return recall
