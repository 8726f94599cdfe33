"""Arithmetic on segments ``[start, end)``, the only place where it is written.

Segments are float arrays whose last axis holds start and end, in any unit as long as both sides use the same one.
"""

import numpy as np


def lengths(segments):
    """Lengths ``(N,)`` of segments ``(N, 2)``; reversed segments have length 0."""
    segments = np.asarray(segments, dtype=np.float64)
    return np.maximum(segments[..., 1] - segments[..., 0], 0.0)


def intersection(a, b):
    """Length that each segment of ``a`` shares with each of ``b``: ``(N, 2), (M, 2) -> (N, M)``."""
    a = np.asarray(a, dtype=np.float64).reshape(-1, 2)
    b = np.asarray(b, dtype=np.float64).reshape(-1, 2)
    low = np.maximum(a[:, None, 0], b[None, :, 0])
    high = np.minimum(a[:, None, 1], b[None, :, 1])
    return np.maximum(high - low, 0.0)


def tiou(a, b):
    """Temporal intersection over union: ``(N, 2), (M, 2) -> (N, M)`` in 0..1.

    Two segments of length 0 have tIoU 0, also at the same place.
    """
    shared = intersection(a, b)
    union = lengths(np.reshape(a, (-1, 2)))[:, None] + lengths(np.reshape(b, (-1, 2)))[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def paired_tiou(a, b):
    """tIoU of ``a[i]`` with ``b[i]``: ``(N, 2), (N, 2) -> (N,)``."""
    shared = np.maximum(np.minimum(a[:, 1], b[:, 1]) - np.maximum(a[:, 0], b[:, 0]), 0.0)
    union = lengths(a) + lengths(b) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def clip(segments, low, high):
    """Segments cut to ``[low, high]``; those outside become empty."""
    return np.clip(np.asarray(segments, dtype=np.float64), low, high)


def widen(segments, part):
    """Each segment longer by ``part`` of its length at each end (torch or numpy, ``(N, 2)``)."""
    start, end = segments[:, 0], segments[:, 1]
    margin = (end - start) * part
    widened = segments + 0
    widened[:, 0] = start - margin
    widened[:, 1] = end + margin
    return widened
