"""Which proposals a step learns from."""

import dataclasses

import numpy as np
import pytest

from tad.assignment.proposals import NEGATIVE, POSITIVE, SAMPLINGS, balanced_sample, best_tiou, two_way_sample
from tad.config import DeepLabSettings


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


@pytest.mark.parametrize("complete, others, expected", [
    (100, 500, (45, 45)), (5, 500, (5, 85)), (0, 500, (0, 90)), (100, 3, (45, 3)), (0, 0, (0, 0))])
def test_half_of_a_two_way_sample_is_complete(rng, complete, others, expected):
    mask = rng.permutation(np.repeat([True, False], [complete, others]))
    chosen = two_way_sample(mask, 90, rng)
    assert len(set(chosen.tolist())) == len(chosen)
    assert (mask[chosen].sum(), (~mask[chosen]).sum()) == expected


def test_samplings_by_name_differ_in_what_they_balance(rng):
    """Of 1000 proposals 30 have a high tIoU, 10 of them complete; a third and a half of 24, and what chance gives."""
    overlaps, complete = np.repeat([0.9, 0.5, 0.1], [30, 170, 800]), np.arange(1000) < 10
    field, = (field for field in dataclasses.fields(DeepLabSettings) if field.name == "sampling")
    assert set(SAMPLINGS) == set(field.metadata["choices"])
    chosen = {name: sample(overlaps, complete, 24, rng) for name, sample in SAMPLINGS.items()}
    assert all(len(set(one.tolist())) == 24 for one in chosen.values())
    assert [(overlaps[chosen["three_way"]] == value).sum() for value in (0.9, 0.5, 0.1)] == [8, 8, 8]
    assert complete[chosen["two_way"]].sum() == 10
    drawn = np.concatenate([SAMPLINGS["none"](overlaps, complete, 24, rng) for _ in range(200)])
    # 4800 draws, 3 of 100 with a high tIoU: 144 expected, 7 deviations are 83
    assert 61 < (overlaps[drawn] == 0.9).sum() < 227
    for sample in SAMPLINGS.values():
        assert sample(np.zeros(0), np.zeros(0, dtype=bool), 24, rng).tolist() == []
        assert sorted(sample(np.zeros(5), np.zeros(5, dtype=bool), 24, rng).tolist()) == [0, 1, 2, 3, 4]
