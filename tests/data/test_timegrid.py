"""Seconds to snippets and back, against the sentence in docs/data.md and in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from tad.data.timegrid import TimeGrid


def random_grids(rng, count=50):
    for _ in range(count):
        yield float(rng.uniform(1, 60)), int(rng.randint(1, 64)), int(rng.randint(0, 128))


def test_centres_are_where_the_document_says(rng):
    """Snippet i covers ``window`` frames from frame ``i * stride`` on."""
    for fps, stride, window in random_grids(rng):
        grid = TimeGrid.from_frames(fps, stride, window)
        for index in (0, 1, 17, 100000):
            exact = (Fraction(index) * stride + Fraction(window, 2)) / Fraction(fps)
            assert grid.to_seconds(index) == pytest.approx(float(exact), rel=1e-12)
            assert grid.to_snippets(float(exact)) == pytest.approx(index, abs=1e-6)


def test_both_ways_are_inverse(rng):
    for fps, stride, window in random_grids(rng):
        grid = TimeGrid.from_frames(fps, stride, window)
        seconds = rng.uniform(-100, 1e5, (20, 2))
        np.testing.assert_allclose(grid.to_seconds(grid.to_snippets(seconds)), seconds, atol=1e-9)
        snippets = rng.uniform(-100, 1e5, 20)
        np.testing.assert_allclose(grid.to_snippets(grid.to_seconds(snippets)), snippets, atol=1e-6)


def test_spanning_shares_the_recording_evenly(rng):
    for snippets in (1, 2, 7, 1000):
        duration = float(rng.uniform(0.1, 5000))
        grid = TimeGrid.spanning(duration, snippets)
        assert grid.to_seconds(-0.5) == pytest.approx(0.0, abs=1e-9)
        assert grid.end_s(snippets) == pytest.approx(duration)
        assert grid.step_s * snippets == pytest.approx(duration)


def test_gapless_snippets_end_with_the_last_frame():
    """25 frames a second, 16 frames a snippet, one after the other: 10 snippets cover 160 frames."""
    grid = TimeGrid.from_frames(25.0, 16, 16)
    assert grid.to_seconds(-0.5) == pytest.approx(0.0)
    assert grid.end_s(10) == pytest.approx(6.4)
    assert grid.to_snippets(6.4) == pytest.approx(9.5)
