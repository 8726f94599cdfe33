"""Temporal actionness grouping on hand-made curves, and against the paper's words written out as loops."""

from fractions import Fraction

import numpy as np
import pytest

from tad.proposals.tag import fractions, tag_proposals, without_near_copies


def slow_basins(curve, level):
    found, start = [], None
    for index, value in enumerate(list(curve) + [-1.0]):
        if value >= level and start is None:
            start = index
        elif value < level and start is not None:
            found.append((start, index))
            start = None
    return found


def slow_group(runs, seed, tolerance):
    """Absorb basin after basin; shares are exact fractions."""
    last = seed
    for index in range(seed + 1, len(runs)):
        inside = sum(end - start for start, end in runs[seed:index + 1])
        if Fraction(int(inside), int(runs[index][1] - runs[seed][0])) < tolerance:
            break
        last = index
    return runs[seed][0], runs[last][1]


def slow_tiou(a, b):
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return shared / (a[1] - a[0] + b[1] - b[0] - shared)


def rows(segments):
    return [tuple(row) for row in segments.tolist()]


def test_fractions_are_the_papers():
    assert rows(fractions(0.05)[:, None]) == [(part / 20.0,) for part in range(1, 20)]
    assert fractions(0.5).tolist() == [0.5] and fractions(1.0).tolist() == []
    assert fractions(0.3).tolist() == [1 / 3.0, 2 / 3.0]


@pytest.mark.parametrize("curve, level, expected", [
    ([], 0.5, []),
    ([0.4], 0.5, []),
    ([0.5], 0.5, [(0, 1)]),  # as high as the level
    ([0.9, 0.2, 0.8, 0.7, 0.1], 0.6, [(0, 1), (2, 4)]),
    ([0.1, 0.9, 0.9], 0.6, [(1, 3)]),
    ([0.9, 0.9, 0.9], 0.6, [(0, 3)]),
    ([0.1, 0.2, 0.3], 0.6, []),
])
def test_basins_of_a_hand_made_curve(curve, level, expected):
    """With a tolerance of 1 no seed absorbs another basin."""
    assert slow_basins(curve, level) == expected
    found = tag_proposals(np.array(curve), [level], [1.0])
    assert found.shape == (len(expected), 2) and found.dtype == np.float64
    assert rows(found + 0.5) == expected


def curve_of(runs, snippets=16):
    """1 in the runs, 0 elsewhere."""
    curve = np.zeros(snippets)
    for start, end in runs:
        curve[start:end] = 1.0
    return curve


# Basins of 2, 2, 1 and 4 snippets; gaps of 1, 4 and 1. From the first: 4/5, 5/10, 9/15; from the second: 3/7, 7/12
RUNS = [(0, 2), (3, 5), (9, 10), (11, 15)]


@pytest.mark.parametrize("tolerance, expected", [
    (1.0, [(0, 2), (3, 5), (9, 10), (11, 15)]),
    (0.8, [(0, 5), (3, 5), (9, 15), (11, 15)]),  # 4/5 reaches the tolerance, it does not drop below
    (0.81, [(0, 2), (3, 5), (9, 15), (11, 15)]),
    (0.55, [(0, 5), (3, 5), (9, 15), (11, 15)]),  # 5/10 ends it, though 9/15 would be enough again
    (0.5, [(0, 15), (3, 5), (9, 15), (11, 15)]),
    (0.4, [(0, 15), (3, 15), (9, 15), (11, 15)]),
])
def test_groups_of_hand_made_basins(tolerance, expected):
    assert [slow_group(RUNS, seed, Fraction(str(tolerance))) for seed in range(4)] == expected
    assert rows(tag_proposals(curve_of(RUNS), [0.5], [tolerance]) + 0.5) == expected


def test_each_tolerance_adds_its_groups_once():
    assert rows(tag_proposals(curve_of(RUNS[:2]), [0.3, 0.5], [0.5, 0.6, 0.9]) + 0.5) == [(0, 2), (0, 5), (3, 5)]
    assert tag_proposals(curve_of(RUNS), [0.5], []).shape == tag_proposals(curve_of(RUNS), [], [0.5]).shape == (0, 2)


def test_groups_lie_within_one_curve():
    """Not even where one ends high and the next begins high."""
    first, second = curve_of([(12, 16)]), curve_of([(0, 3), (4, 6)])
    found = tag_proposals(np.stack([first, second]), [0.5], fractions(0.05))
    assert rows(found + 0.5) == [(0, 3), (0, 6), (4, 6), (12, 16)]


@pytest.mark.parametrize("snippets", [0, 1, 2, 50])
def test_the_union_equals_the_loops(rng, snippets):
    """Values on the levels themselves too."""
    on_levels = rng.randint(0, 21, snippets) / 20.0
    curve = np.where(rng.random_sample(snippets) < 0.3, on_levels, rng.random_sample(snippets))
    expected = set()
    for level in range(1, 20):
        runs = slow_basins(curve, level / 20.0)
        expected |= {slow_group(runs, seed, Fraction(part, 20)) for seed in range(len(runs)) for part in range(1, 20)}
    found = tag_proposals(curve, fractions(0.05), fractions(0.05))
    assert found.dtype == np.float64 and found.shape == (len(expected), 2)
    assert rows(found) == sorted((start - 0.5, end - 0.5) for start, end in expected)


def test_a_bridge_between_two_peaks_is_crossed_at_low_tolerances_only():
    """Two actions of 4 snippets, 4 apart: alone at high tolerances, joined where 8 of 12 are enough."""
    curve = np.array([0.0] * 3 + [0.9] * 4 + [0.1] * 4 + [0.9] * 4 + [0.0] * 3)
    assert rows(tag_proposals(curve, [0.5], [0.7])) == [(2.5, 6.5), (10.5, 14.5)]
    assert rows(tag_proposals(curve, [0.5], [0.65])) == [(2.5, 14.5), (10.5, 14.5)]
    assert rows(tag_proposals(curve, [0.05, 0.5], [0.7])) == [(2.5, 6.5), (2.5, 14.5), (10.5, 14.5)]


def test_nothing_and_everything():
    assert tag_proposals(np.zeros(9), fractions(0.05), fractions(0.05)).shape == (0, 2)
    assert rows(tag_proposals(np.ones(9), fractions(0.05), fractions(0.05))) == [(-0.5, 8.5)]


@pytest.mark.parametrize("most", [0.3, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("count", [0, 1, 80])
def test_near_copies_go_as_in_the_loop(rng, count, most):
    proposals = np.sort(rng.randint(0, 30, (count, 2)), axis=1) + np.array([0.0, 1.0])
    scores = rng.randint(0, 10, count)  # with ties
    kept = []
    for index in sorted(range(count), key=lambda index: -scores[index]):
        if all(slow_tiou(proposals[index], proposals[other]) <= most for other in kept):
            kept.append(index)
    found = without_near_copies(proposals, scores, most)
    assert found.tolist() == kept


def test_a_copy_just_at_the_threshold_stays():
    proposals = np.array([[0.0, 20.0], [0.0, 19.0], [1.0, 20.0], [0.0, 19.5]])
    assert without_near_copies(proposals, [4, 3, 2, 1], 0.95).tolist() == [0, 1, 2]
