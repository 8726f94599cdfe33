"""Joins the detections of a recording's clips, in seconds."""

import numpy as np

from tad.postprocess.fusion import concatenate


def merge_clips(clips, detections, duration_s):
    """Detections of all clips of one recording, from snippet units to seconds.

    :param clips: list of :class:`tad.data.clips.Clip`; ``detections`` the list beside it.
    """
    return concatenate([owned_by(clip, found, duration_s) for clip, found in zip(clips, detections)])


def owned_by(clip, found, duration_s):
    """Those detections of a clip that are its own to report, in seconds and cut to the recording.

    Where windows overlap, each detection is taken from the window that sees it best (``Clip.owned_from``,
    ``owned_to``); the narrow strip that two windows share leaves duplicates to NMS.
    """
    centres = found.segments.mean(axis=1)
    owned = found.take((centres >= clip.owned_from) & (centres < clip.owned_to))
    segments = np.clip(clip.grid.to_seconds(owned.segments), 0.0, duration_s)
    whole = segments[:, 1] > segments[:, 0]
    return owned._replace(segments=segments).take(whole)
