"""``tad init`` as a user meets it: the file it writes trains as it is."""

import json
import os
import shutil

import numpy as np
import pytest

from tad.data.signal_features import Plan, make_features
from tad.data.signals import Columns
from tad.data.windowing import Windowing
from tad.planning.plan import PASSES
from tad.settings import load_settings
from tests.helpers import TINY, call, change_json, read_json, sets, write_data

QUICK = sets([text for text in TINY if not text.startswith(("dataset.length", "postprocess"))] + ["threads=1"])


@pytest.fixture
def place(tmp_path, rng, monkeypatch):
    write_data(tmp_path / "data", rng, classes=("wave # 1", "nöd"))
    change_json(tmp_path / "data" / "annotations.json", lambda document: [
        entry.update(fps=25) for entry in document["database"].values()])
    monkeypatch.chdir(str(tmp_path))
    return tmp_path


def test_what_init_writes_trains_as_it_is(place, capsys):
    assert call(["init", "data"]) == 0
    told = capsys.readouterr().out
    dataset = load_settings("data.yaml").dataset
    assert (dataset.stride, dataset.window, dataset.fps) == (16, 16, 25)
    assert (dataset.train_subset, dataset.test_subset, dataset.mode) == ("training", "validation", "windows")
    assert dataset.annotations == str(place / "data" / "annotations.json")
    text = (place / "data.yaml").read_bytes().decode("utf-8")
    for key in ("stride", "mode", "length", "max_duration", "strides", "batch", "steps", "splice"):
        line = next(index for index, line in enumerate(text.splitlines()) if line.startswith("  %s: " % key))
        assert text.splitlines()[line - 1].startswith("  ") and key in told
    assert "#   " in text and "wave # 1" in text and (place / "data_durations.png").stat().st_size > 1000
    assert call(["traininfer", "--config", "data.yaml", "--output", "run"] + QUICK) == 0
    assert read_json(place / "run" / "metrics.json")["recordings"] == 1


def test_steps_follow_the_amount_of_data(place):
    assert call(["init", "data"]) == 0
    small = load_settings("data.yaml")
    folder = os.path.join("data", "features")
    for index in range(60):
        shutil.copy(os.path.join(folder, "rec_0.npy"), os.path.join(folder, "more_%d.npy" % index))

    def add(document):
        for index in range(60):
            document["database"]["more_%d" % index] = document["database"]["rec_0"]

    change_json(os.path.join("data", "annotations.json"), add)
    assert call(["init", "data", "--overwrite"]) == 0
    large = load_settings("data.yaml")
    pieces = 63
    assert large.train.steps > small.train.steps
    assert large.train.steps * large.train.batch == pytest.approx(PASSES * pieces, abs=101 * large.train.batch)
    assert (small.augment.splice, large.augment.splice) == (0.7, 0.0)


def test_rescaled_features_are_recognized(place, rng):
    def uneven(document):
        for index, entry in enumerate(document["database"].values()):
            entry.update(duration=40.0 + 17 * index, fps=30)

    change_json(os.path.join("data", "annotations.json"), uneven)
    for name in os.listdir(os.path.join("data", "features")):
        np.save(os.path.join("data", "features", name), rng.standard_normal((96, 5)))
    assert call(["init", "data"]) == 0
    dataset = load_settings("data.yaml").dataset
    assert (dataset.timing, dataset.mode, dataset.length, dataset.fps) == ("even", "rescale", 96, None)
    assert call(["train", "--config", "data.yaml", "--output", "run"] + QUICK) == 0


def test_the_recipe_tells_rate_and_windows(place, rng):
    shutil.rmtree(os.path.join("data", "features"))
    os.mkdir("signals")
    for name in ("rec_0", "rec_1", "rec_2", "rec_3"):
        np.save(os.path.join("signals", name + ".npy"), rng.standard_normal((1000, 2)))
    change_json(os.path.join("data", "annotations.json"), lambda document: [
        entry.update(duration=20.0) or entry.pop("fps", None) for entry in document["database"].values()])
    make_features("signals", os.path.join("data", "features"), Plan(Windowing(50.0, 20, 10)), Columns())
    assert call(["init", "data"]) == 0
    settings = load_settings("data.yaml")
    assert (settings.dataset.fps, settings.dataset.stride, settings.dataset.window) == (50, 10, 20)
    assert settings.deeplab.input_dropout > 0
    assert call(["train", "--config", "data.yaml", "--output", "run"] + QUICK) == 0


@pytest.mark.parametrize("seconds, expected, words", [
    (9.0, 0, "with a stride 5 times as long"), (30.0, 2, "stride of 0.3 s or more")])
def test_features_that_are_too_fine_are_remarked_or_refused(place, capsys, rng, seconds, expected, words):
    """At 100 snippets a second an action of 9 s is 900 snippets, one of 30 s is longer than every window."""
    change_json(os.path.join("data", "annotations.json"), lambda document: [
        entry.update(fps=100, duration=50.0, annotations=[{"segment": [1.0, 1.0 + seconds], "label": "wave"}])
        for entry in document["database"].values()])
    for name in os.listdir(os.path.join("data", "features")):
        np.save(os.path.join("data", "features", name), rng.standard_normal((5000, 2)))
    assert call(["init", "data"]) == expected
    told = capsys.readouterr()
    assert words in told.out + told.err


def test_nothing_is_overwritten_unasked(place, capsys):
    (place / "data.yaml").write_text("mine")
    assert call(["init", "data"]) == 2
    assert "--overwrite" in capsys.readouterr().err and (place / "data.yaml").read_text() == "mine"


@pytest.mark.parametrize("arguments, words", [
    (["nothing"], "not a folder"), (["data", "--fps", "-3"], "--fps"), (["data", "--train-subset", "x"], "no subset"),
    (["data", "--output", "data"], "--overwrite"), ([], "give the folder"),
])
def test_mistakes_are_one_sentence(place, capsys, arguments, words):
    assert call(["init"] + arguments) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_a_training_that_cannot_work_stops_before_it_begins(place, capsys):
    arguments = ["train", "--config", os.path.join("data", "my.yaml"), "--output", "run"]
    assert call(arguments + sets(["dataset.length=64", "deeplab.max_duration=2", "deeplab.boundary_radius=0.5"])) == 2
    assert "set deeplab.max_duration to" in capsys.readouterr().err
    assert not os.path.exists("run")


def test_shipped_mocap_needs_no_hand_made_number(tmp_path, monkeypatch, capsys):
    shipped = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tad", "data", "shipped", "mocap6")
    monkeypatch.chdir(str(tmp_path))
    assert call(["init", shipped, "--output", "mocap.yaml"]) == 0
    planned = load_settings("mocap.yaml")
    with open(os.path.join(shipped, "annotations.json")) as stream:
        database = json.load(stream)["database"]
    longest = max(10 * (end - start) for entry in database.values() if entry["subset"] == "training"
                  for start, end in (action["segment"] for action in entry["annotations"]))
    assert (planned.dataset.fps, planned.dataset.stride, planned.dataset.window) == (10, 1, 1)
    assert planned.deeplab.max_duration > longest and planned.dataset.length > 2 * longest
