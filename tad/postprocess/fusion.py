"""From scored proposals to class-labelled detections of one clip."""

from typing import NamedTuple, Optional

import numpy as np


class ScoredProposals(NamedTuple):
    """What a detector says of one clip's proposals.

    ``segments`` float64 ``(N, 2)`` in the clip's snippet units; ``classes (N, K)``, ``boundaries (N,)`` (startness x
    endness), ``tiou (N,)`` and ``completeness (N,)`` are probabilities. ``curves`` are not of proposals but of the
    clip's snippets: actionness, startness and endness ``(3, clip.valid)`` in 0..1, or actionness alone
    ``(1, clip.valid)``; None from a detector without them.
    """

    segments: np.ndarray
    classes: np.ndarray
    boundaries: np.ndarray
    tiou: np.ndarray
    completeness: np.ndarray
    curves: Optional[np.ndarray] = None


class Detections(NamedTuple):
    """Detections of one recording or clip: ``segments (N, 2)``, ``labels`` int64 ``(N,)``, ``scores (N,)`` in 0..1."""

    segments: np.ndarray
    labels: np.ndarray
    scores: np.ndarray

    def take(self, chosen):
        """The detections at some indices, or where a mask is true."""
        return Detections(*(values[chosen] for values in self))


def concatenate(parts):
    """All detections of a list, in order."""
    return Detections(*(np.concatenate(values) for values in zip(NOTHING, *parts)))


NOTHING = Detections(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0))


def fuse(proposals, settings, external=None):
    """Score each proposal for its best classes: the product of its scores, each to the power that settings give it.

    BMN multiplies start, end and both confidences (section 3.5) with the score of a classifier of whole videos. Here
    the proposal's own class score takes that place; such external scores, where they are given, are one factor more.

    :param settings: :class:`tad.config.PostprocessSettings`
    :param external: score of each class for the whole recording, ``(K,)`` in 0..1, or None. Only its
        ``classes_per_recording`` best are detected, as G-TAD and BMN do with 2 and 1.
    :returns: :class:`Detections` in the clip's snippet units.
    """
    common = (proposals.boundaries ** settings.boundary_power * proposals.tiou ** settings.tiou_power
              * proposals.completeness ** settings.completeness_power)
    count = min(settings.classes_per_proposal, proposals.classes.shape[1])
    classes, ranked = proposals.classes ** settings.class_power, proposals.classes
    allowed = np.ones(proposals.classes.shape[1], bool)
    if external is not None:
        classes = ranked = classes * external ** settings.external_power
        allowed = best_classes(external, settings.classes_per_recording)
    labels = np.argsort(-np.where(allowed, ranked, -1.0), axis=1, kind="mergesort")[:, :count]
    scores = np.take_along_axis(classes, labels, axis=1) * common[:, None]
    kept = (scores >= settings.min_score) & allowed[labels]
    return Detections(np.repeat(proposals.segments, count, axis=0)[kept.ravel()], labels[kept], scores[kept])


def best_classes(external, most):
    """Which classes are among the ``most`` best of a whole recording, bool ``(K,)``; the first of equal ones, and all
    of them where ``most`` is None.
    """
    allowed = np.zeros(len(external), bool)
    allowed[np.argsort(-external, kind="mergesort")[:most]] = True
    return allowed


def mean_inside(scores, segments):
    """Mean of per-snippet scores inside segments: ``(K, T), (N, 2) -> (N, K)``.

    Snippet ``i`` holds its score over ``[i - 0.5, i + 0.5]``; parts outside the sequence count as 0.
    """
    total = np.concatenate([np.zeros((len(scores), 1)), np.cumsum(scores, axis=1)], axis=1)
    edges = np.clip(segments + 0.5, 0, scores.shape[1])
    left = np.minimum(np.floor(edges).astype(np.int64), scores.shape[1] - 1)
    integral = total[:, left] + scores[:, left] * (edges - left)
    width = np.maximum(segments[:, 1] - segments[:, 0], 1e-6)
    return ((integral[..., 1] - integral[..., 0]) / width).T
