"""The report's numbers are those of the evaluation."""

import os
import warnings

import numpy as np
import pytest

from tad.errors import DataWarning
from tad.evaluation.diagnosis.diagnose import diagnose
from tad.evaluation.diagnosis.errors import BACKGROUND, TRUE
from tad.evaluation.evaluate import evaluate
from tad.evaluation.scoring import open_scoring
from tad.report.compare import RECALLS, compare
from tad.report.inputs import Asked, read_runs
from tad.report.kinds import NONE
from tad.segments import tiou
from tests.helpers import write_json
from tests.report.made import make_data, write_run


def comparison(*folders, **asked):
    return compare(read_runs([str(folder) for folder in folders], Asked(**asked)))


def test_average_precision_is_that_of_the_evaluation(tmp_path, rng):
    annotations, detections = make_data(rng, labels=("a", "b", "c"), recordings=6, detections=40)
    detections["results"]["elsewhere"] = detections["results"]["rec_0"]
    detections["results"]["rec_1"].append({"label": "unknown", "score": 0.99, "segment": [0, 5]})
    folder = write_run(tmp_path / "run", annotations, detections)
    result, = comparison(folder).results
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # of the recording elsewhere and the unknown label
        metrics = evaluate(str(tmp_path / "truth.json"), folder + "/detections.json", "0.3:0.1:0.7")
    expected = np.array([list(values.values()) for values in metrics["AP_per_class"].values()])
    assert list(metrics["AP_per_class"]) == ["a", "b", "c"]
    np.testing.assert_allclose(result.ap, expected, atol=1e-12)


def test_real_detections_give_the_official_numbers(shared_data, tmp_path):
    source = shared_data + "/eval_reference/thumos14_detections.json"
    found = comparison(source, ground_truth=shared_data + "/thumos14/thumos_gt.json", subset="test")
    metrics = evaluate(shared_data + "/thumos14/thumos_gt.json", source, "0.3:0.1:0.7", "test")
    np.testing.assert_allclose(found.results[0].mean_ap, list(metrics["mAP"].values()), atol=1e-9)


def test_the_drawn_curve_has_the_area_of_the_average_precision(tmp_path, rng):
    found = comparison(write_run(tmp_path / "run", *make_data(rng, recordings=20, actions=8, detections=60)))
    result, = found.results
    assert result.precision.shape == (2, 5, len(RECALLS))
    assert (np.diff(result.precision, axis=2) <= 0).all()
    drawn = (result.precision[..., 1:] + result.precision[..., :-1]).sum(axis=2) / 2 * (RECALLS[1] - RECALLS[0])
    np.testing.assert_allclose(drawn, result.ap, atol=0.02)


def slow_average_recall(truth, detections, average):
    """ActivityNet's definition, one recording, threshold and instance after the other."""
    database, results = truth["database"], detections["results"]
    used = [name for name in database if database[name]["annotations"]]
    part = 100.0 * len(used) / max(sum(len(rows) for rows in results.values()), 1)
    kept = {name: min(int(len(results.get(name, [])) * part), len(results.get(name, []))) for name in used}
    share = average / 100.0 * (100 * len(used) / float(max(sum(kept.values()), 1)))
    recalls = []
    for threshold in np.arange(10) * 0.05 + 0.5:
        hits = total = 0
        for name in used:
            best = sorted(results.get(name, []), key=lambda row: -row["score"])
            best = np.array([row["segment"] for row in best[:min(int(kept[name] * share), kept[name])]]).reshape(-1, 2)
            wanted = np.array([row["segment"] for row in database[name]["annotations"]])
            hits += int((tiou(wanted, best).max(axis=1, initial=0) >= round(threshold, 2)).sum())
            total += len(wanted)
        recalls.append(hits / float(total))
    return np.mean(recalls)


@pytest.mark.parametrize("detections", [0, 3, 150])
def test_average_recall_is_activitynets(tmp_path, rng, detections):
    annotations, found = make_data(rng, recordings=5, detections=detections)
    found["results"]["rec_0"] = found["results"]["rec_0"][:2]
    del found["results"]["rec_1"]
    annotations["database"]["rec_2"]["annotations"] = []
    result, = comparison(write_run(tmp_path / "run", annotations, found)).results
    assert result.recall.shape == (100,)
    for average in (1, 10, 55, 100):
        assert abs(result.recall[average - 1] - slow_average_recall(annotations, found, average)) < 1e-9


