"""``tad predict`` and ``tad.load``: the detections of ``tad infer``, from every kind of recording; bad ones told."""

import csv
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

import tad
from tad.data.recipe import Recipe, Statistics, read_recipe, write_recipe
from tad.data.rows import array_rows
from tad.engine.checkpoint import read_checkpoint, write_checkpoint
from tad.errors import DataWarning, UserError
from tests.helpers import TINY, call, environment, read_json, sets, write_data, write_json

CHECKPOINT = os.path.join("run", "checkpoints", "step_0000004.npz")
INFER = ["infer", "--checkpoint", "run", "--set", "dataset.annotations=annotations.json", "--set",
         "dataset.features=features", "--subset", "all", "--output", "inferred.json"]


@pytest.fixture(scope="session")
def learned(tmp_path_factory):
    """Features with a recipe, a configuration without any numbers, a trained ``run``, and what it infers of all."""
    folder = tmp_path_factory.mktemp("learned")
    config = write_data(folder, np.random.RandomState(0), recordings=(60, 45, 50, 130), fps=25.0, stride=16, window=32)
    write_recipe(str(folder / "features"), Recipe(made_by="a test", backbone="i3d", fps=25.0, stride=16, window=32))
    with open(config, "w") as stream:
        stream.write("dataset:\n  annotations: annotations.json\n  features: features\n")
    assert call(["train", "--config", config, "--output", folder / "run"] + sets(TINY)) == 0
    assert call(["infer", "--checkpoint", folder / "run", "--subset", "all", "--output", folder / "inferred.json"]) == 0
    return folder


@pytest.fixture
def place(learned, tmp_path, monkeypatch):
    """A copy of it to spoil, as the working folder."""
    target = tmp_path / "place"
    shutil.copytree(str(learned), str(target))
    monkeypatch.chdir(str(target))
    return target


def results(path):
    return read_json(path)["results"]


def as_rows(detections):
    return [{"label": one.label, "score": one.score, "segment": [one.start, one.end]} for one in detections]


def test_command_python_and_infer_find_the_same(place, capsys):
    wanted = results("inferred.json")
    assert len(wanted) == 4 and all(wanted.values())
    assert call(["predict", "run", "features"]) == 0
    assert capsys.readouterr().err == ""
    assert results("predictions/detections.json") == wanted
    detector = tad.load("run")
    assert detector.classes == ("nod", "wave") and detector.width == 5
    for name, rows in wanted.items():
        assert as_rows(detector.predict(np.load("features/%s.npy" % name))) == rows
        assert as_rows(detector.predict(np.load("features/%s.npy" % name, mmap_mode="r"))) == rows
    assert as_rows(tad.load(CHECKPOINT).predict(np.load("features/rec_0.npy"), fps=25, stride=16)) == wanted["rec_0"]


def test_every_kind_of_recording(place):
    array = np.load("features/rec_3.npy")
    os.mkdir("new")
    np.save("new/npy.npy", array)
    np.savez("new/npz.npz", arr_0=array)
    np.savetxt("new/csv.csv", array, delimiter=",", fmt="%.9g")
    np.savez("several.npz", x=array, y=array[:40])
    with h5py.File("store.h5", "w") as archive:
        archive["h:1"], archive["h2"] = array, array[:50]
    words = ["new/npy.npy", "new/npz.npz", "new/csv.csv", "several.npz:x", "store.h5:h:1", "store.h5:h2"]
    assert call(["predict", "run"] + words + ["--output", "a.json"]) == 0
    found, wanted = results("a.json"), results("inferred.json")["rec_3"]
    assert list(found) == ["npy", "npz", "csv", "x", "h:1", "h2"]
    assert all(found[name] == wanted for name in ("npy", "npz", "csv", "x", "h:1")) and found["h2"] != wanted
    assert call(["predict", "run", "new", "store.h5", "several.npz", "--output", "b.json"]) == 0
    assert results("b.json") == dict(found, y=results("b.json")["y"])


