"""Proposals over (duration, start), the cells of BMN's boundary map (Lin et al., 2019, section 3.1)."""

import numpy as np


def all_proposals(snippets, max_duration):
    """Every segment from one snippet's centre to a later one's, in snippet units.

    :param snippets: valid snippets of the clip.
    :param max_duration: longest duration.
    :returns: int64 ``(N, 2)`` of start and end, by duration, then start; 1 <= end - start <= max_duration.
    """
    durations = np.arange(1, min(max_duration, snippets - 1) + 1)
    counts = snippets - durations
    durations = np.repeat(durations, counts)
    starts = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([starts, starts + durations], axis=1)


def best_by_boundaries(proposals, start_scores, end_scores, count):
    """The ``count`` proposals with the highest product of start and end probability (BSN, section 3.3).

    :param proposals: int64 ``(N, 2)``.
    :param start_scores: ``(T,)`` probability of a start at each snippet; ``end_scores`` likewise.
    :returns: indices ``(min(count, N),)``, best first; ties in the order of ``proposals``.
    """
    product = start_scores[proposals[:, 0]] * end_scores[proposals[:, 1]]
    if len(product) > count:
        kept = np.sort(np.argpartition(-product, count - 1)[:count])
    else:
        kept = np.arange(len(product))
    return kept[np.argsort(-product[kept], kind="mergesort")]


def nearest_snippets(segments, snippets):
    """The snippets in which segments begin and end: those whose centres are nearest, of two the one inside.

    :param segments: ``(N, 2)`` in snippet units. :param snippets: of the clip, at least 1 where N > 0.
    :returns: int64 ``(N, 2)`` in 0..snippets - 1; proposals of :func:`all_proposals` stay as they are.
    """
    nearest = np.stack([np.floor(segments[:, 0] + 0.5), np.ceil(segments[:, 1] - 0.5)], axis=1)
    return np.clip(nearest, 0, snippets - 1).astype(np.int64)