def test_instances_know_the_score_that_finds_them(tmp_path, rng):
    found = comparison(write_run(tmp_path / "run", *make_data(rng)))
    result, = found.results
    right = result.kind == TRUE
    np.testing.assert_array_equal(result.reached[result.partner[right]], result.found.scores[right])
    assert np.isnan(result.reached).sum() == len(found.truth.labels) - right.sum()
    assert (result.partner[result.kind == BACKGROUND] == NONE).all()


def test_errors_are_told_at_the_threshold_nearest_to_a_half(tmp_path, rng):
    folder = write_run(tmp_path / "run", *make_data(rng))
    assert comparison(folder).at == 0.5
    assert comparison(folder, tiou="0.2,0.3").at == 0.3
    assert comparison(folder, tiou="0.75").at == 0.75


def test_detections_elsewhere_and_unknown_labels_are_there_but_last(tmp_path, rng):
    annotations, detections = make_data(rng)
    detections["results"]["elsewhere"] = [{"label": "aardvark", "score": 0.5, "segment": [0, 5]}]
    detections["results"]["empty"] = []
    found = comparison(write_run(tmp_path / "run", annotations, detections))
    assert found.ids[found.scored:] == ("elsewhere",) and found.labels[found.counted:] == ("aardvark",)


def test_metrics_of_other_detections_are_warned_of(tmp_path, rng):
    folder = write_run(tmp_path / "run", *make_data(rng))
    good = evaluate(str(tmp_path / "truth.json"), folder + "/detections.json", "0.3:0.1:0.7")
    write_json(folder + "/metrics.json", good)
    comparison(folder)
    good["mAP"]["0.5"] += 0.001
    write_json(folder + "/metrics.json", good)
    with pytest.warns(DataWarning, match="its metrics.json has mAP"):
        comparison(folder)
    write_json(folder + "/metrics.json", {"mAP": "high"})
    comparison(folder)


@pytest.mark.parametrize("value", [10 ** 400, float("nan"), float("inf")], ids=["huge", "nan", "inf"])
def test_figures_that_are_no_measures_are_warned_of(tmp_path, rng, value):
    folder = write_run(tmp_path / "run", *make_data(rng))
    made = comparison(folder).results[0].diagnosis
    write_json(folder + "/metrics.json", {"mAP": {"0.5": value}})
    with pytest.warns(DataWarning, match="its metrics.json has mAP"):
        comparison(folder)
    os.remove(folder + "/metrics.json")
    write_json(folder + "/diagnosis.json", dict(made, average_mAP_N=value))
    with pytest.warns(DataWarning, match="its diagnosis.json is not of these detections"):
        assert comparison(folder).results[0].diagnosis == made


def test_runs_without_any_detection(tmp_path, rng):
    result, = comparison(write_run(tmp_path / "run", *make_data(rng, detections=0))).results
    assert result.ap.max() == 0 and result.recall.max() == 0 and np.isnan(result.reached).all()


def test_a_run_is_diagnosed_unless_it_brings_its_own(tmp_path, rng):
    folder = write_run(tmp_path / "run", *make_data(rng))
    made = comparison(folder).results[0].diagnosis
    scoring = open_scoring(str(tmp_path / "truth.json"), folder + "/detections.json")
    assert made == diagnose(scoring, (0.3, 0.4, 0.5, 0.6, 0.7))
    mine = dict(made, notes=["mine"], characteristics={})
    write_json(folder + "/diagnosis.json", mine)
    assert comparison(folder).results[0].diagnosis == mine
    for other in (dict(mine, tiou=["0.5"]), dict(mine, average_mAP_N=mine["average_mAP_N"] + 1e-3), {"notes": []},
                  dict(mine, average_mAP_N=str(mine["average_mAP_N"])), dict(mine, per_class={}),
                  dict(mine, per_class=[3])):
        write_json(folder + "/diagnosis.json", other)
        with pytest.warns(DataWarning, match="its diagnosis.json is not of these detections"):
            assert comparison(folder).results[0].diagnosis == made


def test_instances_without_length_leave_no_diagnosis_but_a_report(tmp_path, rng):
    annotations, detections = make_data(rng)
    for entry in annotations["database"].values():
        for action in entry["annotations"]:
            action["segment"][1] = action["segment"][0]
    result, = comparison(write_run(tmp_path / "run", annotations, detections)).results
    assert "no instance can be diagnosed" in result.diagnosis["notes"][0] and result.ap.max() == 0
