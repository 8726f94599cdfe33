"""Training targets of snippets: classes, starts and ends."""

from typing import NamedTuple

import numpy as np

BOUNDARY_RADIUS = 1.5  # snippets; BMN (section 3.2) widens a boundary to 3 snippets


class SnippetTargets(NamedTuple):
    """Targets of one clip of T snippets; all float32.

    ``classes (K, T)`` in 0..1: the part of the snippet that the class's actions cover. ``boundaries (2, T)``: 1 where a
    start, an end lies within the boundary radius. ``offsets (2, T)``: snippets from the centre to the nearest one,
    0 where ``boundaries`` is 0. ``valid (T,)``: 0 on padding.
    """

    classes: np.ndarray
    boundaries: np.ndarray
    offsets: np.ndarray
    valid: np.ndarray


def snippet_targets(segments, classes, class_count, length, valid, radius=BOUNDARY_RADIUS):
    """Targets of one clip.

    :param segments: float64 ``(N, 2)`` in snippet units; may be empty.
    :param classes: int64 ``(N,)``; entries below 0 (unknown labels) only count as boundaries.
    :param valid: number of real snippets.
    :param radius: a boundary reaches this many snippets to each side.
    """
    centres = np.arange(length, dtype=np.float64)
    covered = np.zeros((class_count, length), dtype=np.float32)
    for (start, end), index in zip(segments, classes):
        if index >= 0:
            part = np.clip(np.minimum(end, centres + 0.5) - np.maximum(start, centres - 0.5), 0.0, 1.0)
            covered[index] = np.minimum(covered[index] + part, 1.0)
    boundaries = np.zeros((2, length), dtype=np.float32)
    offsets = np.zeros((2, length), dtype=np.float32)
    for side in range(2):
        if len(segments):
            distance = segments[None, :, side] - centres[:, None]
            nearest = distance[np.arange(length), np.abs(distance).argmin(axis=1)]
            near = np.abs(nearest) <= radius
            boundaries[side] = near
            offsets[side] = np.where(near, nearest, 0.0)
    mask = (np.arange(length) < valid).astype(np.float32)
    return SnippetTargets(covered * mask, boundaries * mask, offsets * mask, mask)
