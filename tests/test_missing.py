"""Unusable recordings, from training to the result: refused above a part, allowed on request, named everywhere."""

import os

import pytest

from tests.helpers import TINY, call, read_json, sets, write_data

SMALL = sets(TINY)


@pytest.fixture
def data(tmp_path, rng):
    """Two test recordings, of which one has no features."""
    config = write_data(tmp_path, rng, recordings=(60, 45, 50, 40, 44), tested=2)
    os.unlink(str(tmp_path / "features" / "rec_4.npy"))
    return config


def test_training_and_inference_stop_above_the_part_that_is_allowed(tmp_path, data, capsys):
    run = str(tmp_path / "run")
    assert call(["train", "--config", data, "--output", run] + SMALL) == 0
    capsys.readouterr()
    assert call(["infer", "--checkpoint", run]) == 2
    error = capsys.readouterr().err
    assert "1 of 2 recordings cannot be used" in error and "rec_4" in error and "--allow-missing" in error
    assert not os.path.exists(os.path.join(run, "detections.json"))
    assert call(["infer", "--checkpoint", run, "--set", "dataset.max_missing=0.5"]) == 0
    os.unlink(str(tmp_path / "features" / "rec_0.npy"))
    assert call(["train", "--config", data, "--output", str(tmp_path / "other")] + SMALL) == 2
    assert "rec_0" in capsys.readouterr().err and not os.path.exists(str(tmp_path / "other"))


def test_the_result_names_what_was_scored_and_what_was_left_out(tmp_path, data, capsys):
    run = str(tmp_path / "run")
    assert call(["traininfer", "--config", data, "--output", run, "--allow-missing"] + SMALL) == 0
    out = capsys.readouterr().out
    assert "left out for want of usable features" in out and "1 recording: rec_4" in out
    metrics = read_json(os.path.join(run, "metrics.json"))
    assert metrics["scored_recordings"] == ["rec_3", "rec_4"] and metrics["left_out"] == ["rec_4"]
    truth = read_json(str(tmp_path / "annotations.json"))["database"]
    assert metrics["instances_left_out"] == len(truth["rec_4"]["annotations"]) > 0
    assert metrics["recordings"] == 2, "what is left out still counts as missed"
    detections = os.path.join(run, "detections.json")
    assert read_json(detections)["external_data"] == {"left_out": ["rec_4"]}
    manifest = read_json(os.path.join(run, "manifest.json"))
    assert manifest["recordings"]["left_out"] == []
    assert call(["eval", "--ground-truth", str(tmp_path / "annotations.json"), "--detections", detections, "--subset",
                 "validation"]) == 0
    assert "1 recording: rec_4" in capsys.readouterr().out
