"""THUMOS14: files that agree give no word, each planted disagreement is told, and the real ones are all known."""

import json
import os
from collections import Counter

import h5py
import numpy as np
import pytest

from tad.data.annotations import read_annotations
from tad.data.external import external_scores
from tad.data.features import FeatureStore
from tad.data.prepare.thumos14 import prepare
from tad.data.prepare.thumos14_checks import CLASSES, TITLES
from tad.data.recipe import read_recipe
from tad.errors import UserError
from tests.data.prepare.made import (
    TEST,
    VALIDATION,
    annotation_rows,
    listed,
    mat_file,
    struct_matrix,
    truth_rows,
    write_bytes,
    write_text,
    write_thumos14,
)
from tests.helpers import call, change_json, read_json, write_json

ALWAYS = {"subsets": 1, "numbering": 20, "classes together": 1}  # how files that agree are made


def counts(prepared):
    return Counter(one.kind for one in prepared.disagreements)


def texts(prepared, kind):
    return ["%s: %s" % (one.recording, one.text) for one in prepared.of_kind(kind)]


def test_files_that_agree(tmp_path):
    prepared = prepare(write_thumos14(tmp_path))
    assert counts(prepared) == ALWAYS
    assert texts(prepared, "classes together") == [
        ": each of the 1 instances of CliffDiving is also one of Diving, with the same start and end  "
        "(val_Annotation.csv)"]
    database = prepared.files["annotations.json"]["database"]
    assert database["video_validation_0000001"] == {
        "subset": "validation", "duration": 100.0, "fps": 30.0, "frames": 3000, "annotations": [
            {"segment": [5.0, 9.0], "label": "Diving"}, {"segment": [5.0, 9.0], "label": "CliffDiving"}]}
    assert [entry["subset"] for entry in database.values()] == ["validation"] * 2 + ["test"] * 2
    scores = prepared.files["external_scores.json"]["results"]
    assert scores["video_test_0000001"]["HighJump"] == pytest.approx(1.9 / 2, abs=1e-3)
    assert max(scores["video_test_0000002"], key=scores["video_test_0000002"].get) == "Diving"


def ambiguous(folder):
    for name, write, rows in (("test_Annotation.csv", annotation_rows, TEST),
                              ("thumos14_test_groundtruth.csv", truth_rows, TEST)):
        write_text(os.path.join(folder, name), write(rows + [("video_test_0000001", "Ambiguous", 50.0, 52.0)]))


def rewrite(name, rows, write=annotation_rows, **options):
    return lambda folder: write_text(os.path.join(folder, name), write(rows, **options))


def relist(entries, name="test_info.mat"):
    return lambda folder: write_bytes(os.path.join(folder, name), mat_file([struct_matrix(entries, "videos")]))


def change(name, edit):
    return lambda folder: change_json(os.path.join(folder, name), edit)


def swap_scores(folder):
    np.save(os.path.join(folder, "uNet_test.npy"), np.load(os.path.join(folder, "uNet_test.npy"))[::-1])


HIGH, DIVE = listed("video_test_0000001", "HighJump"), listed("video_test_0000002", "Diving")
FIRST, SECOND = TEST


