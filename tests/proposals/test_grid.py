"""Proposals over (duration, start) against loops."""

import numpy as np
import pytest

from tad.proposals.grid import all_proposals, best_by_boundaries, nearest_snippets


@pytest.mark.parametrize("snippets", [1, 2, 3, 20])
@pytest.mark.parametrize("longest", [1, 2, 7, 100])
def test_equals_a_loop(snippets, longest):
    expected = [(start, start + duration) for duration in range(1, longest + 1)
                for start in range(snippets) if start + duration <= snippets - 1]
    found = all_proposals(snippets, longest)
    assert found.shape == (len(expected), 2) and found.dtype == np.int64
    assert [tuple(row) for row in found.tolist()] == expected


@pytest.mark.parametrize("count", [1, 5, 60, 10000])
def test_the_best_by_boundaries(rng, count):
    proposals = all_proposals(25, 12)
    starts, ends = rng.random_sample(25), rng.random_sample(25)
    chosen = best_by_boundaries(proposals, starts, ends, count)
    scores = [starts[start] * ends[end] for start, end in proposals]
    expected = sorted(range(len(scores)), key=lambda index: -scores[index])[:count]
    assert chosen.tolist() == expected


def test_ties_keep_their_order_and_nothing_gives_nothing():
    proposals = all_proposals(6, 5)
    assert best_by_boundaries(proposals, np.ones(6), np.ones(6), 100).tolist() == list(range(len(proposals)))
    chosen = best_by_boundaries(proposals, np.ones(6), np.ones(6), 4)
    assert len(set(chosen.tolist())) == 4
    assert len(best_by_boundaries(all_proposals(1, 5), np.ones(1), np.ones(1), 4)) == 0


def test_the_nearest_snippets_by_hand():
    """Of two equally near ones that inside the segment; cells of the grid are their own."""
    found = nearest_snippets(np.array([[2.4, 6.6], [1.5, 4.5], [-0.5, 9.5], [2.5, 3.5], [-0.4, -0.1]]), 10)
    assert found.tolist() == [[2, 7], [2, 4], [0, 9], [3, 3], [0, 0]] and found.dtype == np.int64
    cells = all_proposals(10, 9)
    assert nearest_snippets(cells, 10).tolist() == nearest_snippets(cells.astype(float), 10).tolist() == cells.tolist()
    assert nearest_snippets(np.zeros((0, 2)), 0).shape == (0, 2)
