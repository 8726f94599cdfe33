"""ActivityNet: files that agree give no word, each planted disagreement is told, and the real ones are all known."""

import os
from collections import Counter

import numpy as np
import pytest

from tad.data.annotations import read_annotations
from tad.data.external import external_scores
from tad.data.prepare.activitynet import TITLES, prepare
from tad.errors import UserError
from tests.data.prepare.made import write_activitynet, write_text
from tests.helpers import call, change_json, read_json, write_json

ANNOTATIONS, INFO = "anet_anno_action.json", "video_info_new.csv"


def edit(name, **changes):
    return lambda folder: change_json(os.path.join(folder, ANNOTATIONS), lambda d: d[name].update(changes))


def segments(*pairs):
    return {"annotations": [{"segment": list(pair[:2]), "label": pair[2]} for pair in pairs]}


def replace_cell(old, new):
    def change(folder):
        path = os.path.join(folder, INFO)
        with open(path) as stream:
            text = stream.read()
        assert old in text
        write_text(path, text.replace(old, new).splitlines())
    return change


def test_files_that_agree(tmp_path):
    prepared = prepare(write_activitynet(tmp_path))
    assert not prepared.disagreements and list(prepared.files) == ["annotations.json"]
    assert prepared.files["annotations.json"]["database"]["v_b"] == {
        "subset": "validation", "duration": 20.0, "fps": 30.0, "frames": 600, "feature_frames": 592,
        "annotations": [{"segment": [0.5, 9.0], "label": "Curling"}]}


@pytest.mark.parametrize("spoil, kinds", [
    (edit("v_a", duration_second=41.0), {"duration"}), (edit("v_a", duration_frame=1001), {"frame count"}),
    (edit("v_a", feature_frame=976), {"feature frames"}), (replace_cell(",592", ",608"),
                                                           {"feature frames", "features past the end"}),
    (replace_cell("25.0,25.0", "30.0,25.0"), {"frame rate"}), (edit("v_b", annotations=[]), {"no instances"}),
    (edit("v_a", **segments((1, 3, "Curling"), (5, 41, "Curling"))), {"past the end"}),
    (edit("v_a", **segments((1, 1, "Curling"), (5, 4, "Curling"))), {"zero length", "reversed"}),
    (edit("v_a", **segments((1, 3, "Curling"), (1, 3, "Curling"))), {"duplicate"}),
    (edit("v_a", **segments((1, 3, "Curling"), (2, 4, "Curling"))), {"overlap"}),
    (edit("v_a", **segments((1, 3, "Curling"), (2, 4, "Polo"))), {"classes together", "several classes", "classes"}),
    (lambda folder: write_text(os.path.join(folder, "action_name.csv"), ["action", "Curlin"]), {"classes"}),
    (lambda folder: change_json(os.path.join(folder, ANNOTATIONS), lambda d: d.pop("v_c")), {"videos"}),
    (lambda folder: write_json(os.path.join(folder, "sample_detection_prediction.json"),
                               {"results": {"a": [], "z": []}}), {"videos"}),
    (lambda folder: write_json(os.path.join(folder, "activity_net.v1-3.min.json"), {"database": {
        "a": {"subset": "training", "duration": 44}, "z": {"subset": "training"}}}), {"videos", "duration"}),
])
def test_each_planted_disagreement_is_told(tmp_path, spoil, kinds):
    folder = write_activitynet(tmp_path)
    spoil(folder)
    found = {one.kind for one in prepare(folder).disagreements}
    assert found == kinds and found <= set(TITLES)


@pytest.mark.parametrize("spoil, words", [
    (edit("v_a", annotations=3), "'v_a' must have 'annotations'"),
    (edit("v_a", duration_second="x"), "'duration_second' must be a number"),
    (edit("v_a", annotations=[{"segment": [1]}]), "an annotation must be"),
    (lambda folder: write_json(os.path.join(folder, ANNOTATIONS), []), "must be {video:"),
    (lambda folder: write_json(os.path.join(folder, ANNOTATIONS), {"other": {
        "duration_second": 1, "duration_frame": 1, "feature_frame": 1, "annotations": []}}), "no video in common"),
    (replace_cell("1000", "many"), "'numFrame' must be a number"),
])
def test_files_that_cannot_be_used_are_one_sentence(tmp_path, spoil, words):
    folder = write_activitynet(tmp_path)
    spoil(folder)
    with pytest.raises(UserError) as told:
        prepare(folder)
    assert words in str(told.value) and "\n" not in str(told.value)


def test_the_score_file(tmp_path, capsys):
    folder, output = write_activitynet(tmp_path / "source"), str(tmp_path / "out")
    scores = write_json(os.path.join(folder, "cuhk_val_simp_share.json"),
                        {"results": {"b": [0.9, 0.1], "z": [0.5, 0.5]}, "class": ["Curling", "Polo"]})
    assert call(["data", "prepare", "activitynet", folder, "--output", output]) == 0
    assert "'Polo' is in cuhk_val_simp_share.json and not in the annotations" in capsys.readouterr().out
    with pytest.warns(UserWarning, match="'Polo'"):
        found = external_scores(os.path.join(output, "external_scores.json"), ("Curling",), ["v_b"])
    np.testing.assert_allclose(found["v_b"], [0.9])
    kinds = read_json(os.path.join(output, "disagreements.json"))["kinds"]
    assert [one["recording"] for one in kinds["videos"]["found"]] == ["v_z"]
    elsewhere = str(tmp_path / "mine.json")
    os.rename(scores, elsewhere)
    assert call(["data", "prepare", "activitynet", folder, "--output", output, "--force", "--scores", elsewhere]) == 0
    write_json(elsewhere, {"results": {"q": [0.9, 0.1]}, "class": ["Curling", "Polo"]})
    assert call(["data", "prepare", "activitynet", folder, "--scores", elsewhere]) == 2
    assert "scores of no video of the subset 'validation'; it has v_q" in capsys.readouterr().err


# What docs/public-data.md says of the real files
REAL = {"videos": 198, "feature frames": 23, "frame rate": 2621, "features past the end": 5300, "several classes": 11,
        "past the end": 13, "zero length": 12, "duplicate": 45, "overlap": 276, "classes together": 7}


def test_the_real_files(shared_data):
    folder = os.path.join(shared_data, "activitynet")
    if not os.path.isfile(os.path.join(folder, INFO)):
        pytest.skip("no ActivityNet files in %s" % folder)
    prepared = prepare(folder)
    assert Counter(one.kind for one in prepared.disagreements) == REAL
    database = prepared.files["annotations.json"]["database"]
    assert Counter(entry["subset"] for entry in database.values()) == {
        "training": 9649, "validation": 4728, "testing": 4851}
    assert len({one["label"] for entry in database.values() for one in entry["annotations"]}) == 200


def test_the_real_annotations_are_read_back(shared_data, tmp_path):
    folder, output = os.path.join(shared_data, "activitynet"), str(tmp_path / "out")
    assert call(["data", "prepare", "activitynet", folder, "--output", output]) == 0
    told = []
    recordings = read_annotations(os.path.join(output, "annotations.json"), tell=lambda *problem: told.append(problem))
    assert len(recordings) == 19228 and Counter(problem[0] for problem in told) == {
        "past the end": REAL["past the end"], "zero length": REAL["zero length"]}
    assert recordings["v_---9CpRcKoU"].fps == pytest.approx(418 / 14.07)
