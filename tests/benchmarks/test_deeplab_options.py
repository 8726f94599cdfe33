"""The table of deeplab's options: names that lead to settings, a line for each, recall of made-up candidates."""

import importlib.util
import os
import sys

import numpy as np
import pytest

from tad.pipeline import infer_run, train_run
from tad.postprocess.fusion import ScoredProposals
from tad.settings import load_settings
from tests.helpers import ROOT, TINY, read_json, write_data

FOLDER = os.path.join(ROOT, "benchmarks")


@pytest.fixture
def options(monkeypatch):
    """The script as a module, beside hapt.py as when it is run."""
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location("deeplab_options", os.path.join(FOLDER, "deeplab_options.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["hapt"]


def test_every_option_is_a_setting_that_differs_from_the_default(options):
    default = load_settings(options.hapt.config_of("usual"))
    for name in options.OPTIONS:
        changed = load_settings(options.hapt.config_of("usual"), options.assignments_of(name))
        assert (changed == default) == (name == "default"), name
    assert options.assignments_of("train.steps=3,seed=1") == ["train.steps=3", "seed=1"]
    with pytest.raises(SystemExit, match="'thr_acton' is neither an option .*thr_action.* nor KEY=VALUE"):
        options.assignments_of("thr_acton")


def test_each_row_is_trained_and_scored(options, tmp_path, rng, monkeypatch, capsys):
    config = write_data(tmp_path, rng)
    monkeypatch.setattr(options.hapt, "config_of", lambda recipe: config)
    out = str(tmp_path / "out")
    words = ["deeplab_options.py", "default", "deeplab.boundary_convs=0,train.schedule=constant", "end_shift",
             "deeplab.candidates=7", "--output", out]
    for assignment in TINY:
        words += ["--set", assignment]
    monkeypatch.setattr(sys, "argv", words)
    options.main()
    rows = read_json(os.path.join(out, "rows.json"))["rows"]
    assert [row["option"] for row in rows] == ["default", "", "end_shift", ""]
    # What only inference asks for is not trained again
    assert sorted(name for name in os.listdir(out) if name != "rows.json") == [
        "deeplab.boundary_convs-0_train.schedule-constant", "default"]
    assert float(rows[3]["candidates"]) <= 7 and rows[2]["CPU s"] == rows[3]["CPU s"] == rows[0]["CPU s"]
    assert rows[1]["settings"] == "`deeplab.boundary_convs=0` `train.schedule=constant`"
    # A convolution of 8 x 8 x 3 weights and the scale and offset of 8 channels
    assert int(rows[0]["parameters"]) - int(rows[1]["parameters"]) == 8 * 8 * 3 + 2 * 8
    for row in rows:
        assert 0 <= float(row["recall of candidates"]) <= 1 and 0 < float(row["candidates"]) <= 60
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(lines) == 6 and all(line.count("|") == 9 for line in lines)


def test_recall_counts_actions_that_any_candidate_covers(options, tmp_path, rng, monkeypatch):
    """Candidates that are the actions but for a fifth of their duration have a tIoU of 0.8: 7 of the 10 thresholds."""
    config = write_data(tmp_path, rng, recordings=(60, 60, 30), tested=1)
    train_run(load_settings(config, TINY), str(tmp_path / "run"))
    trained = infer_run(str(tmp_path / "run"))[2]

    def covering(detector, clips, device):
        segments = clips[0].segments.copy()
        segments[:, 1] -= 0.2 * (segments[:, 1] - segments[:, 0]) - 1e-6
        ones = np.ones(len(segments))
        return [ScoredProposals(segments, np.ones((len(segments), 2)), ones, ones, ones)]

    monkeypatch.setattr(options, "propose", covering)
    count, recall = options.candidates_of(trained)
    assert count > 0 and recall == pytest.approx(0.7)
    monkeypatch.setattr(options, "propose", lambda detector, clips, device: [
        ScoredProposals(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros(0))])
    assert options.candidates_of(trained) == (0, 0)
