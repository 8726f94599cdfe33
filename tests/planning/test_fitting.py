"""Open settings are filled from the training data; what was given stays."""

import numpy as np
import pytest

from tad.data.fitting import LONGEST_WINDOW, SHORTEST_WINDOW, longest_action
from tad.data.sources import Source
from tad.data.timegrid import TimeGrid
from tad.errors import UserError
from tad.planning.fitting import fit_settings
from tad.settings import load_settings


def source(snippets, *lengths):
    segments = np.array([[1.0, 1.0 + length] for length in lengths]).reshape(-1, 2)
    return Source("x", TimeGrid(0.5, 1.0), snippets, segments, np.zeros(len(lengths), np.int64))


def fit(sources, *assignments):
    settings = fit_settings(load_settings(None, assignments), sources)
    return settings.dataset.length, settings.deeplab.max_duration


def test_a_window_holds_the_longest_action_twice(rng):
    for _ in range(50):
        longest = float(rng.uniform(40, 800))
        length, duration = fit([source(5000, 3.0, longest), source(90, 10.0)])
        assert 2 * longest < length < 2.5 * longest + 8 and length % 8 == 0
        assert 1.25 * longest <= duration <= 1.25 * longest + 2


@pytest.mark.parametrize("sources, expected", [
    ([source(1000, 2.0)], (SHORTEST_WINDOW, 4)), ([source(10 ** 5, 5000.0)], (LONGEST_WINDOW, LONGEST_WINDOW - 1)),
    ([source(30, 10.0)], (32, 14)), ([source(1)], (16, 3)), ([source(500)], (SHORTEST_WINDOW, 3)),
])
def test_borders(sources, expected):
    assert fit(sources) == expected


def test_given_values_stay():
    assert fit([source(1000, 50.0)], "dataset.length=200", "deeplab.max_duration=17") == (200, 17)


def test_rescaled_actions_are_measured_in_the_clip():
    settings = load_settings(None, ["dataset.mode=rescale", "dataset.length=100"])
    assert longest_action([source(1000, 500.0), source(10, 2.0)], settings) == pytest.approx(50.0)
    assert fit([source(1000, 500.0)], "dataset.mode=rescale") == (100, 64)


@pytest.mark.parametrize("assignments, words", [
    (("dataset.length=64", "deeplab.max_duration=64"), "max_duration"),
    (("dataset.length=16", "deeplab.strides=[4, 4]"), "deeplab.strides"),
])
def test_impossible_combinations_are_refused(assignments, words):
    with pytest.raises(UserError, match=words):
        fit([source(100, 5.0)], *assignments)
