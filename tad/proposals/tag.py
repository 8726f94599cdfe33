"""Temporal actionness grouping, TAG (Zhao et al., "Structured Segment Networks", 2017, section 5; arXiv 1703.02716).

Snippet ``i`` covers ``[i - 0.5, i + 0.5]``, so that a basin of snippets ``i..j`` is the segment ``[i - 0.5, j + 0.5]``.
"""

import numpy as np

from tad.segments import tiou

MOST_CELLS = 2 ** 22  # of the table (seed, last basin) that is held at once


def fractions(step):
    """The multiples of ``step`` strictly between 0 and 1 (the paper's ``step`` is 0.05): float64, rising.

    Each is the double nearest to its fraction, so that a share of basins that is just as large equals it exactly.
    """
    parts = max(1, int(round(1.0 / step)))
    return np.arange(1, parts) / float(parts)


def basins(actionness, level):
    """Runs of snippets with an actionness of at least ``level``.

    They are the basins of the complement ``1 - actionness`` that water of height ``1 - level`` fills.

    :param actionness: ``(T,)`` in 0..1.
    :returns: int64 ``(M, 2)`` of the first snippet and the one after the last, in order.
    """
    under = np.concatenate([[False], np.asarray(actionness) >= level, [False]])
    return np.flatnonzero(under[1:] != under[:-1]).reshape(-1, 2)


def grouped(runs, tolerances):
    """Proposals from basins: each in turn is the seed that absorbs those after it, one by one.

    It does so until the part of the basins in all the time from the seed's beginning to the end of the last one drops
    below the tolerance; the basins before that one, and the gaps between them, are one proposal.

    :param runs: :func:`basins`, int64 ``(M, 2)``.
    :param tolerances: each gives a proposal of every seed; at most 1, ``(G,)``.
    :returns: int64 ``(M * G, 2)``, by seed, then tolerance; a proposal of several tolerances comes as often.
    """
    tolerances = np.asarray(tolerances, dtype=np.float64)
    covered = np.concatenate([[0], np.cumsum(runs[:, 1] - runs[:, 0])])
    rows = max(1, MOST_CELLS // max(1, len(runs)))
    parts = [_grouped_from(np.arange(first, min(first + rows, len(runs))), runs, covered, tolerances)
             for first in range(0, len(runs), rows)]
    return np.concatenate([np.zeros((0, 2), np.int64)] + parts)


def _grouped_from(seeds, runs, covered, tolerances):
    """:func:`grouped` for some seeds; ``covered (M + 1,)`` counts the snippets of the basins before each."""
    first = seeds[0]
    share = (covered[None, first + 1:] - covered[seeds, None]) / (runs[None, first:, 1] - runs[seeds, None, 0])
    # What lies before the seed is not asked; a seed alone has a share of 1
    share[np.arange(len(runs) - first)[None] <= (seeds - first)[:, None]] = 1.0
    lowest = np.minimum.accumulate(share, axis=1)
    counts = [(lowest >= tolerance).sum(axis=1) for tolerance in tolerances]
    last = first + np.reshape(counts, (len(tolerances), len(seeds))).T.astype(np.int64) - 1
    starts = np.broadcast_to(runs[seeds, None, 0], last.shape)
    return np.stack([starts, runs[last, 1]], axis=2).reshape(-1, 2)


def tag_proposals(actionness, levels, tolerances):
    """The union of the groups of all levels and tolerances.

    :param actionness: ``(T,)`` in 0..1.
    :param levels: thresholds of :func:`basins`, in 0..1; the paper's are ``fractions(0.05)``.
    :param tolerances: thresholds of :func:`grouped`, in 0..1; the paper's are ``fractions(0.05)``.
    :returns: float64 ``(N, 2)`` of different segments in snippet units, by start, then end; each lies in
        ``[-0.5, T - 0.5]`` and begins and ends at the edge of a snippet.
    """
    # Levels between the same two values of the curve give the same basins
    _, different = np.unique(np.searchsorted(np.sort(actionness), levels), return_index=True)
    found = [grouped(basins(actionness, levels[index]), tolerances) for index in different]
    found = np.concatenate([np.zeros((0, 2), np.int64)] + found)
    # Sorting whole numbers is faster than sorting rows
    width = len(actionness) + 1
    keys = np.unique(found[:, 0] * width + found[:, 1])
    return np.stack([keys // width, keys % width], axis=1) - 0.5


def without_near_copies(proposals, scores, most=0.95):
    """Greedy NMS: a proposal goes if its tIoU with a better one that stays is above ``most`` (the paper's 0.95).

    :param proposals: float64 ``(N, 2)``.
    :param scores: what makes one better, ``(N,)``; of equal ones the first is better.
    :returns: indices int64 ``(K,)`` of those that stay, best first.
    """
    order = np.argsort(-np.asarray(scores), kind="mergesort")
    ranked = proposals[order]
    by_start = np.argsort(ranked[:, 0], kind="mergesort")
    starts = ranked[by_start, 0]
    # Beginnings of segments with that tIoU differ by at most this part of the length
    reach = (ranked[:, 1] - ranked[:, 0]) * (1.0 / most - 1.0)
    lows = np.searchsorted(starts, ranked[:, 0] - reach, side="left")
    highs = np.searchsorted(starts, ranked[:, 0] + reach, side="right")
    alive = np.ones(len(ranked), dtype=bool)
    for index in range(len(ranked)):
        near = by_start[lows[index]:highs[index]]
        near = near[near > index]
        if alive[index] and len(near):
            alive[near] &= tiou(ranked[index:index + 1], ranked[near])[0] <= most
    return order[alive]
