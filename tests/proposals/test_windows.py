"""Coarser grids and sliding windows against loops; random segments within their limits, each as probable."""

import numpy as np
import pytest

from tad.proposals.grid import all_proposals
from tad.proposals.windows import (
    alternate_steps,
    random_segments,
    sliding_steps,
    stepped_cells,
    window_durations,
)

clips = pytest.mark.parametrize("snippets", [0, 1, 2, 9, 40])


@clips
@pytest.mark.parametrize("longest", [1, 3, 12, 100])
@pytest.mark.parametrize("step", [1, 2, 3, 13])
def test_alternate_windows_equal_a_loop(snippets, longest, step):
    expected = [[start, start + duration] for duration in range(step, longest + 1, step)
                for start in range(0, snippets - duration, step)]
    found = stepped_cells(snippets, alternate_steps(longest, step))
    assert found.dtype == np.int64 and found.tolist() == expected
    if step == 1:
        assert found.tolist() == all_proposals(snippets, longest).tolist()


@pytest.mark.parametrize("longest, ratio, expected", [
    (20, 2.0, [1, 3, 5, 10, 20]), (16, 2.0, [1, 2, 4, 8, 16]), (1, 2.0, [1]), (9, 3.0, [1, 3, 9]), (5, 100.0, [5]),
    (6, 1.05, [1, 2, 3, 4, 5, 6])])
def test_durations_fall_by_the_ratio(longest, ratio, expected):
    assert window_durations(longest, ratio).tolist() == expected


def test_sliding_windows_by_hand():
    """Durations 4, 2 and 1 move by half of themselves, and by a snippet at least."""
    found = stepped_cells(7, sliding_steps(4, 2.0, 0.5))
    assert found.tolist() == [[start, start + 1] for start in range(6)] + [
        [0, 2], [1, 3], [2, 4], [3, 5], [4, 6]] + [[0, 4], [2, 6]]


@clips
@pytest.mark.parametrize("overlap", [0.0, 0.75, 0.99])
def test_sliding_windows_are_cells_that_overlap_as_asked(snippets, overlap):
    found = stepped_cells(snippets, sliding_steps(16, 2.0, overlap))
    assert found.dtype == np.int64
    assert {tuple(row) for row in found.tolist()} <= {tuple(row) for row in all_proposals(snippets, 16).tolist()}
    for duration in (1, 2, 4, 8, 16):
        starts = found[found[:, 1] - found[:, 0] == duration, 0]
        assert len(starts) == 0 if duration >= snippets else starts[0] == 0
        if len(starts) > 1:
            moved = max(1, round(duration * (1 - overlap)))
            assert set(np.diff(starts)) == {moved} and starts[-1] + moved + duration > snippets - 1


@clips
@pytest.mark.parametrize("longest", [1, 7, 100])
def test_random_segments_lie_inside_and_last_a_snippet_or_more(rng, snippets, longest):
    found = random_segments(snippets, longest, 500, rng)
    assert found.shape == (500 if snippets else 0, 2) and found.dtype == np.float64
    durations = found[:, 1] - found[:, 0]
    assert (found >= -0.5).all() and (found <= snippets - 0.5 + 1e-9).all()
    assert (durations > 1 - 1e-9).all() and (durations < max(1, min(longest, snippets)) + 1e-9).all()


def test_random_segments_are_uniform_and_follow_from_the_generator(rng):
    """Durations of 1 to 11: tenths of them hold a tenth each; 5 deviations are passed once in a million draws."""
    found = random_segments(40, 11, 4000, rng)
    counts = np.histogram(found[:, 1] - found[:, 0], np.linspace(1, 11, 11))[0]
    assert (np.abs(counts - 400) < 5 * np.sqrt(4000 * 0.1 * 0.9)).all()
    places = (found[:, 0] + 0.5) / (40 - (found[:, 1] - found[:, 0]))
    counts = np.histogram(places, np.linspace(0, 1, 11))[0]
    assert (np.abs(counts - 400) < 5 * np.sqrt(4000 * 0.1 * 0.9)).all()
    same, other = (random_segments(40, 11, 5, np.random.RandomState(seed)) for seed in (3, 4))
    assert np.array_equal(same, random_segments(40, 11, 5, np.random.RandomState(3)))
    assert not np.array_equal(same, other)
