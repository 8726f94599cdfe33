"""Which proposals a step learns from."""

import numpy as np
import pytest

from tad.assignment.proposals import NEGATIVE, POSITIVE, balanced_sample, best_tiou


def test_best_tiou_equals_a_loop(rng):
    proposals = np.sort(rng.randint(0, 40, (30, 2)), axis=1)
    segments = np.sort(rng.uniform(-5, 45, (6, 2)), axis=1)
    expected = []
    for start, end in proposals:
        overlaps = []
        for low, high in segments:
            shared = max(0.0, min(end, high) - max(start, low))
            union = (end - start) + (high - low) - shared
            overlaps.append(shared / union if union > 0 else 0.0)
        expected.append(max(overlaps))
    np.testing.assert_allclose(best_tiou(proposals, segments), expected, atol=1e-12)
    assert not best_tiou(proposals, np.zeros((0, 2))).any()
    assert best_tiou(np.zeros((0, 2)), segments).shape == (0,)


def test_a_third_from_each_range(rng):
    overlaps = rng.permutation(np.concatenate([rng.uniform(0, NEGATIVE - 1e-6, 500), rng.uniform(0.3, 0.699, 100),
                                               rng.uniform(POSITIVE, 1, 60)]))
    chosen = balanced_sample(overlaps, 90, rng)
    assert len(chosen) == len(set(chosen.tolist())) == 90
    picked = overlaps[chosen]
    assert ((picked >= POSITIVE).sum(), (picked < NEGATIVE).sum()) == (30, 30)


@pytest.mark.parametrize("positive, middle, negative, expected", [
    (5, 100, 500, (5, 30, 55)), (0, 0, 500, (0, 0, 90)), (100, 100, 3, (30, 30, 3)), (2, 2, 2, (2, 2, 2)),
    (0, 0, 0, (0, 0, 0)),
])
def test_missing_ranges_are_filled_with_low_overlaps(rng, positive, middle, negative, expected):
    overlaps = np.array([0.9] * positive + [0.5] * middle + [0.1] * negative)
    picked = overlaps[balanced_sample(overlaps, 90, rng)]
    assert ((picked == 0.9).sum(), (picked == 0.5).sum(), (picked == 0.1).sum()) == expected


def test_every_member_of_a_range_has_its_chance(rng):
    overlaps = np.repeat([0.9, 0.5, 0.1], 20)
    seen = {index for _ in range(60) for index in balanced_sample(overlaps, 30, rng).tolist()}
    assert seen == set(range(60))


def test_the_borders_belong_to_the_upper_range(rng):
    overlaps = np.array([POSITIVE, NEGATIVE, NEGATIVE - 1e-9])
    assert balanced_sample(overlaps, 3, rng).tolist() == [0, 1, 2]


def test_other_parts_than_thirds(rng):
    """1 : 1 : 2, and 1 : 0 : 2, which draws no middle ones even where the low range has too few."""
    overlaps = np.repeat([0.9, 0.5, 0.1], 40)
    for parts, expected in (((1, 1, 2), (10, 10, 20)), ((1, 0, 2), (13, 0, 27))):
        picked = overlaps[balanced_sample(overlaps, 40, rng, parts)]
        assert tuple((picked == value).sum() for value in (0.9, 0.5, 0.1)) == expected
    assert len(balanced_sample(np.array([0.9, 0.5, 0.5]), 3, rng, (1, 0, 2))) == 1
