"""Feature recipes: what was written is read, what makes no sense is told, and other recipes are recognised."""

import json
import os

import numpy as np
import pytest

from tad.data.features import FeatureStore
from tad.data.recipe import (
    Recipe,
    Statistics,
    check_recipe,
    differences,
    filled,
    find_recipe,
    read_recipe,
    recipe_path,
    with_recipe,
    write_recipe,
)
from tad.errors import DataNote, UserError
from tests.helpers import call, tiny_settings, write_data

FULL = Recipe("tad data features", "signals.npz", "i3d", "0f" * 32, 25.0, 16, 64.5, 3, "TC", "float32",
              Statistics((0.1, -2.0, 3e-7), (1.0, 0.25, 3.0)), {"subject": ["a", {"b": None}]})


@pytest.fixture
def folder(tmp_path, rng):
    path = tmp_path / "features"
    path.mkdir()
    np.save(str(path / "a.npy"), rng.standard_normal((4, 3)))
    return str(path)


def test_round_trip_keeps_unknown_keys(folder):
    assert read_recipe(folder) is None
    assert write_recipe(folder, FULL) == os.path.join(folder, "recipe.json")
    assert read_recipe(folder) == FULL
    assert write_recipe(folder, Recipe()) == recipe_path(folder)
    assert read_recipe(folder) == Recipe(other={})


def test_a_recipe_is_never_taken_for_features(folder):
    write_recipe(folder, FULL)
    single = os.path.join(folder, "a.npy")
    write_recipe(single, FULL)
    assert sorted(os.listdir(folder)) == ["a.npy", "a.npy.recipe.json", "recipe.json"]
    assert FeatureStore(folder).ids == {"a"}


def test_a_file_in_a_folder_has_the_folder_s_recipe_unless_it_has_its_own(folder):
    single = os.path.join(folder, "a.npy")
    assert find_recipe(single) is None
    write_recipe(folder, FULL)
    assert read_recipe(single) == FULL
    write_recipe(single, Recipe(width=3))
    assert read_recipe(single).fps is None and read_recipe(folder) == FULL


@pytest.mark.parametrize("values, words", [
    ([], "an object"), ({}, "'version' must be 1"), ({"version": 2}, "'version' must be 1, not 2"),
    ({"version": True}, "'version'"), ({"version": 1, "fps": "25"}, "'fps' must be a number above 0, not '25'"),
    ({"version": 1, "fps": True}, "'fps'"), ({"version": 1, "fps": 0}, "'fps'"),
    ({"version": 1, "stride": -1}, "'stride'"),
    ({"version": 1, "window": -0.1}, "'window'"), ({"version": 1, "width": 2.0}, "'width' must be a whole number"),
    ({"version": 1, "width": 0}, "'width'"), ({"version": 1, "layout": "CTX"}, "'layout' must be one of TC, CT"),
    ({"version": 1, "weights_sha256": "abc"}, "'weights_sha256' must be 64"),
    ({"version": 1, "made_by": 3}, "'made_by'"),
    ({"version": 1, "normalization": [1]}, "'normalization'"),
    ({"version": 1, "normalization": {"mean": [1], "deviation": [0]}}, "'normalization'"),
    ({"version": 1, "normalization": {"mean": [1, 2], "deviation": [1]}}, "'normalization'"),
    ({"version": 1, "width": 3, "normalization": {"mean": [1], "deviation": [1]}}, "of 1 channels, but 'width' is 3"),
])
def test_what_makes_no_sense_is_one_sentence(folder, values, words):
    path = recipe_path(folder)
    with open(path, "w") as stream:
        json.dump(values, stream)
    with pytest.raises(UserError) as raised:
        read_recipe(folder)
    assert str(raised.value).startswith(path) and words in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"version": 1, "fps": NaN}',
                                     b'{"version": 1, "fps": 1e999}'])
def test_a_broken_file_is_told(folder, content):
    with open(recipe_path(folder), "wb") as stream:
        stream.write(content)
    with pytest.raises(UserError, match="recipe.json"):
        read_recipe(folder)