def test_formats_and_wishes(place, capsys):
    assert call(["predict", "run", "features/rec_0.npy", "features/rec_3.npy", "--format", "json,csv,srt,vtt",
                 "--picture", "--output", "out", "--top-k", "7", "--labels", "wave"]) == 0
    assert sorted(os.listdir("out")) == ["detections.csv", "detections.json", "rec_0.png", "rec_0.srt", "rec_0.vtt",
                                         "rec_3.png", "rec_3.srt", "rec_3.vtt"]
    output = capsys.readouterr().out
    assert "rec_3: 7 detections, the surest wave from" in output and "written: out" in output
    found, everything = results("out/detections.json"), results("inferred.json")
    for name, rows in found.items():
        assert rows == [row for row in everything[name] if row["label"] == "wave"][:7] and len(rows) == 7
    with open("out/detections.csv") as stream:
        table = list(csv.DictReader(stream))
    assert [(row["recording"], row["label"], float(row["score"]), float(row["start"])) for row in table] == [
        (name, row["label"], row["score"], row["segment"][0]) for name, rows in found.items() for row in rows]
    scores = sorted({row["score"] for row in everything["rec_3"]}, reverse=True)
    least = (scores[2] + scores[3]) / 2
    assert call(["predict", "run", "features/rec_3.npy", "--min-score", least, "--output", "x.srt"]) == 0
    with open("x.srt") as stream:
        assert stream.read().count("-->") == len([row for row in everything["rec_3"] if row["score"] >= least])
    assert call(["predict", "run", "features/rec_3.npy", "--output", "y.srt"]) == 0
    with open("y.srt") as stream:
        scores = tad.load("run").detect(array_rows(np.load("features/rec_3.npy"))).scores
        assert stream.read().count("-->") == (scores >= 0.2 * scores[0]).sum() > 1
    assert call(["predict", "run", "features/rec_3.npy", "--min-score", "1", "--output", "none.json"]) == 0
    assert results("none.json") == {"rec_3": []}
    assert "rec_3: no detection" in capsys.readouterr().out


def test_a_picture_shows_the_whole_recording(place, monkeypatch):
    """Also where nothing is detected, and at the rate that is given."""
    from tad.predict import output
    os.unlink("features/recipe.json")
    drawn = []
    monkeypatch.setattr(output, "draw_timelines", lambda folder, truth, *rest, **wish: drawn.append(
        (truth[0].duration_s, wish["least"])) or [folder])
    for words in (["--min-score", "1"], ["--fps", "50"], ["--duration", "7"]):
        assert call(["predict", "run", "features/rec_3.npy", "--picture"] + words) == 0
    # Snippet i is centred at (16 i + 16) / 25 seconds; 130 of them
    np.testing.assert_allclose([end for end, _ in drawn], [(16 * 129.5 + 16) / 25, (16 * 129.5 + 16) / 50, 7.0])
    assert [least for _, least in drawn] == [1.0, None, None]


def test_more_than_the_checkpoint_keeps(place):
    detector, array = tad.load("run"), np.load("features/rec_3.npy")
    assert len(detector.predict(array)) == 200
    many = detector.predict(array, top_k=400)
    assert 200 < len(many) <= 400
    assert {one.score for one in detector.predict(array)[:50]} <= {one.score for one in many}


def test_the_shortest_recordings(place):
    array = np.load("features/rec_3.npy")
    detector = tad.load("run")
    assert detector.predict(array[:1]) == []
    for snippets in (2, 3, 31, 32, 33):
        for one in detector.predict(array[:snippets]):
            assert 0 <= one.start < one.end <= (snippets * 16 + 32) / 25.0


def test_a_lazy_recording_gives_the_same(place, monkeypatch):
    from tad.data import rows
    with h5py.File("store.h5", "w") as archive:
        archive["rec_3"] = np.load("features/rec_3.npy")
    monkeypatch.setattr(rows, "SMALL_BYTES", 0)
    monkeypatch.setattr(rows, "BLOCK_BYTES", 500)
    assert call(["predict", "run", "features", "--output", "a.json"]) == 0
    assert call(["predict", "run", "store.h5", "--output", "b.json"]) == 0
    assert results("a.json") == results("inferred.json")
    assert results("b.json")["rec_3"] == results("inferred.json")["rec_3"]


