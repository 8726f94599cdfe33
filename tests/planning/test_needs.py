"""What a training takes: said before it, right by the files that it leaves, and a word where it is too much."""

import json
import os

import numpy as np
import pytest

from tad.planning import needs as needs_module
from tad.planning.needs import needs_lines
from tests.helpers import TINY, call, sets, write_data


def needs_of(config, capsys, *assignments):
    capsys.readouterr()
    code = call(["data", "check", "--config", config, "--json"] + sets(TINY + assignments))
    return code, json.loads(capsys.readouterr().out)["needs"]


def test_what_is_said_is_what_a_run_takes(tmp_path, rng, capsys):
    config = write_data(tmp_path, rng, recordings=(400, 350, 300, 250), width=64)
    wide = ("deeplab.width=64", "deeplab.blocks=2")  # so that weights outweigh what else is in a checkpoint
    code, needs = needs_of(config, capsys, *wide)
    folder = str(tmp_path / "features")
    assert code == 0 and needs["features_disk"] == sum(
        os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
    assert needs["training_features"] == needs["kept"] == 4 * 64 * (400 + 350 + 300)
    assert needs["all_features"] == 4 * 64 * 1300
    run = str(tmp_path / "run")
    assert call(["train", "--config", config, "--output", run] + sets(TINY + wide)) == 0
    kept = os.path.join(run, "checkpoints")
    sizes = [os.path.getsize(os.path.join(kept, name)) for name in os.listdir(kept)]
    assert len(sizes) == 2 and needs["checkpoints"] == pytest.approx(3 * np.mean(sizes), rel=0.15)


def test_the_cache_and_the_workers(tmp_path, rng, capsys):
    config = write_data(tmp_path, rng, recordings=(900, 900, 500), width=400)
    _, needs = needs_of(config, capsys, "dataset.cache_mib=1", "train.workers=2")
    assert needs["kept"] == 2 ** 20 < needs["training_features"] and needs["readers"] == 3
    assert call(["data", "check", "--config", config] + sets(TINY + ("dataset.cache_mib=1", "train.workers=2"))) == 0
    told = capsys.readouterr().out
    assert "keeps 1.0 MiB in each of 3 processes; the rest is read again in every pass" in told
    assert told.strip().splitlines()[-1].startswith("passed")


def test_a_training_that_would_be_refused_fails(tmp_path, rng, capsys):
    config = write_data(tmp_path, rng)
    code, needs = needs_of(config, capsys, "train.batch=4096")
    assert code == 1 and "train.batch" in needs["refused"] and needs["step"] is None
    assert any("a training would be refused" in line for line in needs["faults"])


def test_too_little_is_said(tmp_path, rng, capsys, monkeypatch):
    config = write_data(tmp_path, rng)
    monkeypatch.setattr(needs_module, "free_memory", lambda device: 1000)
    monkeypatch.setattr(needs_module.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    _, needs = needs_of(config, capsys)
    assert [line.split(":")[0] for line in needs["faults"]] == ["too little memory", "too little disk"]
    record = needs_module.Needs(**dict(needs_module.Needs(*[0] * 13)._asdict(), free_memory=None, free_disk=10,
                                       checkpoints=None, step=None, refused=None, warned=()))
    assert len(needs_lines(record)) == 2, "what is not known is not said"
