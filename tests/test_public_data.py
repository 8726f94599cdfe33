"""THUMOS14 end to end: real annotations of 200 + 213 videos, made-up features, from the files to fused scores."""

import os

import h5py
import pytest

from tests.helpers import TINY, call, read_json, sets


@pytest.mark.slow
def test_thumos14_from_its_files_to_scores(shared_data, tmp_path, monkeypatch, capsys):
    source = os.path.join(shared_data, "thumos14")
    if not os.path.isfile(os.path.join(source, "test_info.mat")):
        pytest.skip("no THUMOS14 files in %s" % source)
    monkeypatch.chdir(str(tmp_path))
    assert call(["data", "prepare", "thumos14", source, "--output", "first"]) == 0
    assert call(["data", "synthesize", "all.h5", "--annotations", "first/annotations.json", "--channels", 6,
                 "--stride", 30, "--window", 30]) == 0
    os.mkdir("tsn")
    with h5py.File("all.h5", "r") as features:
        for stream, columns in (("rgb", slice(0, 4)), ("flow", slice(4, 6))):
            for part in ("val", "test"):
                with h5py.File("tsn/%s_%s.h5" % (stream, part), "w") as archive:
                    for name in features:
                        if "_%s" % part in name:
                            archive[name] = features[name][:len(features[name]) - (stream == "flow"), columns]
    assert call(["data", "prepare", "thumos14", source, "--output", "data", "--features", "tsn", "--stride", 30]) == 0
    assert read_json("data/disagreements.json")["kinds"]["features"]["count"] == 0
    with open("thumos.yaml", "w") as stream:
        stream.write("dataset: {annotations: data/annotations.json, features: data/features.json, "
                     "train_subset: validation, test_subset: test}\n")
    # A window or two for each video; not thousands of guesses to thin, write and draw
    settings = sets(TINY + ("deeplab.max_duration=16", "dataset.length=256", "deeplab.candidates=20",
                            "postprocess.top_k=20", "report.pictures=1"))
    assert call(["data", "check", "--config", "thumos.yaml"] + settings) == 0
    assert call(["traininfer", "--config", "thumos.yaml", "--output", "run"] + settings) == 0
    assert len(read_json("run/detections.json")["results"]) == 213
    assert call(["infer", "--checkpoint", "run", "--external-scores", "data/external_scores.json", "--output",
                 "fused.json", "--set", "postprocess.class_power=0",
                 "--set", "postprocess.classes_per_recording=2"]) == 0
    results = read_json("fused.json")["results"]
    assert len(results) == 213 and all(len({one["label"] for one in found}) <= 2 for found in results.values())
    for truth in ("data/annotations.json", os.path.join(source, "thumos_gt.json")):
        blocked = ["--blocked", "data/blocked.txt"] if truth.startswith("data") else []
        assert call(["eval", "--ground-truth", truth, "--detections", "fused.json", "--subset", "test", "--output",
                     "metrics.json"] + blocked) == 0
        metrics = read_json("metrics.json")
        assert (metrics["recordings"], metrics["instances"]) == (210, 3311)