def test_nothing_senseless_is_written(folder):
    write_recipe(folder, FULL)
    with pytest.raises(UserError, match="'fps'"):
        write_recipe(folder, FULL._replace(fps=-1.0))
    assert read_recipe(folder) == FULL


@pytest.mark.parametrize("change, words", [
    ({"width": 4}, "width 4 where 3 is needed"), ({"fps": 30.0}, "fps 30 where 25 is needed"),
    ({"stride": 8}, "stride 8 where 16"), ({"window": 64.0}, "window 64 where 64.5"),
    ({"backbone": "tsn"}, "backbone 'tsn' where 'i3d'"), ({"weights_sha256": "1f" * 32}, "backbone weights '1f1f"),
    ({"normalization": None}, "unnormalized values where normalized"),
    ({"normalization": Statistics((0.1, -2.0, 0.0), (1.0, 0.25, 3.1))}, "other statistics"),
])
def test_other_recipes_are_recognised(change, words):
    told, = differences(FULL, FULL._replace(**change))
    assert words in told


def test_what_is_unknown_or_means_nothing_is_not_compared():
    assert differences(FULL, FULL._replace(made_by="x", source="y", dtype="float16", other={})) == []
    assert differences(FULL, Recipe(normalization=FULL.normalization)) == []
    assert differences(FULL, FULL._replace(fps=25.0 * (1 + 1e-9))) == []
    assert differences(FULL._replace(normalization=None), FULL) == [
        "normalized values where unnormalized ones are needed"]


def grid_of(settings):
    return settings.dataset.fps, settings.dataset.stride, settings.dataset.window


def test_settings_take_from_the_recipe_what_they_do_not_say():
    recipe = Recipe(fps=50.0, stride=25, window=0)
    with pytest.warns(DataNote, match="fps 50, stride 25, window 0 taken from x.json"):
        assert grid_of(with_recipe(tiny_settings(), recipe, "x.json")) == (50.0, 25.0, 0.0)
    with pytest.warns(DataNote, match="^stride 25, window 0 taken"):
        with_recipe(tiny_settings("dataset.fps=50"), recipe, "x.json")
    assert grid_of(filled(tiny_settings("dataset.stride=3"), recipe)) == (50.0, 3.0, 0.0)
    for nothing in (None, Recipe(width=3)):
        assert grid_of(with_recipe(tiny_settings(), nothing, None)) == (None, 1.0, 1.0)
        assert grid_of(with_recipe(tiny_settings("dataset.stride=3"), nothing, None)) == (None, 3.0, 1.0)


@pytest.mark.parametrize("key, value", [("fps", 30), ("stride", 24), ("window", 1)])
def test_settings_that_contradict_the_recipe_are_refused(key, value):
    settings = tiny_settings("dataset.%s=%g" % (key, value))
    with pytest.raises(UserError, match="dataset.%s is %g, but x.json says .* %s" % (key, value, key)):
        with_recipe(settings, Recipe(fps=50.0, stride=25, window=50), "x.json")


def test_a_refusal_names_everything_that_differs():
    with pytest.raises(UserError, match="place: .* stride 8 where 16 is needed, backbone 'tsn' where 'i3d' is needed"):
        check_recipe(FULL, FULL._replace(stride=8, backbone="tsn"), "place")
    check_recipe(FULL, FULL, "place")


def test_data_check_looks_with_the_recipe_s_numbers(tmp_path, rng, capsys):
    config = write_data(tmp_path, rng, fps=25.0, stride=16, window=16)
    (tmp_path / "my.yaml").write_text("dataset:\n  annotations: annotations.json\n  features: features\n")
    write_recipe(str(tmp_path / "features"), Recipe(fps=25.0, stride=16, window=16))
    for arguments in (["--config", config], ["--annotations", tmp_path / "annotations.json", "--features",
                                             tmp_path / "features"]):
        assert call(["data", "check"] + arguments) == 0
        assert "duration is" not in capsys.readouterr().out
    write_recipe(str(tmp_path / "features"), Recipe(fps=5.0, stride=16, window=16))
    call(["data", "check", "--config", config])
    assert "another time" in capsys.readouterr().out, "a wrong recipe must be seen"
