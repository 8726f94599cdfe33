"""Targets of the second stage against a loop, one segment and one action after the other."""

import numpy as np
import pytest

from tad.assignment.refinement import segment_targets


def slow_targets(proposals, segments, classes, count, threshold):
    rows = []
    for start, end in proposals:
        best, found = 0.0, None
        for number, (low, high) in enumerate(segments):
            shared = max(0.0, min(end, high) - max(start, low))
            value = shared / ((end - start) + (high - low) - shared)
            if value >= threshold and (found is None or value > best):
                best, found = value, number
        if found is None:
            rows.append(([0] * count, (start, end), 0, 1))
            continue
        place = tuple(segments[found])
        named = {classes[m] for m in range(len(segments)) if tuple(segments[m]) == place}
        rows.append(([int(k in named) for k in range(count)], place, 1, int(classes[found] >= 0)))
    return [np.array(parts, dtype=np.float64) for parts in zip(*rows)]


@pytest.mark.parametrize("grid", [0.5, 2.0])
@pytest.mark.parametrize("threshold", [0.25, 0.5, 1.0])
def test_targets_equal_the_written_out_loop(rng, grid, threshold):
    """On a grid overlaps are equal, and equal to the threshold; actions repeat and some labels are unknown."""
    positives = 0
    for _ in range(30):
        proposals, segments = (np.round(np.sort(rng.uniform(0, 16, (count, 2)), axis=1) / grid) * grid
                               for count in (rng.randint(1, 30), rng.randint(1, 8)))
        proposals[:, 1] += grid
        segments[:, 1] += grid
        proposals = np.concatenate([proposals, segments[:1]])  # one at least is positive at any threshold
        classes = rng.randint(-1, 3, len(segments))
        found = segment_targets(proposals, segments, classes, 3, threshold)
        expected = slow_targets(proposals.tolist(), segments.tolist(), classes.tolist(), 3, threshold)
        for part, values in zip(found, expected):
            assert part.dtype == np.float32
            np.testing.assert_allclose(part, values, atol=1e-6)
        positives += found.positive.sum()
    assert positives > 0


def test_by_hand():
    """tIoU 0.75 with the first action, whose place another shares; tIoU 0; the very segment of an unknown label."""
    segments = np.array([[0.0, 4.0], [0.0, 4.0], [10.0, 12.0]])
    found = segment_targets(np.array([[0.0, 3.0], [5.0, 6.0], [10.0, 12.0]]), segments, np.array([0, 2, -1]), 3, 0.75)
    assert found.classes.tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert found.segments.tolist() == [[0, 4], [5, 6], [10, 12]]
    assert found.positive.tolist() == [1, 0, 1] and found.judged.tolist() == [1, 1, 0]


def test_without_actions_nothing_is_positive(rng):
    proposals = np.sort(rng.uniform(0, 9, (5, 2)), axis=1)
    found = segment_targets(proposals, np.zeros((0, 2)), np.zeros(0, np.int64), 2, 0.5)
    assert found.positive.sum() == 0 and found.judged.tolist() == [1] * 5 and found.classes.shape == (5, 2)
    np.testing.assert_allclose(found.segments, proposals, rtol=1e-6)
