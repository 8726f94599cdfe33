"""Positive, incomplete and background proposals against the paper's rules in loops, and the ratio they are drawn in."""

import math

import numpy as np
import pytest

from tad.assignment.completeness import BACKGROUND, INCOMPLETE, NEITHER, POSITIVE, label, moves_to, sample
from tad.detectors.ssn import moved_by
from tad.settings import replace
from tests.helpers import tiny_settings

SETTINGS = tiny_settings(detector="ssn").ssn
PAPER = replace(SETTINGS, incomplete_share=0.8)
NONE, NO_CLASS = np.zeros((0, 2)), np.zeros(0, np.int64)


def shared(a, b):
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0]))


def slow_kind(proposal, segments, classes, settings):
    """Kind and class of one proposal."""
    duration = proposal[1] - proposal[0]
    overlaps, inside = [], []
    for segment in segments:
        common = shared(proposal, segment)
        overlaps.append(common / (duration + segment[1] - segment[0] - common))
        inside.append(common)
    best = max(range(len(segments)), key=lambda index: overlaps[index])
    most = max(range(len(segments)), key=lambda index: inside[index])
    if overlaps[best] >= settings.positive_tiou:
        return (POSITIVE, classes[best]) if classes[best] >= 0 else (NEITHER, -1)
    if (overlaps[best] < settings.incomplete_tiou and inside[most] > 0
            and inside[most] / duration >= settings.incomplete_share):
        return (INCOMPLETE, classes[most]) if classes[most] >= 0 else (NEITHER, -1)
    return (BACKGROUND if overlaps[best] < settings.background_tiou else NEITHER), -1


@pytest.mark.parametrize("settings", [SETTINGS, PAPER])
def test_kinds_equal_the_loop(rng, settings):
    segments = np.sort(rng.uniform(-3, 63, (5, 2)), axis=1) + [0, 2]
    classes = rng.randint(-1, 3, 5)
    proposals = np.concatenate([np.sort(rng.uniform(-0.5, 59.5, (300, 2)), axis=1) + [0, 0.01],
                                segments + rng.uniform(-0.5, 0.5, (5, 2))])
    found = label(proposals, segments, classes, settings)
    expected = [slow_kind(proposal, segments, classes, settings) for proposal in proposals]
    assert list(zip(found.kinds.tolist(), found.classes.tolist())) == expected
    assert (found.moves[found.kinds != POSITIVE] == 0).all() or (classes < 0).any()
    np.testing.assert_array_equal(found.segments, proposals)


@pytest.mark.parametrize("proposal, kind", [
    ((10.0, 30.0), POSITIVE),    # the action itself
    ((10.0, 24.0), POSITIVE),    # tIoU 0.7 just reaches it
    ((10.0, 23.9), NEITHER),
    ((10.0, 16.0), NEITHER),     # tIoU 0.3 is not below 0.3
    ((10.0, 15.9), INCOMPLETE),
    ((9.0, 13.9), NEITHER),      # 3.9 of 4.9: less than 0.8 inside
    ((9.0, 14.0), INCOMPLETE),   # 4 of 5
    ((0.0, 60.0), NEITHER),      # one third inside
    ((0.0, 10.0), BACKGROUND),   # touches it
    ((29.9, 40.0), BACKGROUND),  # tIoU below 0.01
    ((29.5, 40.0), NEITHER),
])
def test_kinds_at_the_borders_of_the_papers_rules(proposal, kind):
    found = label(np.array([proposal]), np.array([[10.0, 30.0]]), np.array([1]), PAPER)
    assert found.kinds.tolist() == [kind]
    assert found.classes.tolist() == [1 if kind in (POSITIVE, INCOMPLETE) else -1]


def test_a_long_proposal_is_incomplete_where_any_share_is_enough():
    found = label(np.array([[0.0, 99.0]]), np.array([[10.0, 30.0]]), np.array([1]), SETTINGS)
    assert found.kinds.tolist() == [INCOMPLETE]


def test_nothing_is_incomplete_that_shares_nothing():
    settings = replace(PAPER, incomplete_share=0.0)
    found = label(np.array([[40.0, 50.0]]), np.array([[10.0, 30.0]]), np.array([1]), settings)
    assert found.kinds.tolist() == [BACKGROUND]


def test_of_two_actions_at_one_place_the_first_gives_the_class():
    twins = np.array([[10.0, 30.0], [10.0, 30.0]])
    found = label(np.array([[10.0, 30.0], [12.0, 14.0]]), twins, np.array([2, 0]), PAPER)
    assert found.classes.tolist() == [2, 2]


