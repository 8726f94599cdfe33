"""Signals to features with a recipe."""

import json
import os

import h5py
import numpy as np
import pytest

from tad.data.recipe import read_recipe
from tad.data.signal_features import Plan, make_features, plan_of
from tad.data.signals import Columns
from tad.data.windowing import Windowing
from tad.errors import DataWarning, UserError

PLAN = Plan(Windowing(50.0, 10, 5))


@pytest.fixture
def signals(tmp_path, rng):
    """A folder of three recordings of two channels, and the arrays."""
    folder = tmp_path / "signals"
    folder.mkdir()
    arrays = {name: rng.standard_normal((40 + 10 * index, 2)) * 3 + 1 for index, name in enumerate("abc")}
    for name, array in arrays.items():
        np.save(str(folder / (name + ".npy")), array)
    return str(folder), arrays


def make(source, output, plan=PLAN, **options):
    return make_features(source, str(output), plan, Columns(), **options)


def test_normalization_is_learned_on_the_training_recordings_alone(signals, tmp_path):
    source, arrays = signals
    made = make(source, tmp_path / "out", learn_from={"a", "b"})
    training = np.concatenate([arrays["a"], arrays["b"]])
    mean, deviation = training.mean(0), training.std(0)
    expected = ((arrays["c"][5:15] - mean) / deviation).ravel()
    np.testing.assert_allclose(np.load(str(tmp_path / "out" / "c.npy"))[1], expected, rtol=1e-5, atol=1e-6)
    recipe = read_recipe(str(tmp_path / "out"))
    assert (recipe.fps, recipe.stride, recipe.window, recipe.width) == (50, 5, 10, 20)
    np.testing.assert_allclose(recipe.normalization.mean, np.tile(mean, 10), rtol=1e-9)
    assert made.ids == ("a", "b", "c") and made.width == 20 and made.snippets == 7 + 9 + 11


@pytest.mark.parametrize("kinds", [("flat",), ("statistics", "spectrum")])
def test_a_recipe_makes_the_same_features_again(signals, tmp_path, kinds):
    source, _ = signals
    plan = PLAN._replace(windowing=PLAN.windowing._replace(kinds=kinds, bands=3))
    make(source, tmp_path / "first", plan, learn_from={"a"})
    again = plan_of(read_recipe(str(tmp_path / "first")), "first")
    make(source, tmp_path / "second.h5", again)
    with h5py.File(str(tmp_path / "second.h5"), "r") as archive:
        for name in "abc":
            np.testing.assert_array_equal(archive[name][()], np.load(str(tmp_path / "first" / (name + ".npy"))))
    first, second = (read_recipe(str(tmp_path / name)) for name in ("first", "second.h5"))
    assert first._replace(made_by=None) == second._replace(made_by=None)


def test_missing_samples_are_refused_or_filled_and_counted(signals, tmp_path):
    source, arrays = signals
    holed = arrays["b"].copy()
    holed[3:6, 1] = np.nan
    np.save(os.path.join(source, "b.npy"), holed)
    with pytest.raises(UserError, match="b: 3 samples are missing.*sample 3, channel 1.*--missing interpolate"):
        make(source, tmp_path / "out")
    made = make(source, tmp_path / "out", PLAN._replace(missing="interpolate"))
    assert made.filled == {"b": (3, holed.size)}
    holed[3:6, 1] = holed[2, 1] + (holed[6, 1] - holed[2, 1]) * np.array([0.25, 0.5, 0.75])
    np.testing.assert_allclose(np.load(str(tmp_path / "out" / "b.npy"))[0], holed[:10].ravel(), rtol=1e-5)


def test_recordings_that_do_not_fit_are_left_out_by_name(signals, tmp_path):
    source, _ = signals
    np.save(os.path.join(source, "short.npy"), np.zeros((9, 2)))
    np.save(os.path.join(source, "wide.npy"), np.zeros((50, 3)))
    with pytest.warns(DataWarning) as told:
        made = make(source, tmp_path / "out")
    assert made.ids == ("a", "b", "c")
    assert sorted(str(warning.message).split(":")[0] for warning in told) == ["short", "wide"]
    with pytest.raises(UserError, match="stopped by --strict, without it: left out"):
        make(source, tmp_path / "other", strict=True)


def test_nothing_is_overwritten_unasked(signals, tmp_path):
    source, _ = signals
    make(source, tmp_path / "out")
    with pytest.raises(UserError, match="--overwrite"):
        make(source, tmp_path / "out")
    with pytest.raises(UserError, match="the source itself"):
        make(source, source, overwrite=True)
    os.unlink(os.path.join(source, "c.npy"))
    make(source, tmp_path / "out", overwrite=True)
    assert sorted(os.listdir(str(tmp_path / "out"))) == ["a.npy", "b.npy", "recipe.json"]
    (tmp_path / "out" / "thesis.docx").write_text("mine")
    with pytest.raises(UserError, match="thesis.docx"):
        make(source, tmp_path / "out", overwrite=True)


@pytest.mark.parametrize("changes, words", [
    ({"window": 0}, "--window"), ({"stride": 0}, "--stride"), ({"rate": 0.0}, "--rate"), ({"kinds": ("wavelet",)},
                                                                                         "--recipe"),
    ({"kinds": ("spectrum",), "bands": 6}, "--bands"), ({"window": 1000, "stride": 1}, "none of the 3"),
])
def test_windows_that_make_no_sense(signals, tmp_path, changes, words):
    source, _ = signals
    with pytest.raises(UserError, match=words):
        if "none" in words:
            with pytest.warns(DataWarning):
                make(source, tmp_path / "out", PLAN._replace(windowing=PLAN.windowing._replace(**changes)))
        else:
            make(source, tmp_path / "out", PLAN._replace(windowing=PLAN.windowing._replace(**changes)))


def test_a_foreign_or_damaged_recipe_is_refused(signals, tmp_path):
    source, _ = signals
    make(source, tmp_path / "out", learn_from={"a"})
    path = str(tmp_path / "out" / "recipe.json")
    for change in (lambda signals: signals.pop("kinds"), lambda signals: signals["normalization"]["mean"].pop(),
                   lambda signals: signals.update(bands="many"), lambda signals: signals.update(missing="perhaps")):
        with open(path) as stream:
            values = json.load(stream)
        change(values["signals"])
        (tmp_path / "changed").mkdir(exist_ok=True)
        with open(str(tmp_path / "changed" / "recipe.json"), "w") as stream:
            json.dump(values, stream)
        with pytest.raises(UserError):
            plan_of(read_recipe(str(tmp_path / "changed")), "changed")


def test_the_usual_features_of_hapt(shared_data, tmp_path):
    """What README of the shared data calls usual: z-normalized, windows of 50 every 25 samples, flattened."""
    folder = os.path.join(shared_data, "hapt")
    with open(os.path.join(folder, "annotations.json")) as stream:
        database = json.load(stream)["database"]
    training = sorted(name for name, entry in database.items() if entry["subset"] == "training")
    signals = np.load(os.path.join(folder, "signals.npz"))
    samples = np.concatenate([signals[name] for name in training]).astype(np.float64)
    plan = Plan(Windowing(50.0, 50, 25))
    make(os.path.join(folder, "signals.npz"), tmp_path / "out", plan, learn_from=set(training))
    name = training[-1]
    normal = (signals[name] - samples.mean(0)) / samples.std(0)
    found = np.load(str(tmp_path / "out" / (name + ".npy")))
    assert found.shape == ((len(normal) - 50) // 25 + 1, 300)
    np.testing.assert_allclose(found[7], normal[175:225].ravel(), rtol=1e-5, atol=1e-5)
