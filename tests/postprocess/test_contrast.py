"""Contrast by hand and against sums over snippets."""

import numpy as np

from tad.postprocess.contrast import contrast


def area(curve, start, end):
    return sum(value * max(0.0, min(end, i + 0.5) - max(start, i - 0.5)) for i, value in enumerate(curve))


def test_equals_a_loop_over_snippets(rng):
    curves = rng.random_sample((3, 25))
    starts = rng.uniform(-0.5, 20, 40)
    segments = np.stack([starts, starts + rng.uniform(0.5, 12, 40)], axis=1)
    expected = []
    for start, end in segments:
        part = 0.25 * (end - start)
        expected.append(max(area(curve, start, end) / (end - start) - (
            area(curve, start - part, start) + area(curve, end, end + part)) / (2 * part) for curve in curves))
    np.testing.assert_allclose(contrast(curves, segments), expected, atol=1e-12)


def test_the_whole_action_beats_its_parts_and_what_is_wider():
    curve = np.zeros((1, 30))
    curve[0, 10:18] = 0.8
    whole, half, wide, nothing = contrast(curve, np.array([[9.5, 17.5], [9.5, 13.5], [5.5, 21.5], [20.0, 24.0]]))
    np.testing.assert_allclose([whole, half, wide, nothing], [0.8, 0.4, 0.4, 0.0], atol=1e-12)


def test_no_segments():
    assert contrast(np.ones((2, 5)), np.zeros((0, 2))).shape == (0,)
