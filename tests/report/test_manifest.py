"""The manifest names what ran and on which data."""

import hashlib
import json
import os

import numpy as np
import pytest
import torch

import tad
from tad.config import Settings
from tad.report import environment
from tad.report.environment import git_state
from tad.report.manifest import checksum, make_manifest
from tad.report.tables import metrics_table


def test_manifest_is_json_and_complete(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    found = make_manifest(Settings(), torch.device("cpu"), ["tad", "train"], [str(tmp_path / "a.json")],
                          {"train": ["r"]})
    found = json.loads(json.dumps(found, allow_nan=False))
    assert found["command"] == ["tad", "train"] and found["device"] == "cpu" and found["seed"] == 0
    assert found["versions"]["tad"] == tad.__version__ and found["versions"]["torch"] == torch.__version__
    assert found["versions"]["numpy"] == np.__version__
    assert found["align1d"]["backend"] and found["align1d"]["reason"]
    assert found["data"] == {str(tmp_path / "a.json"): hashlib.sha256(b"{}").hexdigest()}
    assert found["recordings"] == {"train": ["r"]}
    assert found["created"][:2] == "20" and found["machine"]["cpus"] >= 1


def test_an_image_names_the_revision_that_it_was_built_from(monkeypatch):
    """An image holds no checkout, so only TAD_REVISION can tell; the empty one of a plain build tells nothing."""
    monkeypatch.setattr(environment, "_git", lambda folder, *arguments: None)
    for given, expected in (("abc1", {"revision": "abc1", "modified": None}), ("", None)):
        monkeypatch.setenv("TAD_REVISION", given)
        assert git_state() == expected


def test_checksums_change_with_the_content_and_the_names(tmp_path):
    (tmp_path / "a").write_bytes(os.urandom(3 * 2 ** 20 + 5))
    (tmp_path / "sub").mkdir()
    assert checksum(str(tmp_path / "a")) == hashlib.sha256((tmp_path / "a").read_bytes()).hexdigest()
    whole = checksum(str(tmp_path))
    assert checksum(str(tmp_path)) == whole
    os.rename(str(tmp_path / "a"), str(tmp_path / "b"))
    renamed = checksum(str(tmp_path))
    with open(str(tmp_path / "b"), "ab") as stream:
        stream.write(b"!")
    assert len({whole, renamed, checksum(str(tmp_path))}) == 3


def metrics(**changes):
    return dict({"mAP": {"0.5": 0.25, "0.75": 0.125}, "average_mAP": 0.1875,
                 "AP_per_class": {"zebra": {"0.5": 0.5, "0.75": 0.25}, "a long label": {"0.5": 0.0, "0.75": 0.0}},
                 "recordings": 1, "instances": 3, "detections": 12, "recordings_without_detections": []}, **changes)


def test_table_by_hand():
    assert metrics_table(metrics()).splitlines() == [
        "tIoU             0.5    0.75     avg",
        "a long label   0.000   0.000   0.000",
        "zebra          0.500   0.250   0.375",
        "------------------------------------",
        "mAP            0.250   0.125   0.188",
        "3 instances in 1 recording, 12 detections"]


@pytest.mark.parametrize("missing, words", [(["r0"], "no detection in 1 recording: r0"), (
    ["r%d" % index for index in range(9)], "no detection in 9 recordings: r0, r1, r2, r3, r4 and 4 more")])
def test_table_names_recordings_without_detections(missing, words):
    assert metrics_table(metrics(recordings_without_detections=missing)).splitlines()[-1] == words
