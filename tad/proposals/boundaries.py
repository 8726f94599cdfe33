"""Proposals from pairs of probable boundaries, and their features (Lin et al., "BSN", ECCV 2018, section 3.3)."""

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


def boundary_features(curves, proposals, points, region):
    """Boundary-sensitive proposal features: curves sampled at even steps around the start, over the course, and around
    the end of each proposal.

    Between snippets a curve is interpolated linearly, to 0 at one snippet before the first and after the last.

    :param curves: ``(R, T)``. :param proposals: ``(N, 2)`` in snippets; N may be 0.
    :param points: how many lie in a region and over the course, two numbers above 1 (the paper: 8 and 16).
    :param region: what the regions of start and end reach to each side, as part of the duration (the paper: 0.2).
    :returns: float64 ``(N, R * P)``, P points of start, course and end, curve after curve.
    """
    proposals = np.asarray(proposals, dtype=np.float64).reshape(-1, 2)
    reach = region * (proposals[:, 1] - proposals[:, 0])
    sides, course = (np.arange(count) / (count - 1.0) for count in points)
    places = np.concatenate([
        _between(proposals[:, 0] - reach, proposals[:, 0] + reach, sides),
        _between(proposals[:, 0], proposals[:, 1], course),
        _between(proposals[:, 1] - reach, proposals[:, 1] + reach, sides)], axis=1)
    snippets = np.arange(-1, curves.shape[1] + 1)
    return np.concatenate([np.interp(places, snippets, np.pad(curve, 1, mode="constant")) for curve in curves], axis=1)


def _between(low, high, parts):
    return low[:, None] + (high - low)[:, None] * parts
