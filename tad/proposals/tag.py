"""Temporal actionness grouping, TAG (Zhao et al., "Structured Segment Networks", 2017, section 5; arXiv 1703.02716).

Snippet ``i`` covers ``[i - 0.5, i + 0.5]``, so that a basin of snippets ``i..j`` is the segment ``[i - 0.5, j + 0.5]``.
"""

import numpy as np

from tad.segments import tiou


def fractions(step):
    """The multiples of ``step`` strictly between 0 and 1 (the paper's ``step`` is 0.05): float64, rising.

    A step that does not divide 1 gives way to the nearest one that does.
    Each is the double nearest to its fraction, so that a share of basins that is just as large equals it exactly.
    """
    parts = max(1, int(round(1.0 / step)))
    return np.arange(1, parts) / float(parts)


def tag_proposals(actionness, levels, tolerances):
    """Groups of the basins of each level, with each tolerance: the union of all, each once.

    The basins of a level are the runs of snippets with an actionness of at least the level (what water of height
    ``1 - level`` fills in the complement ``1 - actionness``). Each in turn is a seed that absorbs the basins after it,
    until the part of basins in all the time from its beginning to the end of the last one drops below the tolerance;
    the basins before that one, and the gaps between them, are one proposal.

    :param actionness: one curve ``(T,)`` or several ``(R, T)``, in 0..1; a group lies within one curve.
    :param levels: in 0..1, ``(L,)``; the paper's are ``fractions(0.05)``.
    :param tolerances: in 0..1, rising, ``(G,)``; the paper's are ``fractions(0.05)``.
    :returns: float64 ``(N, 2)`` of different segments in snippet units, by start, then end; each lies in
        ``[-0.5, T - 0.5]`` and begins and ends at the edge of a snippet.
    """
    curves = np.atleast_2d(actionness)
    masks = (curves[:, None] >= np.reshape(levels, (-1, 1))).reshape(len(curves) * len(levels), curves.shape[1])
    starts, ends = _grouped(*_runs(masks), tolerances=tolerances)
    # Sorting whole numbers is faster than sorting rows
    width = curves.shape[1] + 1
    keys = np.unique(starts * width + ends)
    return np.stack([keys // width, keys % width], axis=1) - 0.5


def _runs(masks):
    """Row, first snippet, and the one after the last, of each run of true in bool ``(R, T)``: int64 ``(M,)`` each."""
    beside = np.zeros((len(masks), 1), dtype=bool)
    padded = np.concatenate([beside, masks, beside], axis=1)
    rows, edges = np.nonzero(padded[:, 1:] != padded[:, :-1])
    return rows[::2], edges[::2], edges[1::2]


def _grouped(rows, starts, ends, tolerances):
    """Starts and ends of the groups of runs of the same row; all seeds take one more basin at a time."""
    covered = np.concatenate([[0], np.cumsum(ends - starts)])
    following = np.append(rows[1:] == rows[:-1], False)  # whether the same row has a run after this one
    seeds = lasts = np.arange(len(rows))
    lowest = np.ones(len(rows))
    # How many tolerances a seed has not dropped below; where that number falls, a group of one of them ends
    held = np.searchsorted(tolerances, lowest, side="right")
    found = [(starts[:0], ends[:0])]
    while len(seeds):
        more = following[lasts]
        upto = np.where(more, lasts + 1, lasts)
        share = (covered[upto + 1] - covered[seeds]) / (ends[upto] - starts[seeds]).astype(np.float64)
        lowest = np.minimum(lowest, share)
        still = np.where(more, np.searchsorted(tolerances, lowest, side="right"), 0)
        ended = still < held
        found.append((starts[seeds[ended]], ends[lasts[ended]]))
        going = still > 0
        seeds, lasts, lowest, held = seeds[going], upto[going], lowest[going], still[going]
    return [np.concatenate(parts) for parts in zip(*found)]


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