def test_moves_lead_to_the_action_and_back(rng):
    proposals = np.sort(rng.uniform(0, 50, (40, 2)), axis=1) + [0, 0.5]
    actions = proposals + rng.uniform(-0.2, 0.2, (40, 2)) * (proposals[:, 1:] - proposals[:, :1])
    moves = moves_to(proposals, actions)
    for (start, end), (low, high), move in zip(proposals, actions, moves):
        assert move[0] == pytest.approx(((low + high) / 2 - (start + end) / 2) / (end - start))
        assert move[1] == pytest.approx(math.log((high - low) / (end - start)))
    np.testing.assert_allclose(moved_by(proposals, moves), actions)
    segments = np.array([[10.0, 30.0]])
    found = label(np.array([[11.0, 30.0]]), segments, np.array([0]), SETTINGS)
    np.testing.assert_allclose(moved_by(found.segments, found.moves), segments)


def drawn(proposals, segments, valid, rng, **changes):
    settings = replace(SETTINGS, samples=80, **changes)
    classes = np.arange(len(segments)) % 3
    return sample(np.asarray(proposals, dtype=np.float64).reshape(-1, 2), segments, classes, valid, settings, rng)


def counts(found):
    return [int((found.kinds == kind).sum()) for kind in (POSITIVE, INCOMPLETE, BACKGROUND)]


SEGMENTS = np.array([[4.0, 24.0], [50.0, 80.0]])


def test_samples_come_one_to_six_to_one(rng):
    assert counts(drawn(NONE, SEGMENTS, 100, rng)) == [10, 60, 10]
    assert counts(drawn(NONE, SEGMENTS, 100, rng, incomplete_ratio=2.0)) == [20, 40, 20]


def test_every_sample_is_what_it_is_called_and_lies_on_the_real_part(rng):
    found = drawn(rng.uniform(-0.5, 40, (50, 1)) + [0, 30], SEGMENTS, 71, rng)
    again = label(found.segments, SEGMENTS, np.array([0, 1]), replace(SETTINGS, samples=80))
    for first, second in zip(found, again):
        np.testing.assert_array_equal(first, second)
    assert found.segments.min() >= -0.5 and found.segments.max() <= 70.5 and (found.kinds != NEITHER).all()


def test_half_come_from_tag_where_it_has_them(rng):
    """Proposals on odd borders, so that they are known again."""
    own = np.concatenate([[[4.125, 24.125]] * 30, [[6.125, 8.125]] * 90, [[30.125, 40.125]] * 30])
    def from_tag(**changes):
        found = drawn(own, SEGMENTS, 100, rng, **changes)
        assert counts(found) == [10, 60, 10]
        tagged = found.segments[:, 0] % 1 == 0.125
        return [int((tagged & (found.kinds == kind)).sum()) for kind in (INCOMPLETE, BACKGROUND)]
    assert from_tag() == [30, 5]
    assert from_tag(jittered=0.0) == [60, 10]
    assert from_tag(jittered=1.0) == [0, 0]


def test_actions_themselves_are_positive_without_any_from_tag(rng):
    found = drawn(NONE, SEGMENTS, 100, rng, jittered=0.0)
    whole = {tuple(row) for row in found.segments[found.kinds == POSITIVE].tolist()}
    assert {tuple(row) for row in SEGMENTS.tolist()} <= whole


def test_what_one_side_lacks_the_other_gives(rng):
    few = [[30.0, 40.0]]
    assert counts(drawn(few, SEGMENTS, 100, rng, jittered=0.0)) == [10, 60, 10]
    # Nothing lies between, so that background comes from TAG alone: none
    everywhere = np.array([[-5.0, 50.0], [50.0, 105.0]])
    assert counts(drawn(NONE, everywhere, 100, rng))[2] == 0


def test_borders_of_sampling(rng):
    assert counts(drawn(NONE, NONE, 100, rng)) == [0, 0, 10]
    for valid in (1, 2):
        found = drawn(NONE, NONE, valid, rng)
        assert counts(found)[:2] == [0, 0] and counts(found)[2] == 10
    whole = drawn(NONE, np.array([[-0.5, 0.5]]), 1, rng)
    assert counts(whole)[0] > 0 and counts(whole)[2] == 0
    unknown = sample(NONE, SEGMENTS, np.array([-1, -1]), 100, SETTINGS, rng)
    assert counts(unknown)[:2] == [0, 0] and counts(unknown)[2] > 0
    nothing = sample(NONE, np.array([[-9.0, 99.0]]), np.array([-1]), 20, SETTINGS, rng)
    assert nothing.kinds.tolist() == [NEITHER] and nothing.segments.tolist() == [[-0.5, 0.5]]


def test_the_same_generator_draws_the_same(rng):
    tag = rng.uniform(-0.5, 40, (50, 1)) + [0, 30]
    for first, second in zip(drawn(tag, SEGMENTS, 90, np.random.RandomState(3)),
                             drawn(tag, SEGMENTS, 90, np.random.RandomState(3))):
        np.testing.assert_array_equal(first, second)
