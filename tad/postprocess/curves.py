"""Joins the per-snippet curves of a recording's clips to those of the recording, in bounded memory."""

from typing import NamedTuple

import numpy as np

CURVES = ("actionness", "startness", "endness")
MOST_POINTS = 2 ** 20  # of a recording, 12 MiB; of a longer one each point is the highest of its neighbourhood


class Curves(NamedTuple):
    """``times`` float64 ``(T,)``, rising, in seconds; ``values`` float32 ``(R, T)`` in 0..1, the first of CURVES."""

    times: np.ndarray
    values: np.ndarray


class CurveJoiner(object):
    """Takes the curves of one recording's clips in the order of time.

    A snippet's values are those of the window that answers for it (``Clip.owned_from``, ``owned_to``); in the narrow
    strip that two windows share, the higher ones.

    :param snippets: of the recording, or of its one clip where it is rescaled.
    """

    def __init__(self, snippets):
        self._every = -(-snippets // MOST_POINTS)
        self._points = -(-snippets // self._every)
        self._values = None
        self._grid = None

    def add(self, clip, curves):
        """Take ``curves`` ``(R, clip.valid)``, as many of each clip, or None from a detector that has none."""
        if curves is None:
            return
        if self._grid is None:
            # The first clip begins where the recording does
            self._grid = clip.grid
            self._values = np.zeros((len(curves), self._points), np.float32)
        own = np.arange(clip.valid)
        own = own[(own >= clip.owned_from) & (own < clip.owned_to)]
        first = int(round((clip.grid.origin_s - self._grid.origin_s) / self._grid.step_s))
        np.maximum.at(self._values, (slice(None), (first + own) // self._every), curves[:, own])

    def joined(self):
        """:class:`Curves`, or None where no clip had any."""
        if self._grid is None:
            return None
        middle = np.arange(self._values.shape[1]) * self._every + (self._every - 1) / 2.0
        return Curves(self._grid.to_seconds(middle), self._values)
