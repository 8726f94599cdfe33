"""Which proposals count as whole actions: one function for each name of ``deeplab.positive``.

All take ``(proposals, overlaps, segments, settings)``: float64 ``(N, 2)``, their highest tIoU with any action ``(N,)``,
the actions ``(M, 2)`` in the same unit, and :class:`tad.config.DeepLabSettings`; N and M may be 0. They give bool
``(N,)``.
"""

import numpy as np

from tad.assignment.atss import adaptive_thresholds, nearest_anchors
from tad.assignment.proposals import NEGATIVE
from tad.segments import lengths, tiou


def fixed(proposals, overlaps, segments, settings):
    """A tIoU of at least ``positive_tiou`` with an action."""
    return reaches(overlaps, settings.positive_tiou)


def linear(proposals, overlaps, segments, settings):
    """A threshold for each action that changes linearly with its duration: a snippet more or less, which the grid and
    the annotators leave open, costs a short action more tIoU than a long one."""
    thresholds = np.interp(lengths(segments), (settings.positive_short, settings.positive_long),
                           (settings.positive_short_tiou, settings.positive_long_tiou))
    return _any_reached(proposals, segments, thresholds)


def adaptive(proposals, overlaps, segments, settings):
    """A threshold for each action from the proposals around it, as ATSS has (Zhang et al., CVPR 2020, algorithm 1).

    It is the mean plus the deviation of the tIoU of the ``positive_nearest`` proposals of each octave of durations
    whose centres are nearest to the action's; octaves (1 to 2 snippets, 2 to 4, ...) take the place of the pyramid's
    levels. Other than there, every proposal that reaches it counts, and none below a tIoU of 0.3: of an action that
    the window cuts off, all proposals hold a small part.
    """
    levels = np.floor(np.log2(np.maximum(lengths(proposals), 1.0))).astype(np.int64)
    candidates = nearest_anchors(proposals, segments, levels, settings.positive_nearest)
    of_candidates = [tiou(segment[None], proposals[own])[0] for segment, own in zip(segments, candidates)]
    thresholds = adaptive_thresholds(np.reshape(of_candidates, candidates.shape))
    return _any_reached(proposals, segments, np.maximum(thresholds, NEGATIVE))


def reaches(overlaps, threshold):
    """In float32, so that a tIoU that came out a rounding below its threshold reaches it."""
    return overlaps.astype(np.float32) >= np.float32(threshold)


def _any_reached(proposals, segments, thresholds):
    reached = np.zeros(len(proposals), dtype=bool)
    for segment, threshold in zip(segments, thresholds):
        reached |= reaches(tiou(proposals, segment[None])[:, 0], threshold)
    return reached


POSITIVES = {"fixed": fixed, "linear": linear, "adaptive": adaptive}
