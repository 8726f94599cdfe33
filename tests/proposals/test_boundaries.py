"""Pairs of boundaries: a proposal that is lost here cannot be found by anything after it."""

import numpy as np
import pytest

from tad.proposals.boundaries import boundary_features, boundary_snippets, pairs


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


def slow_value(curve, place):
    """Linear between snippets; 0 at -1 and at T, and outside."""
    before = int(np.floor(place))
    values = [curve[index] if 0 <= index < len(curve) else 0.0 for index in (before, before + 1)]
    return values[0] + (place - before) * (values[1] - values[0])


def test_features_worked_out_by_hand():
    """A ramp tells where its points are: a fifth of 10 around 10 and 20, and from the one to the other."""
    found = boundary_features(np.arange(40.0)[None], np.array([[10, 20]]), (3, 5), 0.2)
    np.testing.assert_allclose(found, [[8, 10, 12, 10, 12.5, 15, 17.5, 20, 18, 20, 22]])


@pytest.mark.parametrize("points, region", [((8, 16), 0.2), ((2, 2), 1.0), ((3, 2), 0.01)])
def test_features_equal_a_loop(rng, points, region):
    """Proposals whose regions lie outside, and such that are outside themselves."""
    curves = rng.random_sample((3, 12))
    proposals = np.sort(rng.randint(-3, 15, (20, 2)), axis=1)
    expected = []
    for start, end in proposals:
        reach, row = region * (end - start), []
        for curve in curves:
            for low, high, count in ((start - reach, start + reach, points[0]), (start, end, points[1]),
                                     (end - reach, end + reach, points[0])):
                row += [slow_value(curve, low + (high - low) * part / (count - 1.0)) for part in range(count)]
        expected.append(row)
    found = boundary_features(curves, proposals, points, region)
    assert found.shape == (20, 3 * (2 * points[0] + points[1])) and found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_no_proposals_have_features_of_the_same_width():
    assert boundary_features(np.ones((2, 5)), np.zeros((0, 2), np.int64), (8, 16), 0.2).shape == (0, 64)
