"""Proposals at places that no curve chooses: a coarser grid, sliding windows, random segments."""

import numpy as np

from tad.proposals.grid import all_proposals

SHORTEST = 1.0  # snippets


def alternate_windows(snippets, max_duration, step):
    """Every ``step``-th duration at every ``step``-th start of :func:`tad.proposals.grid.all_proposals`.

    :param step: durations are ``step``, ``2 * step`` and so on, starts 0, ``step`` and so on; 1 leaves nothing out.
    :returns: int64 ``(N, 2)``, by duration, then start.
    """
    cells = all_proposals(snippets, max_duration)
    return cells[(cells % step == 0).all(axis=1)]


def sliding_windows(snippets, max_duration, ratio, overlap):
    """Windows of a few durations, each sliding by the same part of its own (Shou et al., "Temporal Action Localization
    in Untrimmed Videos via Multi-stage CNNs", 2016, section 3.1: each twice as long as the one before, overlap 0.75).

    :param ratio: above 1, of a duration to the next smaller one; the longest is ``max_duration``, the others are
        rounded to snippets.
    :param overlap: part of a window that the next one covers again, below 1; windows move by whole snippets.
    :returns: int64 ``(N, 2)``, by duration, then start.
    """
    placed = []
    for duration in window_durations(max_duration, ratio):
        starts = np.arange(0, snippets - duration, max(1, int(round(duration * (1.0 - overlap)))))
        placed.append(np.stack([starts, starts + duration], axis=1))
    return np.concatenate(placed)


def window_durations(longest, ratio):
    """Durations of :func:`sliding_windows` in snippets: int64, rising, each once."""
    count = int(np.floor(np.log(longest) / np.log(ratio) + 1e-9)) + 1
    return np.unique(np.floor(longest / ratio ** np.arange(count) + 0.5).astype(np.int64))


def random_segments(snippets, max_duration, count, rng):
    """``count`` segments of the real part ``[-0.5, snippets - 0.5]``: a duration at random, then its place.

    :param max_duration: longest duration; the shortest is a snippet.
    :param rng: :class:`numpy.random.RandomState`
    :returns: float64 ``(count, 2)``; none where there are no snippets.
    """
    if snippets < 1:
        return np.zeros((0, 2))
    room = snippets - SHORTEST
    durations = SHORTEST + min(room, max_duration - SHORTEST) * rng.random_sample(count)
    starts = (snippets - durations) * rng.random_sample(count) - 0.5
    return np.stack([starts, starts + durations], axis=1)
