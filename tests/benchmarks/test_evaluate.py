"""The benchmark of evaluation measures what it says, on files that `tad eval` reads."""

import importlib.util
import os

import numpy as np
import pytest

from tad.evaluation.evaluate import evaluate
from tests.helpers import ROOT, read_json


@pytest.fixture
def benchmark():
    spec = importlib.util.spec_from_file_location("evaluate", os.path.join(ROOT, "benchmarks", "evaluate.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_growth_measures_evaluations_of_as_many_detections(benchmark, tmp_path, rng, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ROOT)
    truth, instances = benchmark.write_truth(str(tmp_path), rng)
    found = str(tmp_path / "found.json")
    benchmark.write_detections(found, rng, instances, 3001)
    row = benchmark.measure(truth, found, benchmark.THUMOS14, "test")
    metrics = evaluate(truth, found, benchmark.THUMOS14, "test")
    assert row["detections"] == metrics["detections"] == 3001 and metrics["instances"] == benchmark.INSTANCES
    assert row["average_mAP"] == pytest.approx(metrics["average_mAP"]) and metrics["mAP"]["0.1"] > 0
    assert row["total_s"] == pytest.approx(row["read_s"] + row["map_s"]) and row["peak_mib"] > 10
    assert np.isfinite(list(row.values())).all() and benchmark.load(truth, found) > 0


@pytest.mark.filterwarnings("ignore::tad.errors.DataWarning")
def test_activitynets_annotations_are_put_together(benchmark, shared_data, tmp_path):
    path = benchmark.write_activitynet(shared_data, str(tmp_path))
    sample = os.path.join(shared_data, "activitynet", "sample_detection_prediction.json")
    metrics = evaluate(path, sample, "0.5", "validation")
    expected = read_json(os.path.join(shared_data, "eval_reference", "expected.json"))["activitynet_sample"]
    assert metrics["instances"] == expected["ground_truth_instances"]
    assert metrics["detections"] == expected["predictions"]
