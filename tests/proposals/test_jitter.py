"""Random segments around actions and between them: where they lie, and how much they overlap."""

import numpy as np
import pytest

from tad.proposals.jitter import anywhere, between, near, pieces
from tad.segments import intersection, lengths, paired_tiou, tiou

VALID = 60
ACTIONS = np.array([[3.2, 14.0], [12.0, 20.5], [41.0, 43.0]])
NONE = np.zeros((0, 2))


def test_copies_stay_near_and_move_both_borders(rng):
    action = ACTIONS[:1]
    found = near(action, 400, rng)
    assert found.shape == (400, 2)
    overlap = tiou(found, action)[:, 0]
    assert 0.7 <= overlap.min() < 0.75 and overlap.max() > 0.95
    for side in range(2):
        moves = found[:, side] - action[0, side]
        assert moves.min() < -1.4 and moves.max() > 1.4 and np.abs(moves).max() <= 0.15 * 10.8


def test_every_action_is_copied(rng):
    found = near(ACTIONS, 300, rng)
    assert sorted(set(tiou(found, ACTIONS).argmax(axis=1))) == [0, 1, 2]


def test_pieces_are_short_parts_that_last_a_snippet(rng):
    found = pieces(ACTIONS[:1], 400, rng)
    assert 100 < len(found) < 400, "those below a snippet are left out"
    assert lengths(found).min() >= 1.0 and lengths(found).max() <= 0.3 * 10.8
    assert (intersection(found, ACTIONS[:1])[:, 0] >= 0.8 * lengths(found) - 1e-9).all()
    assert tiou(found, ACTIONS[:1]).max() <= 0.3
    assert found[:, 0].min() < 3.2 and found[:, 1].max() > 14.0, "some hang out at either end"
    assert pieces(ACTIONS[2:], 50, rng).shape == (0, 2), "30% of 2 snippets are less than one"


def test_between_touches_no_action_and_reaches_every_gap(rng):
    found = between(ACTIONS, VALID, 500, rng)
    assert found.shape == (500, 2) and lengths(found).min() >= 1.0
    assert intersection(found, ACTIONS).max() <= 1e-9
    assert found.min() >= -0.5 and found.max() <= VALID - 0.5
    centres = found.mean(axis=1)
    for low, high in ((-0.5, 3.2), (20.5, 41.0), (43.0, 59.5)):
        assert ((centres > low) & (centres < high)).sum() >= 5
    whole = between(NONE, VALID, 200, rng)
    assert len(whole) == 200 and lengths(whole).max() > 0.7 * VALID


@pytest.mark.parametrize("actions, valid", [
    (np.array([[-4.0, 30.0]]), 20),  # covers everything
    (np.array([[0.2, 10.9], [11.1, 19.0]]), 20),  # leaves less than a snippet each
])
def test_no_gap_gives_nothing(rng, actions, valid):
    assert between(actions, valid, 10, rng).shape == (0, 2)


def test_actions_past_the_ends_leave_the_rest(rng):
    found = between(np.array([[-9.0, 4.5], [15.5, 99.0]]), 20, 50, rng)
    assert found.min() >= 4.5 and found.max() <= 15.5


@pytest.mark.parametrize("valid", [1, 2, 50])
def test_anywhere_lies_on_the_real_part(rng, valid):
    found = anywhere(valid, 300, rng)
    assert found.shape == (300, 2) and lengths(found).min() >= 1 - 1e-9
    assert found.min() >= -0.5 - 1e-9 and found.max() <= valid - 0.5 + 1e-9
    if valid == 50:
        assert lengths(found).min() < 3 and lengths(found).max() > 45


@pytest.mark.parametrize("make", [near, pieces])
def test_no_action_gives_nothing(rng, make):
    assert make(NONE, 20, rng).shape == (0, 2)


def test_the_same_generator_gives_the_same_segments():
    found = [np.concatenate([near(ACTIONS, 9, rng), pieces(ACTIONS, 9, rng), between(ACTIONS, VALID, 9, rng)])
             for rng in (np.random.RandomState(4), np.random.RandomState(4))]
    np.testing.assert_array_equal(*found)
    others = [near(ACTIONS, 9, np.random.RandomState(seed)) for seed in (1, 2)]
    assert (paired_tiou(*others) < 1).all()
