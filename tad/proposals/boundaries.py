"""Proposals from pairs of probable boundaries (Lin et al., "BSN", ECCV 2018, section 3.3)."""

import numpy as np


def boundary_snippets(scores, fraction=0.5):
    """Snippets where a boundary is probable: local peaks, and all above ``fraction`` of the highest score.

    A peak is higher than what lies before and after it, which outside of the curve is lower than everything; of a run
    of equal scores the middle one (of two, the first) stands for the run. The paper takes scores above 0.9 instead of
    a part of the highest, which the authors' code and BMN (Lin et al., 2019, section 3.5) take.

    :param scores: probability of a boundary at each snippet, ``(T,)``, finite; T may be 0.
    :param fraction: in 0..1; 1 leaves the peaks alone.
    :returns: int64 ``(N,)``, rising.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if not len(scores):
        return np.zeros(0, dtype=np.int64)
    firsts = np.flatnonzero(np.append(True, scores[1:] != scores[:-1]))
    lasts = np.append(firsts[1:], len(scores)) - 1
    heights = np.concatenate([[-np.inf], scores[firsts], [-np.inf]])
    peaks = (heights[1:-1] > heights[:-2]) & (heights[1:-1] > heights[2:])
    chosen = scores > fraction * scores.max()
    chosen[(firsts[peaks] + lasts[peaks]) // 2] = True
    return np.flatnonzero(chosen)


def pairs(starts, ends, max_duration):
    """Every start with every later end, at most ``max_duration`` apart.

    :param starts: snippets, int64 ``(S,)``, and ``ends`` ``(E,)``, both rising; either may be empty.
    :param max_duration: longest proposal in snippets.
    :returns: int64 ``(N, 2)``, by start, then end.
    """
    firsts = np.searchsorted(ends, starts, side="right")
    counts = np.searchsorted(ends, starts + max_duration, side="right") - firsts
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([np.repeat(starts, counts), ends[np.repeat(firsts, counts) + offsets]], axis=1)