@pytest.mark.parametrize("spoil, found", [
    (ambiguous, {"ambiguous": ["video_test_0000001: 1 instance in test_Annotation.csv, none in thumos_gt.json"]}),
    (change("thumos_gt.json", lambda d: d["database"].pop("video_test_0000002")),
     {"videos": ["video_test_0000002: is in test_Annotation.csv and not in thumos_gt.json"]}),
    (change("thumos_gt.json", lambda d: d["database"]["video_test_0000001"]["annotations"][0].update(segment=[3, 7])),
     {"instances": ["video_test_0000001: 1 instance only in test_Annotation.csv: HighJump [3, 6]",
                    "video_test_0000001: 1 instance only in thumos_gt.json: HighJump [3, 7]"]}),
    (rewrite("thumos14_test_groundtruth.csv", TEST, truth_rows, frames=3001),
     {"frame count": ["video_test_0000001: 3001 in thumos14_test_groundtruth.csv, 3000 in test_info.mat",
                      "video_test_0000002: 3001 in thumos14_test_groundtruth.csv, 3000 in test_info.mat"],
      "duration": []}),
    (rewrite("thumos14_test_groundtruth.csv", TEST, truth_rows, frames=3010), {"frame count": None, "duration": None}),
    (relist([dict(HIGH, frame_rate_FPS=25.0, video_duration_seconds=120.0), DIVE]),
     {"frame rate": ["video_test_0000001: 30 in thumos14_test_groundtruth.csv, 25 in test_info.mat"],
      "duration": None, "frame columns": None}),
    (relist([dict(HIGH, video_duration_seconds=100.5), DIVE]),
     {"own duration": ["video_test_0000001: 3000 frames at 30 a second last 100.000 s, not 100.500 s: 15.0 frames are "
                       "missing"], "duration": None}),
    (rewrite("test_Annotation.csv", TEST, fps=25.0),
     {"frame columns": ["video_test_0000001: 1 instance at 25, where its own rate is 30: up to 30 frames off  "
                        "(test_Annotation.csv)",
                        "video_test_0000002: 1 instance at 25, where its own rate is 30: up to 60 frames off  "
                        "(test_Annotation.csv)"], "frames between": None}),
    (relist([listed("video_test_0000001", "Archery", others=("HighJump",)), DIVE]),
     {"actions": ["video_test_0000001: the list has Archery, HighJump; first in the list, but not annotated: "
                  "Archery"]}),
    (relist([listed("video_test_0000001", "HighJump"), listed("video_test_0000002", "Knitting")]),
     {"actions": ["video_test_0000002: the list has Knitting; annotated, but not listed: Diving; first in the list, "
                  "but not annotated: Knitting"]}),
    (rewrite("val_Annotation.csv", VALIDATION + [("video_validation_0000002", "HighJump", 99.0, 101.0),
                                                 ("video_validation_0000002", "HighJump", 100.5, 100.9),
                                                 ("video_validation_0000002", "GolfSwing", 3.0, 3.0),
                                                 ("video_validation_0000002", "GolfSwing", 7.0, 6.0)]),
     {"past the end": None, "outside": None, "zero length": None, "reversed": None, "overlap": None,
      "instances": None, "actions": None}),
    (rewrite("val_Annotation.csv", VALIDATION + VALIDATION[:1]), {"duplicate": None, "instances": None}),
    (swap_scores, {"scores": ["video_test_0000001: Diving (0.950), annotated: HighJump",
                              "video_test_0000002: HighJump (0.950), annotated: Diving"]}),
    (change("thumos_classes_idx.json", lambda d: d.pop("GolfSwing")), {"numbering": None}),
])
def test_each_planted_disagreement_is_told(tmp_path, spoil, found):
    folder = write_thumos14(tmp_path)
    spoil(folder)
    prepared = prepare(folder)
    assert {kind for kind in counts(prepared)} - set(ALWAYS) == {
        kind for kind, wanted in found.items() if wanted != []} - set(ALWAYS)
    for kind, wanted in found.items():
        if wanted is not None:
            assert texts(prepared, kind) == wanted
    assert set(counts(prepared)) <= set(TITLES)


