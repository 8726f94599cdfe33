"""Interval arithmetic against loops over pairs, and the properties that any overlap must have."""

import numpy as np
import pytest
import torch

from tad import segments


def random_segments(rng, count):
    return np.sort(rng.uniform(-10, 30, (count, 2)), axis=1)


def slow_tiou(a, b):
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - shared
    return shared / union if union > 0 else 0.0


def test_tiou_equals_a_loop(rng):
    a, b = random_segments(rng, 13), random_segments(rng, 17)
    b[0] = a[0]
    b[1] = [a[1, 1], a[1, 1] + 2]  # touches, shares nothing
    expected = [[slow_tiou(x, y) for y in b] for x in a]
    np.testing.assert_allclose(segments.tiou(a, b), expected, atol=1e-12)
    np.testing.assert_allclose(segments.paired_tiou(a, b[:13]), np.diag(np.array(expected)[:, :13]), atol=1e-12)


def test_tiou_is_symmetric_and_free_of_shift_and_scale(rng):
    a, b = random_segments(rng, 9), random_segments(rng, 6)
    plain = segments.tiou(a, b)
    np.testing.assert_allclose(segments.tiou(b, a).T, plain, atol=1e-12)
    np.testing.assert_allclose(segments.tiou(a * 3.7 + 11, b * 3.7 + 11), plain, atol=1e-9)
    np.testing.assert_allclose(np.diag(segments.tiou(a, a)), 1.0)


def test_empty_and_degenerate_segments():
    point = np.array([[3.0, 3.0]])
    assert segments.tiou(np.zeros((0, 2)), point).shape == (0, 1)
    assert segments.tiou(point, np.zeros((0, 2))).shape == (1, 0)
    assert segments.tiou(point, point)[0, 0] == 0.0
    assert segments.lengths([[5.0, 2.0]])[0] == 0.0
    assert segments.paired_tiou(np.zeros((0, 2)), np.zeros((0, 2))).shape == (0,)


def test_intersection_and_clip(rng):
    a, b = random_segments(rng, 7), random_segments(rng, 5)
    expected = [[max(0.0, min(x[1], y[1]) - max(x[0], y[0])) for y in b] for x in a]
    np.testing.assert_allclose(segments.intersection(a, b), expected, atol=1e-12)
    np.testing.assert_array_equal(segments.clip([[-1, 2], [5, 9], [11, 12]], 0, 8), [[0, 2], [5, 8], [8, 8]])


@pytest.mark.parametrize("make", [np.array, lambda rows: torch.tensor(rows, dtype=torch.float64)])
def test_widen_adds_context_at_both_ends(make):
    given = make([[2.0, 6.0], [0.0, 1.0]])
    np.testing.assert_allclose(np.asarray(segments.widen(given, 0.5)), [[0.0, 8.0], [-0.5, 1.5]])
    np.testing.assert_allclose(np.asarray(given), [[2.0, 6.0], [0.0, 1.0]])