def test_bad_recordings_are_told_by_name_and_the_others_predicted(place, capsys):
    array = np.load("features/rec_0.npy")
    os.mkdir("bad")
    spoiled = array.copy()
    spoiled[33, 2] = np.nan
    for name, value in (("nan", spoiled), ("wide", array[:, :3]), ("turned", array[:40].T), ("empty", array[:0]),
                        ("flat", array[0])):
        np.save("bad/%s.npy" % name, value)
    with open("bad/corrupt.npy", "wb") as stream:
        stream.write(b"\x93NUMPY\x01\x00 not really")
    with open("bad/text.csv", "w") as stream:
        stream.write("1,2,3,4,5\n1,2,3,4,five\n")
    words = ["predict", "run", "bad", "features/rec_0.npy", "nowhere.npy", "annotations.json", "--output", "a.json"]
    assert call(words) == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors[-1] == ("tad: 9 of 10 recordings could not be used; the warnings name them, and the detections of "
                          "the others are written")
    assert len(errors) == 10 and all(line.startswith("tad: warning: ") for line in errors[:-1])
    for name, told in (("nan.npy", "snippet 33, channel 2"), ("wide.npy", "5 channels"), ("empty.npy", "empty"),
                       ("turned.npy", "(channels, snippets)"), ("flat.npy", "shape (5,)"),
                       ("corrupt.npy", "unreadable"), ("text.csv", "'five'"), ("nowhere.npy", "no recording"),
                       ("annotations.json", "not a recording")):
        line, = [line for line in errors if name in line]
        assert told in line, line
    assert results("a.json") == {"rec_0": results("inferred.json")["rec_0"]}


@pytest.mark.parametrize("arguments, words", [
    (["nowhere", "features"], ["nowhere"]),
    (["run", "nowhere.npy"], ["no recording nowhere.npy"]),
    (["run", "features/rec_0.npy", "features"], ["two recordings are called 'rec_0'"]),
    (["run", "features", "--format", "xml"], ["--format", "'xml'"]),
    (["run", "features", "--format", "csv", "--output", "x.json"], ["x.json", "csv", "folder"]),
    (["run", "features", "--output", "x.srt"], ["x.srt", "one recording, not of 4"]),
    (["run", "features", "--output", "annotations.json/x"], ["annotations.json"]),
    (["run", "features", "--labels", "wavy"], ["'wavy'", "did you mean 'wave'", "nod, wave"]),
    (["run", "features", "--top-k", "0"], ["top-k", "1 or more"]),
    (["run", "features", "--min-score", "2"], ["min-score", "0 to 1"]),
    (["run", "features/rec_0.npy", "--fps", "30"], ["fps 30 was given", "rec_0.npy", "25"]),
    (["run", "features/rec_0.npy", "--stride", "-1"], ["stride must be"]),
    (["run", "features/rec_0.npy", "--duration", "nan"], ["duration must be"]),
    (["run", "features/rec_0.npy", "--fps", "25", "--duration", "3"], ["not both"]),
    (["run", "features", "--device", "cuda:7"], ["cuda:7"]),
    (["run", "features", "--set", "postprocess.sigm=1"], ["postprocess.sigma"]),
    (["run", "features", "--external-scores", "annotations.json"], ["annotations.json"]),
    (["run"], ["RECORDING"]),
])
def test_mistakes_are_one_sentence(place, capsys, arguments, words):
    capsys.readouterr()
    assert call(["predict"] + arguments) == 2
    output = capsys.readouterr()
    lines = output.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("tad: "), output.err
    for word in words:
        assert word in lines[0]
    assert not os.path.exists("predictions/detections.json")


