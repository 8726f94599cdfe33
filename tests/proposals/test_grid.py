"""Proposals over (duration, start) against loops."""

import numpy as np
import pytest

from tad.proposals.grid import all_proposals, best_by_boundaries


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
