"""Snippet targets against a loop over snippets."""

import numpy as np
import pytest

from tad.assignment.snippets import BOUNDARY_RADIUS, snippet_targets


def slow_targets(segments, classes, count, length, valid):
    covered = np.zeros((count, length))
    boundaries, offsets = np.zeros((2, length)), np.zeros((2, length))
    for i in range(valid):
        for (start, end), index in zip(segments, classes):
            if index >= 0:
                covered[index, i] += max(0.0, min(end, i + 0.5) - max(start, i - 0.5))
        for side in range(2):
            distances = sorted((segment[side] - i for segment in segments), key=abs)
            if distances and abs(distances[0]) <= BOUNDARY_RADIUS:
                boundaries[side, i], offsets[side, i] = 1.0, distances[0]
    return np.minimum(covered, 1.0), boundaries, offsets


@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("valid", [1, 13, 20])
def test_equals_a_loop(rng, count, valid):
    segments = np.sort(rng.uniform(-6, 26, (count, 2)), axis=1)
    classes = rng.randint(-1, 4, count)
    found = snippet_targets(segments, classes, 4, 20, valid)
    expected = slow_targets(segments, classes, 4, 20, valid)
    for got, wanted in zip(found, expected):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, wanted, atol=1e-6)
    np.testing.assert_array_equal(found.valid, (np.arange(20) < valid).astype(np.float32))


def test_by_hand():
    """[2, 4.25]: half of snippet 2, all of 3, three quarters of 4; overlapping actions of two classes stay apart."""
    found = snippet_targets(np.array([[2.0, 4.25], [3.5, 6.5]]), np.array([0, 1]), 2, 8, 8)
    np.testing.assert_allclose(found.classes[0], [0, 0, 0.5, 1, 0.75, 0, 0, 0])
    np.testing.assert_allclose(found.classes[1], [0, 0, 0, 0, 1, 1, 1, 0])
    np.testing.assert_array_equal(found.boundaries[0], [0, 1, 1, 1, 1, 1, 0, 0])
    np.testing.assert_allclose(found.offsets[1], [0, 0, 0, 1.25, 0.25, -0.75, 0.5, -0.5])


def test_unknown_labels_only_mark_boundaries():
    found = snippet_targets(np.array([[3.0, 8.0]]), np.array([-1]), 3, 12, 12)
    assert not found.classes.any()
    assert found.boundaries[0, 3] == 1 and found.boundaries[1, 8] == 1


def test_overlapping_actions_of_one_class_cover_a_snippet_once():
    found = snippet_targets(np.array([[1.0, 5.0], [2.0, 6.0]]), np.array([0, 0]), 1, 8, 8)
    assert found.classes.max() == 1.0
