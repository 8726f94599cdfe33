"""The frame rate that a detector learned from travels with its checkpoint, also where the annotations told it."""

import os
import shutil
import warnings

import numpy as np
import pytest

import tad
from tad.data.recipe import Recipe, write_recipe
from tad.engine.checkpoint import read_checkpoint, write_checkpoint
from tad.errors import DataWarning
from tad.export.description import describe
from tests.helpers import TINY, call, change_json, read_json, sets, write_data

CHECKPOINT = os.path.join("run", "checkpoints", "step_0000004.npz")
INFER = ["infer", "--checkpoint", "run", "--set", "dataset.annotations=annotations.json", "--set",
         "dataset.features=features", "--subset", "all", "--output"]
REFUSED = "fps 50 where 25 is needed"


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A run on recordings that all have an fps of 25 in the annotations, and a configuration that has none."""
    folder = tmp_path_factory.mktemp("learned")
    config = write_data(folder, np.random.RandomState(0))
    change_json(folder / "annotations.json",
                lambda document: [entry.update(fps=25.0) for entry in document["database"].values()])
    words = ["train", "--config", config, "--output", folder / "run"]
    assert call(words + sets(TINY + ("dataset.fps=null",))) == 0
    return folder


@pytest.fixture
def place(learned, tmp_path, monkeypatch):
    """A copy of it to spoil, as the working folder."""
    shutil.copytree(str(learned), str(tmp_path / "place"))
    monkeypatch.chdir(str(tmp_path / "place"))


def test_features_of_another_rate_are_refused(place, capsys):
    write_recipe("features", Recipe(fps=50.0))
    for arguments in (["predict", "run", "features/rec_0.npy"], INFER + ["a.json"]):
        capsys.readouterr()
        assert call(arguments) == 2
        assert REFUSED in capsys.readouterr().err.splitlines()[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_recipe("features", Recipe(fps=25.0))
        assert call(["predict", "run", "features/rec_0.npy"]) == 0


def test_features_without_a_recipe_have_the_learned_rate(place, capsys):
    assert call(INFER + ["a.json"]) == 0 and call(["predict", "run", "features", "--output", "b.json"]) == 0
    assert read_json("a.json")["results"] == read_json("b.json")["results"]
    with pytest.warns(DataWarning, match="fps 50 is used as given; the detector learned from fps 25"):
        assert tad.load("run").predict(np.load("features/rec_0.npy"), fps=50)
    trained = tad.load("run").trained
    assert describe(trained, "model.onnx", b"", None, {})["features"]["fps"] == 25.0


def test_a_rate_set_by_hand_counts_more(place):
    write_recipe("features", Recipe(fps=50.0))
    assert call(["predict", "run", "features/rec_0.npy", "--set", "dataset.fps=50"]) == 0


@pytest.mark.parametrize("rates", [(25.0, 30.0, 25.0), (25.0, None, 25.0)])
def test_rates_that_differ_say_nothing_of_other_features(place, capsys, rates):
    def change(document):
        for name, rate in zip(("rec_0", "rec_1", "rec_2"), rates):
            document["database"][name]["fps"] = rate

    change_json("annotations.json", change)
    assert call(["train", "--config", "my.yaml", "--output", "mixed"] + sets(TINY + ("dataset.fps=null",))) == 0
    assert call(["predict", "mixed", "features/rec_0.npy"]) == 2
    assert "give fps (on the command line --fps;" in capsys.readouterr().err
    write_recipe("features", Recipe(fps=50.0))
    assert call(["predict", "mixed", "features/rec_0.npy"]) == 0


def test_old_checkpoints_have_none_and_strange_ones_are_refused(place, capsys):
    checkpoint = read_checkpoint(CHECKPOINT)
    assert checkpoint.meta.pop("fps") == 25.0
    write_checkpoint("old.npz", checkpoint)
    write_recipe("features", Recipe(fps=50.0))
    assert call(["predict", "old.npz", "features/rec_0.npy"]) == 0
    for strange in (0, -25.0, "25", True, 1e300):
        checkpoint.meta["fps"] = strange
        write_checkpoint("strange.npz", checkpoint)
        capsys.readouterr()
        assert call(["predict", "strange.npz", "features/rec_0.npy"]) == 2
        assert "strange.npz is not a checkpoint" in capsys.readouterr().err
