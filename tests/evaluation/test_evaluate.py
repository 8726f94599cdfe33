"""The evaluator against the official one's numbers."""

import csv
import json
import os
import warnings

import pytest

from tad.errors import DataWarning, UserError
from tad.evaluation.evaluate import evaluate


def test_thumos14_equals_the_official_evaluator(shared_data):
    with open(os.path.join(shared_data, "eval_reference", "expected.json")) as stream:
        expected = json.load(stream)["thumos14"]
    metrics = evaluate(os.path.join(shared_data, expected["ground_truth"]),
                       os.path.join(shared_data, expected["detections"]), "0.1:0.1:0.7", expected["subset"])
    assert list(metrics["mAP"].values()) == pytest.approx(expected["mAP"], abs=1e-6)
    assert metrics["average_mAP"] == pytest.approx(expected["average_mAP"], abs=1e-6)
    assert set(metrics["AP_per_class"]) == set(expected["AP_per_class"])
    for label, values in expected["AP_per_class"].items():
        assert list(metrics["AP_per_class"][label].values()) == pytest.approx(values, abs=1e-6)


def write(path, value):
    path.write_text(json.dumps(value))
    return str(path)


def annotations(**recordings):
    return {"database": {name: {"subset": "test", "annotations": [
        {"segment": list(segment), "label": label} for segment, label in rows]} for name, rows in recordings.items()}}


def detections(**recordings):
    return {"results": {name: [{"segment": list(segment), "label": label, "score": score}
                               for segment, label, score in rows] for name, rows in recordings.items()}}


def test_hand_made_case(tmp_path):
    """One hit, one double detection, one miss: precision 1 up to recall 1/2."""
    truth = write(tmp_path / "truth.json", annotations(a=[((0, 10), "x"), ((20, 30), "x")]))
    found = write(tmp_path / "found.json", detections(a=[((0, 10), "x", 0.9), ((0, 9), "x", 0.8)]))
    metrics = evaluate(truth, found, "0.5,0.95")
    assert metrics["mAP"] == {"0.5": 0.5, "0.95": 0.5}
    assert (metrics["recordings"], metrics["instances"], metrics["detections"]) == (1, 2, 2)


def test_other_recordings_are_false_positives_and_said(tmp_path):
    truth = write(tmp_path / "truth.json", annotations(a=[((0, 10), "x")]))
    found = write(tmp_path / "found.json", detections(b=[((0, 10), "x", 1.0)], a=[((0, 10), "x", 0.9)]))
    with pytest.warns(DataWarning, match="not in the scored subset"):
        assert evaluate(truth, found, "0.5")["mAP"] == {"0.5": 0.5}


@pytest.mark.filterwarnings("ignore::tad.errors.DataWarning")
def test_activitynet_sample_equals_the_official_evaluator(shared_data, tmp_path):
    """ActivityNet's own sample file against its validation subset: all 7,654 scores are 1, and some segments empty."""
    folder = os.path.join(shared_data, "activitynet")
    with open(os.path.join(shared_data, "eval_reference", "expected.json")) as stream:
        expected = json.load(stream)["activitynet_sample"]
    with open(os.path.join(folder, "video_info_new.csv")) as stream:
        subsets = {row["video"]: row["subset"] for row in csv.DictReader(stream)}
    with open(os.path.join(folder, "anet_anno_action.json")) as stream:
        database = {name[2:]: {"subset": subsets[name], "annotations": entry["annotations"]}
                    for name, entry in json.load(stream).items()}
    truth = write(tmp_path / "truth.json", {"database": database})
    metrics = evaluate(truth, os.path.join(folder, "sample_detection_prediction.json"), "0.5:0.05:0.95", "validation")
    assert metrics["instances"] == expected["ground_truth_instances"]
    assert metrics["detections"] == expected["predictions"]
    assert list(metrics["mAP"].values()) == pytest.approx(expected["mAP"], abs=1e-6)


def test_equal_scores_and_empty_segments_as_in_the_official_evaluator(tmp_path):
    """The later of equals goes first; 0/0, the tIoU of two empty segments, is below no threshold wherever they lie."""
    truth = write(tmp_path / "truth.json", annotations(a=[((0, 10), "x")]))
    wrong, right = ((50, 60), "x", 0.5), ((0, 10), "x", 0.5)
    for rows, expected in (((wrong, right), 1.0), ((right, wrong), 0.5)):
        assert evaluate(truth, write(tmp_path / "found.json", detections(a=rows)), "0.5")["mAP"] == {"0.5": expected}
    truth = write(tmp_path / "truth.json", annotations(a=[((3, 3), "x"), ((7, 7), "x")], b=[((0, 1), "x")]))
    found = write(tmp_path / "found.json", detections(a=[((3, 3), "x", .9), ((8, 8), "x", .8), ((3, 3), "x", .7)],
                                                      b=[((0.5, 0.5), "x", .6)]))
    assert evaluate(truth, found, "0.5,1")["mAP"] == {"0.5": pytest.approx(2 / 3.0), "1": pytest.approx(2 / 3.0)}


def test_labels_of_other_subsets_count_for_nothing_and_need_no_word(tmp_path):
    document = annotations(a=[((0, 10), "x")])
    document["database"]["b"] = {"subset": "other", "annotations": [{"segment": [0, 1], "label": "y"}]}
    truth = write(tmp_path / "truth.json", document)
    found = write(tmp_path / "found.json", detections(a=[((0, 10), "y", 1.0), ((0, 10), "x", 0.9)]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate(truth, found, "0.5", "test")["mAP"] == {"0.5": 1.0}
    found = write(tmp_path / "found.json", detections(a=[((0, 10), "z", 1.0), ((0, 10), "x", 0.9)]))
    with pytest.warns(DataWarning, match="1 label not in the annotations.*'z'"):
        assert evaluate(truth, found, "0.5", "test")["AP_per_class"] == {"x": {"0.5": 1.0}}


def test_missed_recordings_and_impossible_segments_count(tmp_path):
    """As in the official evaluators: recordings without detections are missed, and so is a segment of no length."""
    truth = write(tmp_path / "truth.json", annotations(a=[((0, 10), "x"), ((3, 3), "x")], b=[((0, 10), "x")],
                                                       c=[((0, 10), "x")]))
    found = write(tmp_path / "found.json", detections(a=[((0, 10), "x", 0.9)], b=[]))
    metrics = evaluate(truth, found, "0.5")
    assert metrics["mAP"] == {"0.5": 0.25}
    assert metrics["recordings_without_detections"] == ["b", "c"]
    assert (metrics["recordings"], metrics["instances"], metrics["detections"]) == (3, 4, 1)


def test_what_cannot_be_scored_is_told(tmp_path):
    document = annotations(a=[((0, 10), "x")], b=[])
    document["database"]["b"]["subset"] = "quiet"
    truth = write(tmp_path / "truth.json", document)
    found = write(tmp_path / "found.json", detections(a=[]))
    with pytest.raises(UserError, match="several subsets; choose one with --subset: quiet, test, or all"):
        evaluate(truth, found, "0.5")
    with pytest.raises(UserError, match="no action in subset 'quiet'"):
        evaluate(truth, found, "0.5", "quiet")
    with pytest.raises(UserError, match="no recording in subset 'nope'"):
        evaluate(truth, found, "0.5", "nope")
    assert evaluate(truth, found, "0.5", "all")["recordings"] == 2
    only = write(tmp_path / "only.json", annotations(a=[]))
    with pytest.raises(UserError, match="no action in subset 'test'"):
        evaluate(only, found, "0.5")
