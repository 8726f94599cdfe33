"""``tad eval`` as a user calls it."""

import os

import pytest

from tests.evaluation.test_evaluate import annotations, detections, write
from tests.helpers import call, read_json


@pytest.fixture
def words(tmp_path):
    truth = write(tmp_path / "truth.json", annotations(a=[((0, 10), "x"), ((20, 30), "y")]))
    found = write(tmp_path / "found.json", detections(a=[((0, 10), "x", .9), ((20, 30), "1", .8)]))
    return ["eval", "--ground-truth", truth, "--detections", found]


def test_all_of_it(words, tmp_path, capsys):
    (tmp_path / "map").write_text("1 y\n")
    output = str(tmp_path / "new" / "metrics.json")
    assert call(words + ["--class-map", tmp_path / "map", "--measure", "map, ar,snippets,segmentation", "--diagnose",
                         "--buckets", "activitynet", "--output", output]) == 0
    metrics, diagnosis = read_json(output), read_json(tmp_path / "new" / "diagnosis.json")
    assert metrics["average_mAP"] == metrics["snippets"]["mAP"] == metrics["segmentation"]["edit"] == 1
    assert metrics["proposals"]["AR"]["1"] == 0.5
    assert diagnosis["characteristics"]["length"]["buckets"][0]["up_to"] == 30
    assert "diagnosis at tIoU" in capsys.readouterr().out


def test_without_output_nothing_is_written(words, tmp_path, capsys):
    before = sorted(os.listdir(str(tmp_path)))
    assert call(words + ["--diagnose"]) == 0
    assert sorted(os.listdir(str(tmp_path))) == before and "no coverage" in capsys.readouterr().out


@pytest.mark.parametrize("more, said", [
    (["--measure", "map,mAP"], "--measure must be of map, ar, snippets, segmentation, not 'mAP'"),
    (["--measure", "ar", "--proposals", "0"], "--proposals must be at least 1"),
    (["--measure", "snippets", "--step", "0"], "--step must be"), (["--step", "nan"], "--step must be"),
    (["--min-score", "nan"], "--min-score must be"), (["--snippet-scores", "x"], "needs --measure snippets"),
    (["--characteristics", "x"], "needs --diagnose"), (["--proposal-tiou", "2"], "tIoU thresholds must"),
    (["--diagnose", "--characteristics", "nowhere.json"], "cannot read the characteristics nowhere.json"),
    (["--class-map", "nowhere.json"], "cannot read the class map nowhere.json"), (["--output", "/"], "cannot write"),
    (["--diagnose", "--output", "x/diagnosis.json"], "choose another name")])
def test_mistakes_are_one_sentence(words, more, said, capsys):
    assert call(words + more) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.out == "" and captured.err.count("\n") <= 2
