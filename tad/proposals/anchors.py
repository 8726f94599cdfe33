"""Anchors of a feature pyramid over time."""

from typing import NamedTuple

import numpy as np


class Anchors(NamedTuple):
    """``segments`` float64 ``(N, 2)`` in snippets, and the ``levels`` int64 ``(N,)`` that they belong to."""

    segments: np.ndarray
    levels: np.ndarray

    def real(self, valid):
        """Mask ``(N,)`` of the anchors whose centres lie on the first ``valid`` snippets, which are no padding."""
        return self.segments.mean(axis=1) < valid


def pyramid_anchors(length, levels, scale):
    """One anchor at each location, finest level first: centre ``j * 2 ** l``, width ``scale * 2 ** l``.

    :param length: snippets of the clip; level l has ``ceil(length / 2 ** l)`` locations.
    :returns: :class:`Anchors`
    """
    strides = [2 ** level for level in range(levels)]
    counts = [-(-length // stride) for stride in strides]
    centres = np.concatenate([stride * np.arange(count, dtype=np.float64) for stride, count in zip(strides, counts)])
    halves = np.repeat(0.5 * scale * np.array(strides, dtype=np.float64), counts)
    return Anchors(np.stack([centres - halves, centres + halves], axis=1), np.repeat(np.arange(levels), counts))
