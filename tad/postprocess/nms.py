"""Thinning of overlapping detections: greedy NMS and soft-NMS, within each class or across all."""

import numpy as np

from tad.postprocess.fusion import Detections, concatenate
from tad.segments import tiou

MOST_COMPARED = 4000  # of a group, the best-scored that take part (more where top_k asks for more)


def suppress(detections, settings):
    """Thin detections by the method that settings name, then keep the ``top_k`` best, best first.

    :param detections: :class:`tad.postprocess.fusion.Detections` of one recording.
    :param settings: :class:`tad.config.PostprocessSettings`
    """
    thin = METHODS[settings.method]
    groups = np.unique(detections.labels) if settings.per_class else [None]
    parts = []
    for group in groups:
        members = np.arange(len(detections.labels)) if group is None else np.flatnonzero(detections.labels == group)
        order = members[np.argsort(-detections.scores[members], kind="mergesort")][:max(MOST_COMPARED, settings.top_k)]
        parts.append(thin(detections.take(order), settings))
    joined = concatenate(parts)
    return joined.take(np.argsort(-joined.scores, kind="mergesort")[:settings.top_k])


def nms(detections, settings):
    """Greedy NMS: a detection goes if it overlaps a better one by more than ``tiou_threshold``. Input sorted."""
    alive = np.ones(len(detections.scores), dtype=bool)
    for index in range(len(alive)):
        if alive[index]:
            overlap = tiou(detections.segments[index:index + 1], detections.segments[index + 1:])[0]
            alive[index + 1:] &= overlap <= settings.tiou_threshold
    return detections.take(alive)


def soft_nms(detections, settings):
    """Gaussian soft-NMS (Bodla et al., 2017, equation 3): each choice lowers the scores of those that overlap it.

    Only those that overlap it by more than ``soft_threshold`` (Lin et al., "BSN", 2018, section 3.3); 0 takes all.
    Stops at ``top_k`` choices or when the best score left is under ``min_score``.
    """
    scores = detections.scores.copy()
    segments = detections.segments
    # Only what begins after best_start - longest and before best_end can overlap it: all else keeps its score
    by_start = np.argsort(segments[:, 0], kind="mergesort")
    starts = segments[by_start, 0]
    longest = (segments[:, 1] - segments[:, 0]).max() if len(segments) else 0.0
    chosen, final = [], []
    while len(chosen) < min(settings.top_k, len(scores)):
        best = int(np.argmax(scores))
        if scores[best] < settings.min_score or scores[best] <= 0:
            break
        chosen.append(best)
        final.append(scores[best])
        first, last = np.searchsorted(starts, [segments[best, 0] - longest, segments[best, 1]])
        near = by_start[first:last]
        overlap = tiou(segments[best:best + 1], segments[near])[0]
        near, overlap = (values[overlap > settings.soft_threshold] for values in (near, overlap))
        scores[near] *= np.exp(-overlap ** 2 / settings.sigma)
        scores[best] = -1.0
    chosen = np.array(chosen, dtype=np.int64)
    return Detections(segments[chosen], detections.labels[chosen], np.array(final))


def keep_all(detections, settings):
    """No thinning."""
    return detections


METHODS = {"soft_nms": soft_nms, "nms": nms, "none": keep_all}
