"""Which proposals count as complete, by hand and against loops."""

import dataclasses

import numpy as np
import pytest

from tad.assignment.positives import POSITIVES
from tad.assignment.proposals import best_tiou
from tad.config import DeepLabSettings
from tad.proposals.grid import all_proposals

every = pytest.mark.parametrize("name", sorted(POSITIVES))


def complete(name, proposals, segments, **changes):
    proposals, segments = (np.reshape(np.array(values, dtype=np.float64), (-1, 2)) for values in (proposals, segments))
    settings = dataclasses.replace(DeepLabSettings(), **changes)
    found = POSITIVES[name](proposals, best_tiou(proposals, segments), segments, settings)
    assert found.dtype == bool and found.shape == (len(proposals),)
    return found.tolist()


def test_the_setting_offers_each_of_them():
    field, = (field for field in dataclasses.fields(DeepLabSettings) if field.name == "positive")
    assert set(field.metadata["choices"]) == set(POSITIVES)


@every
def test_nothing_is_complete_without_actions_or_without_proposals(name):
    assert complete(name, [[0, 4], [2, 9]], []) == [False, False]
    assert complete(name, [], [[0, 4]]) == complete(name, [], []) == []


@every
def test_the_action_itself_is_complete_and_what_lies_elsewhere_is_not(name, rng):
    cells = all_proposals(30, 20)
    found = np.array(complete(name, cells, [[4, 11], [15, 29]]))
    here = {tuple(cell) for cell in cells[found].tolist()}
    assert {(4, 11), (15, 29)} <= here
    assert not any(end <= 4 or 11 <= start and end <= 15 for start, end in here)


def test_fixed_thresholds_hold_for_every_duration():
    assert complete("fixed", [[0, 7], [0, 6.9], [0, 2], [0, 1.4]], [[0, 10], [0, 2]]) == [True, False, True, True]
    assert complete("fixed", [[0, 7], [0, 5], [0, 4.9]], [[0, 10]], positive_tiou=0.5) == [True, True, False]
    # 0.7 but for rounding
    assert complete("fixed", [[0.1, 7.1 - 1e-12]], [[0.1, 10.1]]) == [True]


def test_linear_thresholds_rise_with_the_actions_duration():
    """0.5 up to 4 snippets, 0.6 at 10, 0.7 from 16 on."""
    for action, least in ((2, 0.5), (4, 0.5), (7, 0.55), (10, 0.6), (16, 0.7), (100, 0.7)):
        ends = [action * (least - 0.01), action * least, action]
        assert complete("linear", [[0, end] for end in ends], [[0, action]]) == [False, True, True], action


def test_linear_thresholds_may_fall_and_each_action_has_its_own():
    changes = dict(positive_short=2, positive_long=12, positive_short_tiou=0.9, positive_long_tiou=0.4)
    proposals = [[0, 1.7], [0, 1.9], [20, 24.7], [20, 24.9]]
    assert complete("linear", proposals, [[0, 2], [20, 32]], **changes) == [False, True, False, True]


def test_linear_with_equal_thresholds_is_fixed(rng):
    proposals = np.sort(rng.uniform(0, 40, (300, 2)), axis=1)
    segments = np.sort(rng.uniform(0, 40, (5, 2)), axis=1)
    same = complete("linear", proposals, segments, positive_short_tiou=0.4, positive_long_tiou=0.4)
    assert same == complete("fixed", proposals, segments, positive_tiou=0.4) and any(same)


def test_adaptive_thresholds_by_hand():
    """One octave: tIoU 1, 0.6, 0.6 and 1/3. The nearest three have mean 0.733 and deviation 0.231."""
    proposals = [[0, 4], [1, 5], [-1, 3], [2, 6]]
    assert complete("adaptive", proposals, [[0, 4]], positive_nearest=3) == [True, False, False, False]
    # All four: mean 0.633, deviation 0.275
    assert complete("adaptive", proposals + [[0, 4.4]], [[0, 4]], positive_nearest=1) == [True, False, False, False,
                                                                                         False]
    assert complete("adaptive", proposals, [[0, 4]], positive_nearest=4) == [True, False, False, False]


def test_adaptive_candidates_come_from_each_octave_and_others_count_too():
    """tIoU 0.5, 1 and 0.5 of durations 2, 4 and 8: 0.955 is to be reached, as the fourth does without being nearest."""
    proposals = [[1, 3], [0, 4], [-2, 6], [0, 4.1], [0, 4.2]]
    assert complete("adaptive", proposals, [[0, 4]], positive_nearest=1) == [False, True, False, True, False]


def test_of_equally_near_proposals_the_first_are_candidates():
    """Both have the action's centre and lie in one octave: the threshold is the tIoU of the first, 1 or 4/7."""
    exact, wide = [0, 4], [-1.5, 5.5]
    assert complete("adaptive", [exact, wide], [[0, 4]], positive_nearest=1) == [True, False]
    assert complete("adaptive", [wide, exact], [[0, 4]], positive_nearest=1) == [True, True]


def test_proposals_of_an_action_that_is_cut_off_are_not_complete():
    """Its part in the window is hardly any of it, however alike the proposals' tIoU."""
    assert complete("adaptive", [[0, 4], [0, 3], [0, 2]], [[-100, 4]]) == [False] * 3


def test_adaptive_equals_a_loop(rng):
    proposals = np.concatenate([all_proposals(25, 16), np.sort(rng.uniform(0, 24, (50, 2)), axis=1)])
    segments = np.sort(rng.uniform(0, 24, (4, 2)), axis=1)
    segments[:, 1] += 2
    expected = np.zeros(len(proposals), dtype=bool)
    for low, high in segments:
        overlaps, by_octave = [], {}
        for row, (start, end) in enumerate(proposals):
            shared = max(0.0, min(end, high) - max(start, low))
            overlaps.append(shared / ((end - start) + (high - low) - shared))
            octave = next(k for k in range(20) if max(end - start, 1.0) < 2 ** (k + 1))
            by_octave.setdefault(octave, []).append((abs((low + high) / 2 - (start + end) / 2), row))
        chosen = [overlaps[row] for members in by_octave.values() for _, row in sorted(members)[:7]]
        threshold = max(0.3, np.mean(chosen) + np.std(chosen, ddof=1))
        clear = np.abs(np.array(overlaps) - threshold) > 1e-6
        assert clear.all()
        expected |= np.array(overlaps) >= threshold
    assert complete("adaptive", proposals, segments, positive_nearest=7) == expected.tolist()
