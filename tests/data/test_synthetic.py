"""The made-up data set: the same for a seed, without a problem to report, and its actions are where it says."""

import os

import numpy as np
import pytest

from tad.data.annotations import in_subset, read_annotations
from tad.data.features import FeatureStore
from tad.data.recipe import read_recipe
from tad.data.sources import load_sources
from tad.data.synthetic import LABELS, LOUDNESS, Synthesis, synthesize
from tad.errors import UserError
from tests.helpers import call, tiny_settings


def read_bytes(folder):
    found = {}
    for place, _, names in os.walk(str(folder)):
        for name in names:
            with open(os.path.join(place, name), "rb") as stream:
                found[os.path.relpath(os.path.join(place, name), str(folder))] = stream.read()
    return found


def test_the_command_makes_the_same_from_the_same_seed(tmp_path, capsys):
    for folder, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert call(["data", "synthesize", tmp_path / folder, "--seed", seed]) == 0
    output = capsys.readouterr()
    assert output.err == "" and "12 recordings" in output.out
    assert read_bytes(tmp_path / "a") == read_bytes(tmp_path / "b")
    assert read_bytes(tmp_path / "a") != read_bytes(tmp_path / "c")
    default = tmp_path / "default"
    synthesize(str(default), Synthesis(seed=5))
    assert read_bytes(default) == read_bytes(tmp_path / "a"), "the command's defaults differ from the record's"


def test_its_actions_lie_where_its_features_are_loud(tmp_path, rng):
    options = Synthesis(seed=int(rng.randint(1000)), fps=float(rng.uniform(5, 60)), stride=int(rng.randint(1, 20)),
                        window=int(rng.randint(1, 40)), channels=40)
    synthesize(str(tmp_path), options)
    path = str(tmp_path / "annotations.json")
    recordings = in_subset(read_annotations(path, strict=True), "all", path)
    store = FeatureStore(str(tmp_path / "features"))
    settings = tiny_settings("dataset.stride=%d" % options.stride, "dataset.window=%d" % options.window,
                             "dataset.strict=true").dataset
    sources, width = load_sources(recordings, store, settings, LABELS[:3])
    assert width == 40 and len(sources) == 12 and {recording.subset for recording in recordings} == {
        "training", "validation"}
    for source in sources:
        loud = (store.read(source.id) ** 2).mean(axis=1)
        inside = np.zeros(len(loud), dtype=bool)
        for start, end in source.segments:
            inside[int(round(start + 0.5)):int(round(end + 0.5))] = True
        assert loud[inside].mean() > 0.4 * LOUDNESS ** 2 and loud[~inside].mean() < 1.5
    recipe = read_recipe(str(tmp_path / "features"))
    assert (recipe.fps, recipe.stride, recipe.window, recipe.width) == (options.fps, options.stride, options.window, 40)


@pytest.mark.parametrize("change, words", [
    ({"recordings": 1}, "--recordings"), ({"tested": 12}, "--tested"), ({"classes": 9}, "--classes"),
    ({"snippets": 3}, "--snippets"), ({"fps": 0.0}, "--fps"), ({"channels": 0}, "--channels"),
])
def test_numbers_that_make_no_sense(tmp_path, change, words):
    with pytest.raises(UserError, match=words):
        synthesize(str(tmp_path / "new"), Synthesis(**change))
    assert not (tmp_path / "new").exists()


def test_the_features_of_others_are_not_touched(tmp_path):
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "mine.npy").write_bytes(b"mine")
    with pytest.raises(UserError, match="mine.npy"):
        synthesize(str(tmp_path), Synthesis())
    assert os.listdir(str(tmp_path)) == ["features"]
