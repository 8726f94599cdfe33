"""Proposals at places that no curve chooses: a coarser grid, sliding windows, random segments."""

import numpy as np

from tad.proposals.grid import all_proposals

SHORTEST = 1.0  # snippets


def stepped_cells(snippets, steps):
    """Cells of the grid (:func:`tad.proposals.grid.all_proposals`) whose starts are multiples of a step.

    :param steps: int64 ``(D,)``, for durations 1 to D; with a step of 0 there is none of that duration.
    :returns: int64 ``(N, 2)``, by duration, then start.
    """
    cells = all_proposals(snippets, len(steps))
    step = steps[cells[:, 1] - cells[:, 0] - 1]
    return cells[(step > 0) & (cells[:, 0] % np.maximum(step, 1) == 0)]


def alternate_steps(max_duration, step):
    """Steps for every ``step``-th duration at every ``step``-th start; a step of 1 leaves nothing out."""
    durations = np.arange(1, max_duration + 1)
    return np.where(durations % step == 0, step, 0)


def sliding_steps(max_duration, ratio, overlap):
    """Steps for windows of a few durations, each sliding by the same part of its own (Shou et al., "Temporal Action
    Localization in Untrimmed Videos via Multi-stage CNNs", 2016, section 3.1: ratio 2, overlap 0.75).

    :param ratio: above 1, of a duration to the next smaller one; the longest is ``max_duration``, the others are
        rounded to snippets.
    :param overlap: part of a window that the next one covers again, below 1; windows move by whole snippets.
    """
    durations = window_durations(max_duration, ratio)
    steps = np.zeros(max_duration, dtype=np.int64)
    steps[durations - 1] = np.maximum(1, np.floor(durations * (1.0 - overlap) + 0.5))
    return steps


def window_durations(longest, ratio):
    """Durations of :func:`sliding_steps` in snippets: int64, rising, each once."""
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