OTHER = [("stride", 8.0, "stride 8 where 16 is needed"), ("fps", 30.0, "fps 30 where 25"),
         ("window", 16.0, "window 16 where 32"), ("backbone", "tsn", "backbone 'tsn' where 'i3d'"),
         ("width", 4, "width 4 where 5"),
         ("normalization", Statistics((0.0,) * 5, (1.0,) * 5), "normalized values where unnormalized")]


@pytest.mark.parametrize("key, value, words", OTHER)
def test_features_of_another_recipe_are_refused(place, capsys, key, value, words):
    write_recipe("features", read_recipe("features")._replace(**{key: value}))
    for arguments in (["predict", "run", "features/rec_0.npy"], INFER):
        capsys.readouterr()
        assert call(arguments) == 2
        error, = capsys.readouterr().err.splitlines()
        assert "features" in error and (words in error or "dataset.%s is" % key in error)
        assert "recipe" in error or "says" in error


def test_a_rate_that_is_given_goes_before_the_checkpoint(place):
    detector, array = tad.load("run"), np.load("features/rec_3.npy")
    with pytest.warns(DataWarning, match="fps 50 is used as given; the detector learned from fps 25"):
        fast = detector.predict(array, fps=50)
    for one, other in zip(fast, detector.predict(array)):
        assert one.label == other.label and one.start == pytest.approx(other.start / 2, abs=1e-3)
    even = detector.predict(array, duration=130.0)
    assert max(one.end for one in even) <= 130.5


def test_training_takes_the_numbers_from_the_recipe_and_says_so(place, capsys):
    words = ["train", "--config", "my.yaml", "--output", "new"] + sets(TINY)
    assert call(words) == 0
    errors = capsys.readouterr().err
    assert "tad: note: fps 25, stride 16, window 32 taken from" in errors and "recipe.json" in errors
    kept = read_checkpoint(os.path.join("new", "checkpoints", "step_0000004.npz")).meta
    assert kept["settings"]["dataset"]["stride"] == 16 and kept["recipe"]["backbone"] == "i3d"
    assert kept["recipe"]["width"] == 5
    with open(os.path.join("new", "config.yaml")) as stream:
        assert "stride: 16" in stream.read()
    for key, value in (("stride", 8), ("fps", 24), ("window", 1)):
        capsys.readouterr()
        assert call(words + ["--set", "dataset.%s=%g" % (key, value), "--output", "other"]) == 2
        error, = capsys.readouterr().err.splitlines()
        assert "dataset.%s is %g" % (key, value) in error and "recipe.json" in error
    write_recipe("features", read_recipe("features")._replace(width=7))
    capsys.readouterr()
    assert call(words + ["--output", "other"]) == 2
    assert "width 7, but they have 5" in capsys.readouterr().err
    write_recipe("features", read_recipe("features")._replace(width=5, layout="CT"))
    assert call(words + ["--output", "other"]) == 2
    assert "(channels, snippets)" in capsys.readouterr().err


def test_the_recipe_knows_better_than_the_fps_of_annotations(place):
    document = read_json("annotations.json")
    document["database"]["rec_0"]["fps"] = 29.97
    write_json("annotations.json", document)
    with pytest.warns(DataWarning, match="rec_0 .1 of 4 recordings.: its fps is 29.97 in the annotations and 25"):
        from tad.pipeline import infer_run
        from tad.settings import override_settings
        path = infer_run("run", "again.json", "all", lambda settings: override_settings(settings, [
            "dataset.annotations=annotations.json", "dataset.features=features"]))[0]
    assert results(path) == results("inferred.json")


def test_old_checkpoints_and_features_without_a_recipe(place):
    """A checkpoint from before there were recipes; features of which nothing is known."""
    checkpoint = read_checkpoint(CHECKPOINT)
    meta = {key: value for key, value in checkpoint.meta.items() if key != "recipe"}
    del meta["settings"]["postprocess"]["external_power"]
    write_checkpoint("old.npz", checkpoint._replace(meta=meta))
    assert tad.load("old.npz").trained.recipe is None
    assert call(["predict", "old.npz", "features", "--output", "a.json"]) == 0
    os.unlink("features/recipe.json")
    for number, path in enumerate(("old.npz", "run")):
        assert call(["predict", path, "features", "--output", "b%d.json" % number]) == 0
    for path in ("a.json", "b0.json", "b1.json"):
        assert results(path) == results("inferred.json")


