"""Clips: the fixed-length pieces of recordings that a detector sees, cut as windows or rescaled."""

from typing import NamedTuple

import numpy as np

from tad.data.timegrid import TimeGrid


class Clip(NamedTuple):
    """``length`` snippets of one recording.

    ``features`` is float32 ``(C, length)``, zero from snippet ``valid`` on. ``segments`` float64 ``(N, 2)`` and
    ``classes`` int64 ``(N,)`` are in the clip's own snippet units and may reach past its ends. A detection whose centre
    lies in ``[owned_from, owned_to)`` is this clip's to report: elsewhere a neighbour sees it better.
    """

    id: str
    features: np.ndarray
    valid: int
    grid: TimeGrid
    segments: np.ndarray
    classes: np.ndarray
    owned_from: float
    owned_to: float


def cut_windows(source, features, settings, length):
    """Overlapping windows of ``length`` snippets that cover a recording; the last one ends where it ends.

    Each reports what lies nearest to its own centre, plus a margin where windows meet (duplicates fall to NMS).

    :param features: normalized ``(T, C)``, an array or :class:`tad.data.rows.Rows`.
    :returns: iterator of :class:`Clip`, each cut when its turn comes.
    """
    firsts = window_starts(source.snippets, length, settings.overlap)
    margin = length / 16.0
    for index, first in enumerate(firsts):
        low, high = -np.inf, np.inf
        if index > 0:
            low = (firsts[index - 1] - first + length) / 2.0 - margin
        if index + 1 < len(firsts):
            high = (firsts[index + 1] - first + length) / 2.0 + margin
        yield sample_clip(source, features, first, 1.0, length)._replace(owned_from=low, owned_to=high)


def rescale(source, features, settings, length):
    """The whole recording, linearly resampled to ``length`` snippets, as an iterator of one :class:`Clip`."""
    step = source.snippets / float(length)
    yield sample_clip(source, features, step / 2.0 - 0.5, step, length)


CUTTERS = {"windows": cut_windows, "rescale": rescale}


def clip_count(snippets, settings, length):
    """How many clips a recording is cut into."""
    return 1 if settings.mode == "rescale" else len(window_starts(snippets, length, settings.overlap))


def window_starts(snippets, length, overlap):
    """First snippets of the windows over a recording."""
    if snippets <= length:
        return [0]
    hop = max(1, int(round(length * (1.0 - overlap))))
    starts = list(range(0, snippets - length, hop))
    return starts + [snippets - length]


def sample_clip(source, features, origin, step, length):
    """A clip whose snippet ``i`` lies at ``origin + i * step`` of the recording."""
    valid = int(np.clip(np.ceil((source.snippets - 0.5 - origin) / step), 1, length))
    sampled = np.zeros((length, features.shape[1]), dtype=np.float32)
    sampled[:valid] = interpolate(features, origin + np.arange(valid) * step)
    segments = (source.segments - origin) / step
    inside = (segments[:, 1] > -0.5) & (segments[:, 0] < valid - 0.5)
    grid = TimeGrid(float(source.grid.to_seconds(origin)), source.grid.step_s * step)
    return Clip(source.id, np.ascontiguousarray(sampled.T), valid, grid,
                segments[inside], source.classes[inside], -np.inf, np.inf)


def interpolate(features, positions):
    """Linear interpolation of ``(T, C)`` at rising float positions; outside, the first or last snippet."""
    positions = np.clip(positions, 0, len(features) - 1)
    left = np.floor(positions).astype(np.int64)
    part = (positions - left).astype(np.float32)[:, None]
    if not part.any():
        return take_rows(features, left)
    right = np.minimum(left + 1, len(features) - 1)
    return take_rows(features, left) * (1 - part) + take_rows(features, right) * part


def take_rows(features, indices):
    """``features[indices]`` for rising indices, by slices: of features on disk, only the wanted rows are read."""
    if isinstance(features, np.ndarray):
        return features[indices]
    wanted = np.unique(indices)
    runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1)
    rows = np.concatenate([features[run[0]:run[-1] + 1] for run in runs])
    return rows[np.searchsorted(wanted, indices)]