@pytest.mark.parametrize("spoil, words", [
    (lambda folder: os.unlink(os.path.join(folder, "val_info.mat")), "has no val_info.mat; THUMOS14 needs"),
    (rewrite("test_Annotation.csv", [("video_test_0000009", "Diving", 1, 2)]), "which no list of videos"),
    (rewrite("test_Annotation.csv", [("video_test_0000001", "Archery", 1, 2)]), "'Archery' is no class"),
    (relist([HIGH, HIGH]), "lists the video video_test_0000001 twice"),
    (relist([dict(HIGH, number_of_frames=0)]), "must have 'video_duration_seconds', 'number_of_frames'"),
    (relist([dict(HIGH, video_name=3)]), "video 1 has no 'video_name'"),
    (lambda folder: write_text(os.path.join(folder, "val_Annotation.csv"), ["video,type", "a,b"]),
     "no column 'type_idx'"),
    (lambda folder: write_text(os.path.join(folder, "val_Annotation.csv"), annotation_rows([])), "has no row"),
    (lambda folder: write_text(os.path.join(folder, "val_Annotation.csv"), annotation_rows(VALIDATION) + ["x,y"]),
     "val_Annotation.csv, line 5 has 2 cells where 7 are named"),
    (lambda folder: write_bytes(os.path.join(folder, "val_Annotation.csv"), b"\xff\xfe"), "is not UTF-8 text"),
    (lambda folder: write_bytes(os.path.join(folder, "val_Annotation.csv"), b'video,"a\n'), "is no CSV table"),
    (lambda folder: np.save(os.path.join(folder, "uNet_test.npy"), np.ones((1, 101), np.float32)), "2 or more rows"),
    (lambda folder: np.save(os.path.join(folder, "uNet_test.npy"), -np.ones((9, 101), np.float32)), "negative"),
    (lambda folder: np.save(os.path.join(folder, "uNet_test.npy"), np.eye(101)[:9] * [[2]] + np.arange(9)[:, None]),
     "where class probabilities all have one sum"),
    (lambda folder: write_bytes(os.path.join(folder, "uNet_test.npy"), b"\x80\x04N."), "is no .npy data"),
    (lambda folder: write_json(os.path.join(folder, "thumos_classes_idx.json"), {"a": "x"}), "must be"),
])
def test_files_that_cannot_be_used_are_one_sentence(tmp_path, spoil, words):
    folder = write_thumos14(tmp_path)
    spoil(folder)
    with pytest.raises(UserError) as told:
        prepare(folder)
    assert words in str(told.value) and "\n" not in str(told.value)


# What docs/public-data.md says of the real files
REAL = {"blocked": 3, "videos": 4, "ambiguous": 72, "subsets": 2, "numbering": 20, "actions": 22, "frame count": 213,
        "duration": 213, "own duration": 413, "frame columns": 18, "frames between": 90, "outside": 30, "overlap": 8,
        "classes together": 10, "scores": 18}


def test_the_real_files(shared_data, tmp_path, capsys):
    source, output = os.path.join(shared_data, "thumos14"), str(tmp_path / "out")
    if not os.path.isfile(os.path.join(source, "test_info.mat")):
        pytest.skip("no THUMOS14 files in %s" % source)
    assert call(["data", "prepare", "thumos14", source, "--output", output]) == 0
    told = capsys.readouterr().out
    assert "validation: 200 videos, 3007 instances" in told and "test: 213 videos, 3358 instances" in told
    kinds = read_json(os.path.join(output, "disagreements.json"))["kinds"]
    assert {kind: entry["count"] for kind, entry in kinds.items() if entry["count"]} == REAL
    assert all(len(entry["found"]) == entry["count"] for entry in kinds.values())
    recordings = read_annotations(os.path.join(output, "annotations.json"), tell=lambda *problem: None)
    assert Counter(one.subset for one in recordings.values()) == {"validation": 200, "test": 213}
    assert {label for one in recordings.values() for label in one.labels} == set(CLASSES)
    assert recordings["video_validation_0000666"].fps == 25
    with open(os.path.join(output, "blocked.txt")) as stream:
        assert stream.read().split() == ["video_test_0000270", "video_test_0001292", "video_test_0001496"]
    tested = [name for name, one in recordings.items() if one.subset == "test"]
    scores = external_scores(os.path.join(output, "external_scores.json"), tuple(CLASSES), tested)
    right = [list(CLASSES)[int(scores[name].argmax())] in recordings[name].labels for name in tested]
    assert sum(right) == 213 - REAL["scores"], "the columns of uNet_test.npy are the classes that they are said to be"
    assert call(["data", "prepare", "thumos14", source, "--show", "blocked"]) == 0
    assert len(capsys.readouterr().out.strip().splitlines()) == 2 + 1 + 3  # two subsets, a title, the videos


def write_features(folder, rng, frames=3000, every=1, shorter=1, group=False):
    names = {"val": [row[0] for row in VALIDATION], "test": [row[0] for row in TEST]}
    for stream, width in (("rgb", 3), ("flow", 2)):
        for part, videos in names.items():
            name = "%s_%s" % (stream, part)
            path = os.path.join(str(folder), "all.h5" if group else name + ".h5")
            with h5py.File(path, "a") as archive:
                for video in sorted(set(videos)):
                    rows = frames // every - (shorter if stream == "flow" else 0)
                    archive[(name + "/" if group else "") + video] = rng.standard_normal((rows, width)).astype("f4")
    return os.path.join(str(folder), "all.h5") if group else str(folder)


