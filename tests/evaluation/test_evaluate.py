"""The evaluator against the official one's numbers."""

import json
import os

import pytest

from tad.errors import DataWarning
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
