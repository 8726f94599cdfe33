"""Pairs of boundaries: a proposal that is lost here cannot be found by anything after it."""

import numpy as np
import pytest

from tad.proposals.boundaries import boundary_snippets, pairs


@pytest.mark.parametrize("scores, fraction, expected", [
    ([0.1, 0.9, 0.2, 0.3, 0.25, 0.46, 0.1], 0.5, [1, 3, 5]),       # peaks, one of them above half as well
    ([0.1, 0.5, 0.9, 0.5, 0.1], 0.5, [1, 2, 3]),                   # above half of the highest, no peaks
    ([0.0, 0.5, 1.0, 0.5, 0.0], 0.5, [2]),                         # exactly half is not above
    ([0.1, 0.5, 0.9, 0.5, 0.1], 1.0, [2]),                         # peaks alone
    ([0.0, 1.0, 0.0, 0.2, 0.2, 0.2, 0.0], 0.5, [1, 4]),            # a plateau counts once, in its middle
    ([0.0, 1.0, 0.0, 0.2, 0.2, 0.0], 0.5, [1, 3]),                 # of two, the first
    ([0.0, 1.0, 0.4, 0.4, 0.2, 0.2, 0.4], 0.5, [1, 6]),            # a step down and a valley are no peaks
    ([0.3, 0.2, 1.0, 0.2, 0.3], 0.5, [0, 2, 4]),                   # peaks at both borders
    ([0.2, 0.2, 0.1, 1.0, 0.0, 0.1, 0.1], 0.5, [0, 3, 5]),         # plateaus at both borders
    ([0.0, 0.0, 0.0], 0.5, [1]),                                   # nothing is above another
    ([0.2, 0.2, 0.2, 0.2], 0.5, [0, 1, 2, 3]),
    ([0.7], 0.5, [0]),
    ([], 0.5, []),
])
def test_boundary_snippets_worked_out_by_hand(scores, fraction, expected):
    found = boundary_snippets(scores, fraction)
    assert found.tolist() == expected and found.dtype == np.int64


def test_boundary_snippets_of_random_curves_are_those_of_the_definition(rng):
    for _ in range(50):
        # Few levels, so that there are plateaus of all lengths
        scores = rng.randint(0, 4, size=rng.randint(1, 30)) / 4.0
        expected = set(np.flatnonzero(scores > 0.5 * scores.max()))
        first = 0
        for after in range(1, len(scores) + 1):
            if after == len(scores) or scores[after] != scores[first]:
                beside = [scores[index] for index in (first - 1, after) if 0 <= index < len(scores)]
                if all(scores[first] > other for other in beside):
                    expected.add((first + after - 1) // 2)
                first = after
        assert boundary_snippets(scores).tolist() == sorted(expected)


@pytest.mark.parametrize("starts, ends, longest, expected", [
    ([0, 4], [2, 4, 9], 5, [[0, 2], [0, 4], [4, 9]]),  # an end at its start is no proposal; 5 long is, 9 is not
    ([0, 4], [2, 4, 9], 1, []),
    ([3], [3], 9, []),
    ([5], [0, 1, 4], 9, []),                           # ends before the start
    ([], [1, 2], 9, []),
    ([1, 2], [], 9, []),
    ([], [], 9, []),
])
def test_pairs_worked_out_by_hand(starts, ends, longest, expected):
    found = pairs(np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64), longest)
    assert found.tolist() == expected and found.shape == (len(expected), 2) and found.dtype == np.int64


def test_pairs_of_random_boundaries_are_all_that_fit(rng):
    for _ in range(30):
        starts, ends = (np.flatnonzero(rng.random_sample(20) < 0.4) for _ in range(2))
        longest = rng.randint(1, 20)
        expected = [[start, end] for start in starts for end in ends if 1 <= end - start <= longest]
        assert pairs(starts, ends, longest).tolist() == expected
