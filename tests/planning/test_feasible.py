"""Settings that cannot work are refused with the number to change; those that can are left alone."""

import warnings

import numpy as np
import pytest

from tad.data.sources import Source
from tad.data.timegrid import TimeGrid
from tad.errors import DataWarning, UserError
from tad.planning.feasible import check_feasible, window_count
from tad.planning.fitting import fit_settings
from tad.settings import load_settings


def source(snippets, *lengths):
    segments = np.array([[1.0, 1.0 + length] for length in lengths]).reshape(-1, 2)
    return Source("x", TimeGrid(0.5, 0.5), snippets, segments, np.zeros(len(lengths), np.int64))


def check(sources, *assignments):
    check_feasible(fit_settings(load_settings(None, assignments), sources), sources)


@pytest.mark.parametrize("sources", [
    [source(2, 1.0)], [source(30, 10.0)], [source(1000, 2.0)], [source(500, 499.0)], [source(5000, 3.0, 800.0)],
    [source(3, 1.0)] * 3, [source(40, 1.0), source(1)],
])
def test_what_is_derived_is_never_refused_or_warned_of(sources):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(sources)
        check(sources, "dataset.mode=rescale")


def test_derived_settings_work_on_random_data(rng):
    for _ in range(100):
        snippets = rng.randint(2, 1500, rng.randint(1, 6))
        sources = [source(count, *rng.uniform(1, count, rng.randint(1, 5))) for count in snippets]
        check(sources)


@pytest.mark.parametrize("assignments, words", [
    (("dataset.length=64",), r"3 of the 4.*dataset.length: 64, 32 s.*120 snippets.*set dataset.length to 120 or more"),
    (("dataset.length=256", "deeplab.max_duration=40"), r"3 of the 4.*deeplab.max_duration: 40.*to 120 or more"),
    (("deeplab.atrous_rates=[2,400]",), r"400.*keep every rate below"),
    (("dataset.length=200", "deeplab.atrous_rates=[50]"),
     r"atrous_rates \(50\).*below 50, or set dataset.length to 204"),
    (("deeplab.boundary_radius=500",), "boundary_radius"),
    (("dataset.length=256", "train.batch=3000"), r"train.batch \(3000\).*245 different windows.*245 or less"),
    (("dataset.mode=rescale", "train.batch=9"), r"train.batch \(9\).*1 different clips.*to 8 or less"),
])
def test_what_cannot_work_is_refused_with_a_number_that_works(assignments, words):
    with pytest.raises(UserError, match=words):
        check([source(500, 5.0, 90.0, 100.0, 120.0)], *assignments)


@pytest.mark.parametrize("key, bad, number", [
    ("dataset.length", 64, 120), ("deeplab.max_duration", 40, 120), ("train.batch", 3000, 245)])
def test_the_number_in_the_sentence_works(key, bad, number):
    others = [] if key == "dataset.length" else ["dataset.length=256"]
    sources = [source(500, 5.0, 90.0, 100.0, 120.0)]
    with pytest.raises(UserError, match="%d" % number):
        check(sources, "%s=%d" % (key, bad), *others)
    check(sources, "%s=%d" % (key, number), *others)


def test_a_few_actions_out_of_reach_are_a_warning_with_their_number():
    sources = [source(500, 5.0, 6.0, 7.0, 100.0)]
    with pytest.warns(DataWarning, match=r"1 of the 4.*dataset.length to 104 or more"):
        check(sources, "dataset.length=64")
    with pytest.warns(DataWarning, match=r"1 of the 4.*deeplab.max_duration to 104 or more"):
        check(sources, "dataset.length=256", "deeplab.max_duration=40")


def test_actions_longer_than_the_longest_window_are_told():
    """No window that is derived is longer than 2048 snippets."""
    with pytest.warns(DataWarning, match=r"1 of the 3 .*dataset.length: 2048, 1024 s.*set dataset.length to 3000 or"):
        check([source(6000, 5.0, 6.0, 3000.0)])
    with pytest.raises(UserError, match="2 of the 3 .*dataset.length: 2048"):
        check([source(6000, 5.0, 2100.0, 3000.0)])


def test_actions_shorter_than_snippets_are_a_warning():
    with pytest.warns(DataWarning, match="less than half a snippet"):
        check([source(500, 0.2, 0.3, 5.0)])


def test_single_snippets_are_refused():
    with pytest.raises(UserError, match="single snippet"):
        check([source(1, 1.0), source(1)])


def test_default_numbers_stay_allowed_on_tiny_data():
    check([source(10, 3.0)], "dataset.length=16")


def test_windows_are_counted_by_their_places():
    settings = load_settings(None, ["dataset.length=64"])
    assert window_count(settings, [source(64), source(65), source(10), source(163)]) == 1 + 2 + 1 + 100
