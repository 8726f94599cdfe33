"""Training targets of actionness, startness and endness (Lin et al., "BSN", ECCV 2018, section 3.4)."""

import numpy as np

COVERED = 0.5  # part of a snippet that a region covers where the snippet counts as inside


def region_targets(segments, length, valid, part, least):
    """Which snippets lie in the region of an action, of a start, of an end: float32 ``(3, length)``, 0 or 1.

    An action's region is the action; that of a start or end reaches ``part`` of the duration to each side, and no less
    than ``least`` snippets. A snippet lies in a region that covers at least half of it.

    :param segments: float64 ``(N, 2)`` in snippet units; may be empty, and may reach past the clip.
    :param valid: number of real snippets; the others are 0.
    """
    segments = segments.reshape(-1, 2)
    reach = np.maximum(part * (segments[:, 1] - segments[:, 0]), least)[:, None] * [-1, 1]
    regions = np.stack([segments, segments[:, :1] + reach, segments[:, 1:] + reach])
    centres = np.arange(length, dtype=np.float64)[:, None]
    covered = np.minimum(regions[:, None, :, 1], centres + 0.5) - np.maximum(regions[:, None, :, 0], centres - 0.5)
    # Rounding must not push a region just as wide as a snippet's half below it
    inside = (covered >= COVERED - 1e-9).any(axis=2) & (centres[:, 0] < valid)
    return inside.astype(np.float32)