@pytest.mark.parametrize("group", [True, False])
@pytest.mark.parametrize("every, stride", [(1, 5), (1, 8), (5, 5)])
def test_two_stream_features_are_joined(tmp_path, rng, capsys, group, every, stride):
    source = write_thumos14(tmp_path / "source")
    output = str(tmp_path / "deep" / "out")
    features = write_features(tmp_path, rng, every=every, group=group)
    assert call(["data", "prepare", "thumos14", source, "--output", output, "--features", features, "--stride",
                 stride]) == 0, capsys.readouterr().err
    listed_at = os.path.join(output, "features.json")
    store = FeatureStore(listed_at)
    array = store.read("video_test_0000001")
    assert array.shape == ((3000 - every + stride - 1) // stride if every < stride else 3000 // every - 1, 5)
    recipe = read_recipe(listed_at)
    assert (recipe.stride, recipe.window, recipe.width, recipe.fps) == (stride, every, 5, None)
    assert read_json(os.path.join(output, "disagreements.json"))["kinds"]["features"]["count"] == 0


def test_features_that_do_not_fit_are_told(tmp_path, rng, capsys):
    source, output = write_thumos14(tmp_path / "source"), str(tmp_path / "out")
    features = write_features(tmp_path, rng)
    with h5py.File(os.path.join(features, "flow_test.h5"), "a") as archive:
        del archive["video_test_0000001"]
        kept = archive["video_test_0000002"][:50]
        del archive["video_test_0000002"]
        archive["video_test_0000002"] = kept
    command = ["data", "prepare", "thumos14", source, "--output", output, "--features"]
    assert call(command + [features]) == 0
    found = read_json(os.path.join(output, "disagreements.json"))["kinds"]["features"]["found"]
    assert [(one["recording"], one["text"]) for one in found] == [
        ("video_test_0000001", "no flow"),
        ("video_test_0000002", "3000 rgb, 50 flow rows of 1 frames, of a video of 3000 frames")]
    os.unlink(os.path.join(features, "rgb_val.h5"))
    for place, words in ((features, "has no rgb_val.h5"), (str(tmp_path / "none"), "there are no features")):
        capsys.readouterr()
        assert call(command + [place, "--force"]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("words, said", [
    (["thumos14", "nowhere"], "nowhere is no folder"), (["thumos14", "source", "--features", "x"], "needs --output"),
    (["thumos14", "source", "--show", "nonsense"], "no kind of disagreement; there are: 'blocked', 'videos'"),
    (["thumos14", "source", "--output", "source"], "already; choose another --output"),
    (["thumos14", "source", "--output", "source/val_info.mat"], "is a file; give a folder"),
    (["thumos14", "source", "--scores", "x"], "--scores is for activitynet and hacs"),
    (["hacs", "source", "--features", "x", "--output", "o"], "--features is for thumos14"),
    (["hacs", "source"], "has no HACS_segments_v1.1.1.json"), (["activitynet", "source"], "has no anet_anno_action"),
    (["imagenet", "source"], "invalid choice"),
])
def test_mistakes_on_the_command_line(tmp_path, monkeypatch, capsys, words, said):
    write_thumos14(tmp_path / "source")
    before = sorted(os.listdir(str(tmp_path / "source")))
    monkeypatch.chdir(str(tmp_path))
    assert call(["data", "prepare"] + words) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1
    assert sorted(os.listdir(str(tmp_path / "source"))) == before


def test_nothing_is_written_without_output(tmp_path, monkeypatch, capsys):
    write_thumos14(tmp_path / "source")
    monkeypatch.chdir(str(tmp_path))
    assert call(["data", "prepare", "thumos14", "source"]) == 0
    assert os.listdir(str(tmp_path)) == ["source"]
    assert "looked for and not found: blocked, videos" in capsys.readouterr().out
    json.dumps(prepare("source").files["annotations.json"], allow_nan=False)
