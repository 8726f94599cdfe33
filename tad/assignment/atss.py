"""Adaptive training sample selection (Zhang et al., "Bridging the Gap Between Anchor-based and Anchor-free Detection
via Adaptive Training Sample Selection", CVPR 2020, algorithm 1)."""

from typing import NamedTuple

import numpy as np

from tad.segments import clip, lengths, tiou

BACKGROUND = -1
ROUNDING = 1e-9  # the mean of equal numbers may come out a bit above them


class AnchorTargets(NamedTuple):
    """Targets of one clip's N anchors; all float32.

    ``classes (K, N)`` 0 or 1; ``segments (N, 2)``, the anchor itself where it is not positive; ``centerness (N,)``,
    ``positive (N,)``; ``judged (N,)``: 0 on padding and where the action's class is unknown.
    """

    classes: np.ndarray
    segments: np.ndarray
    centerness: np.ndarray
    positive: np.ndarray
    judged: np.ndarray


def nearest_anchors(anchors, segments, levels, count):
    """The ``count`` anchors of each level whose centres are nearest to each action's; all of a smaller level.

    Of equally near anchors the first come first.

    :param anchors: float64 ``(N, 2)``; ``segments`` float64 ``(M, 2)``, in the same unit.
    :param levels: level of each anchor, int ``(N,)``.
    :returns: int64 ``(M, C)``, indices of anchors; C is the same for all actions.
    """
    distances = np.abs(segments.mean(axis=1)[:, None] - anchors.mean(axis=1)[None, :])
    chosen = [np.zeros((len(segments), 0), dtype=np.int64)]
    for level in np.unique(levels):
        members = np.flatnonzero(levels == level)
        order = np.argsort(distances[:, members], axis=1, kind="mergesort")
        chosen.append(members[order[:, :count]])
    return np.concatenate(chosen, axis=1)


def adaptive_thresholds(overlaps):
    """Mean plus standard deviation of the candidates' tIoU of each action: ``(M, C) -> (M,)``.

    The deviation is that of a sample (divided by C - 1), as in the authors' code; the paper does not say which. A
    single candidate has none. An action without candidates gets 1. :data:`ROUNDING` is taken off.
    """
    count = overlaps.shape[1]
    if count == 0:
        return np.ones(len(overlaps))
    deviation = overlaps.std(axis=1, ddof=1) if count > 1 else 0.0
    return overlaps.mean(axis=1) + deviation - ROUNDING


def assign_anchors(anchors, segments, levels, count):
    """The action that each anchor learns, or :data:`BACKGROUND`.

    An anchor is positive for an action if it is among its candidates (:func:`nearest_anchors`), its tIoU is at least
    the action's threshold (:func:`adaptive_thresholds`), and its centre lies between the action's start and end, both
    excluded (the authors' code asks for 0.01 pixels more). Of several such actions it takes the one with the highest
    tIoU, and of equal ones the first. An action may remain without an anchor, where others take all of its own or none
    lies inside.

    :param anchors: float64 ``(N, 2)``; ``segments`` float64 ``(M, 2)``, in the same unit; either may be empty.
    :param levels: level of each anchor, int ``(N,)``; ``count`` candidates are taken from each.
    :returns: int64 ``(N,)``
    """
    assigned = np.full(len(anchors), BACKGROUND, dtype=np.int64)
    if len(anchors) == 0 or len(segments) == 0:
        return assigned
    overlaps = tiou(segments, anchors)
    candidates = nearest_anchors(anchors, segments, levels, count)
    actions = np.arange(len(segments))[:, None]
    of_candidates = overlaps[actions, candidates]
    centres = anchors.mean(axis=1)[candidates]
    inside = (centres > segments[:, :1]) & (centres < segments[:, 1:])
    claims = np.zeros(overlaps.shape, dtype=bool)
    claims[actions, candidates] = inside & (of_candidates >= adaptive_thresholds(of_candidates)[:, None])
    claimed = claims.any(axis=0)
    # argmax takes the first of equal values
    assigned[claimed] = np.where(claims, overlaps, -1.0).argmax(axis=0)[claimed]
    return assigned


def anchor_targets(anchors, segments, classes, class_count, valid, count):
    """Targets of one clip.

    Actions count with the part that is seen (:func:`seen_actions`) and share their classes (:func:`labels_of`).

    :param anchors: :class:`tad.proposals.anchors.Anchors`
    :param segments: float64 ``(M, 2)`` in snippets of the clip; may be empty and may reach past its ends.
    :param classes: int64 ``(M,)``; below 0: an unknown label, whose anchors learn the segment and no class.
    :param valid: number of real snippets; ``count`` as for :func:`assign_anchors`.
    :returns: :class:`AnchorTargets`
    """
    seen, classes = seen_actions(segments, classes, valid)
    centres, real = anchors.segments.mean(axis=1), anchors.real(valid)
    assigned = np.full(len(real), BACKGROUND, dtype=np.int64)
    assigned[real] = assign_anchors(anchors.segments[real], seen, anchors.levels[real], count)
    positive = np.flatnonzero(assigned != BACKGROUND)
    own = seen[assigned[positive]]
    learned, labels = anchors.segments.copy(), np.zeros((class_count, len(real)))
    learned[positive] = own
    judged = real.copy()
    judged[positive] = classes[assigned[positive]] >= 0
    labels[:, positive] = labels_of(own, seen, classes, class_count)
    centerness = np.zeros(len(real))
    centerness[positive] = centerness_of(centres[positive], own)
    parts = labels, learned, centerness, assigned != BACKGROUND, judged
    return AnchorTargets(*(part.astype(np.float32) for part in parts))


def seen_actions(segments, classes, valid):
    """The parts of actions that lie on real snippets, without those that have none: what cannot be seen is not learned.

    :returns: segments ``(S, 2)`` and classes ``(S,)``.
    """
    seen = clip(segments, -0.5, valid - 0.5).reshape(-1, 2)
    kept = lengths(seen) > 0
    return seen[kept], classes[kept]


def labels_of(own, segments, classes, class_count):
    """Which classes happen at the very place of each row's action ``own (P, 2)``: ``(K, P)``, 0 or 1.

    Actions at the same place name their classes together (THUMOS14: every cliff dive is a dive).
    """
    labels = np.zeros((class_count, len(own)))
    for segment, label in zip(segments, classes):
        if label >= 0:
            labels[label, (own == segment).all(axis=1)] = 1
    return labels


def centerness_of(centres, segments):
    """Square root of the shorter over the longer distance to the two ends (FCOS, equation 3): ``(N,), (N, 2)``.

    Centres lie inside their segments, ends excluded.
    """
    distances = np.abs(segments - centres[:, None])
    return np.sqrt(distances.min(axis=1) / distances.max(axis=1))