def test_a_checkpoint_that_knows_no_rate_asks_for_one(place, capsys):
    checkpoint = read_checkpoint(CHECKPOINT)
    checkpoint.meta["settings"]["dataset"]["fps"] = None
    checkpoint.meta["recipe"] = checkpoint.meta["fps"] = None
    write_checkpoint("even.npz", checkpoint)
    os.unlink("features/recipe.json")
    capsys.readouterr()
    assert call(["predict", "even.npz", "features/rec_0.npy"]) == 2
    error, = capsys.readouterr().err.splitlines()
    assert "rec_0.npy" in error and "--fps" in error and "--duration" in error
    assert call(["predict", "even.npz", "features/rec_0.npy", "--fps", "25", "--output", "a.json"]) == 0
    assert results("a.json")["rec_0"] == results("inferred.json")["rec_0"]


def test_external_scores_for_predict_and_infer(place, capsys):
    write_json("scores.json", {"results": {"rec_0": {"wave": 1.0, "nod": 0.0}, "rec_3": {"wave": 0.2, "nod": 1.0}}})
    words = ["--external-scores", "scores.json"]
    assert call(["predict", "run", "features/rec_0.npy", "features/rec_3.npy", "--output", "a.json"] + words) == 0
    found, plain = results("a.json"), results("inferred.json")
    kept = [row for row in found["rec_0"] if row["score"] > 0]
    assert {row["label"] for row in kept} == {"wave"}
    waves = [max(row["score"] for row in rows["rec_3"] if row["label"] == "wave") for rows in (found, plain)]
    assert waves[0] == pytest.approx(0.2 * waves[1], abs=1e-6)
    capsys.readouterr()
    assert call(INFER[:-1] + ["b.json"] + words) == 0
    assert "no scores for these recordings" in capsys.readouterr().err
    assert results("b.json")["rec_3"] == found["rec_3"] and results("b.json")["rec_1"] == plain["rec_1"]
    array = np.load("features/rec_3.npy")
    assert as_rows(tad.load("run").predict(array, external={"wave": 0.2, "nod": 1})) == found["rec_3"]
    for scores in ({"fly": 1}, {"wave": 2}, {"wave": "x"}):
        with pytest.raises(UserError, match="'(fly|wave)'"):
            tad.load("run").predict(array, external=scores)


def test_rescaled_recordings(place, capsys):
    words = ["dataset.mode=rescale", "dataset.length=24"]
    assert call(["train", "--config", "my.yaml", "--output", "whole"] + sets(TINY + tuple(words))) == 0
    assert call(INFER[:2] + ["whole"] + INFER[3:]) == 0
    assert call(["predict", "whole", "features", "--output", "a.json"]) == 0
    assert "resampled to 24 snippets" in capsys.readouterr().out
    assert results("a.json") == results("inferred.json")


def test_ctrl_c_keeps_what_is_done(place, monkeypatch):
    from tad.predict import Predictor
    whole = Predictor.detect

    def detect(self, rows, rate, choice, recipe, path, progress):
        if "rec_2" in path:
            raise KeyboardInterrupt
        return whole(self, rows, rate, choice, recipe, path, progress)

    monkeypatch.setattr(Predictor, "detect", detect)
    assert call(["predict", "run", "features", "--output", "a.json"]) == 130
    assert set(results("a.json")) == {"rec_0", "rec_1"}


def test_importing_tad_stays_light(tmp_path):
    code = "import sys, tad; assert callable(tad.load); assert not {'torch', 'numpy', 'h5py'} & set(sys.modules)"
    subprocess.check_call([sys.executable, "-c", code], cwd=str(tmp_path), env=environment())
