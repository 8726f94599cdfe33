"""Training targets of a second stage that judges segments again (Cai and Vasconcelos, "Cascade R-CNN", CVPR 2018)."""

from typing import NamedTuple

import numpy as np

from tad.assignment.atss import labels_of
from tad.segments import tiou


class SegmentTargets(NamedTuple):
    """Targets of N segments of one clip; all float32.

    ``classes (N, K)`` 0 or 1; ``segments (N, 2)``, the segment itself where it is not positive; ``positive (N,)``;
    ``judged (N,)``: 0 where the action's class is unknown.
    """

    classes: np.ndarray
    segments: np.ndarray
    positive: np.ndarray
    judged: np.ndarray


def segment_targets(proposals, segments, classes, class_count, threshold):
    """What each of ``proposals`` learns of the action that it overlaps most, of equal ones the first.

    From the tIoU ``threshold`` on it is positive, and learns the action's boundaries and classes; the others learn that
    they are no action.

    :param proposals: float64 ``(N, 2)``; ``segments`` of actions float64 ``(M, 2)``, M may be 0.
    :param classes: int64 ``(M,)``; below 0: an unknown label.
    :returns: :class:`SegmentTargets`
    """
    learned, labels = proposals.copy(), np.zeros((len(proposals), class_count))
    positive, judged = np.zeros(len(proposals)), np.ones(len(proposals))
    if len(segments):
        overlaps = tiou(proposals, segments)
        best = overlaps.argmax(axis=1)
        chosen = np.flatnonzero(overlaps.max(axis=1) >= threshold)
        learned[chosen] = segments[best[chosen]]
        labels[chosen] = labels_of(learned[chosen], segments, classes, class_count).T
        positive[chosen] = 1
        judged[chosen] = classes[best[chosen]] >= 0
    return SegmentTargets(*(part.astype(np.float32) for part in (labels, learned, positive, judged)))
