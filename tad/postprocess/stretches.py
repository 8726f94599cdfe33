"""Thinning of a recording of any length while its detections come in, in bounded memory and linear time."""

import numpy as np

from tad.postprocess.fusion import NOTHING, concatenate
from tad.postprocess.nms import suppress

STRETCH_CLIPS = 128  # windows that are thinned together, with top_k detections; most recordings have fewer


def thin_as_they_come(parts, halo_s, settings):
    """Detections of a whole recording, best first, from those of its clips in the order of time.

    Up to :data:`STRETCH_CLIPS` clips are thinned at once. A longer recording is thinned in stretches of so many clips,
    each together with what lies within ``halo_s`` beside it, and each gives the detections whose centre is its own.

    :param parts: iterator of (seconds, :class:`tad.postprocess.fusion.Detections` in seconds); no later part has a
        centre before those seconds.
    :param halo_s: at least the longest detection.
    :param settings: :class:`tad.config.PostprocessSettings`
    """
    kept, waiting, start, border = [], [], -np.inf, np.inf
    for number, (from_s, found) in enumerate(parts):
        if from_s >= border + halo_s:
            pool = concatenate(waiting)
            kept.append(between(suppress(pool, settings), start, border))
            waiting = [between(pool, border - halo_s, np.inf)]
            start, border = border, np.inf
        if number and number % STRETCH_CLIPS == 0 and border == np.inf:
            border = from_s
        waiting.append(found)
    kept.append(between(suppress(concatenate(waiting), settings), start, np.inf))
    joined = concatenate(kept)
    return joined.take(np.argsort(-joined.scores, kind="mergesort"))


def between(found, low, high):
    """The detections whose centre lies in ``[low, high)``."""
    if not len(found.scores):
        return NOTHING
    centres = found.segments.mean(axis=1)
    return found.take((centres >= low) & (centres < high))
