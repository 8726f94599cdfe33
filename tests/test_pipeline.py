"""The whole way of the data, as users go it: other recordings, other classes, other stores, other ways of cutting."""

import os
import re

import h5py
import numpy as np
import pytest
import torch

from tad.commands.common import CONFIGS, shipped_configs
from tad.engine.checkpoint import read_checkpoint
from tad.errors import DataWarning, UserError
from tad.evaluation.evaluate import evaluate
from tad.files import run_folder
from tad.pipeline import infer_run, run, train_run
from tad.report.compare import compare
from tad.report.inputs import Asked, read_runs
from tad.report.manifest import checksum
from tad.report.snippet_scores import read_scores
from tad.settings import DATA_ROOT, PACKAGE_PREFIX, load_settings, override_settings
from tests.helpers import (
    ROOT,
    SHORT,
    SMALL,
    TINY,
    VARIANTS,
    call,
    read_json,
    sets,
    with_variants,
    write_data,
    write_data_of,
    write_json,
)

FILES = ("config.yaml", "manifest.json", "detections.json", "metrics.json", "diagnosis.json", "checkpoints",
         "tensorboard", "report")


def readme_lines():
    """The configuration that README.md shows for own data."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as stream:
        block, = re.findall(r"```yaml\n(dataset:.*?)```", stream.read(), re.DOTALL)
    assert len(block.splitlines()) <= 10
    return block


def check_run(folder, names, classes):
    """What every run folder must hold, and what every detection must be."""
    for name in FILES:
        assert os.path.exists(os.path.join(folder, name)), name
    results = read_json(os.path.join(folder, "detections.json"))["results"]
    assert set(results) == set(names)
    assert any(results.values())
    for rows in results.values():
        assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
        for row in rows:
            assert row["label"] in classes and 0 <= row["score"] <= 1
            assert 0 <= row["segment"][0] < row["segment"][1]
    assert sorted(os.listdir(os.path.join(folder, "report"))) == sorted(name + ".png" for name in names)
    metrics = read_json(os.path.join(folder, "metrics.json"))
    assert metrics["recordings"] == len(names) and set(metrics["AP_per_class"]) <= set(classes)
    assert 0 <= metrics["average_mAP"] <= 1
    return metrics


def test_the_readmes_ten_lines_on_data_nobody_has_seen(tmp_path, rng, monkeypatch, capsys):
    """JSON and .npy of another width with other classes; only the length of the training is cut."""
    classes = ("Tasse heben", "caf\u00e9 & more", "x/y", "$5")
    write_data(tmp_path, rng, classes=classes, width=17, recordings=(60, 45, 90, 40, 70), tested=2)
    (tmp_path / "my.yaml").write_text(readme_lines())
    monkeypatch.chdir(str(tmp_path))
    assert call(["traininfer", "--config", "my.yaml", "--output", "runs/my", "--set", "train.steps=3",
                 "--set", "postprocess.min_score=0"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert "run folder: runs/my" in output.out and "picture:" in output.out
    metrics = check_run("runs/my", ["rec_3", "rec_4"], classes)
    assert list(metrics["mAP"]) == ["0.3", "0.4", "0.5", "0.6", "0.7"]
    config = load_settings("runs/my/config.yaml")
    assert config.dataset.length and config.deeplab.max_duration
    assert read_json("runs/my/manifest.json")["recordings"]["train"] == ["rec_0", "rec_1", "rec_2"]


@pytest.mark.slow
def test_it_learns_what_there_is_to_learn(tmp_path, rng):
    """Clear signals of new classes are found in recordings never seen; chance would be near 0."""
    config = write_data(tmp_path, rng, classes=("a", "b", "c"), width=6, recordings=(90, 90, 90, 90, 120), tested=1)
    settings = load_settings(config, ["deeplab.width=24", "deeplab.blocks=1", "train.steps=250", "train.batch=4",
                                      "train.learning_rate=3e-3", "device=cpu", "seed=%d" % rng.randint(100)])
    metrics, _ = run(settings, str(tmp_path / "run"))
    assert metrics["mAP"]["0.5"] > 0.7


@pytest.mark.parametrize("kind", with_variants(VARIANTS), ids="-".join)
def test_every_detector_trains_resumes_infers_and_scores(tmp_path, rng, kind):
    small = ("detector=" + kind[0],) + SHORT + SMALL[kind[0]] + kind[1:]
    config, folder = write_data(tmp_path, rng), str(tmp_path / "run")
    train_run(load_settings(config, small + ("train.steps=6",)), folder)
    newest = sorted(os.listdir(os.path.join(folder, "checkpoints")))[-1]
    before = read_checkpoint(os.path.join(folder, "checkpoints", newest))
    os.unlink(os.path.join(folder, "checkpoints", newest))
    train_run(load_settings(config, small + ("train.steps=6",)), folder, resume=True)
    after = read_checkpoint(os.path.join(folder, "checkpoints", newest))
    assert all(torch.equal(before.tensors[key], value) for key, value in after.tensors.items())
    infer_run(folder)
    found = read_json(os.path.join(folder, "detections.json"))["results"]["rec_3"]
    # After six steps curves are nearly flat, and what they group lasts longer than any proposal may
    assert found or "deeplab.generator=thr_action" in kind


@pytest.mark.parametrize("name", shipped_configs())
def test_every_shipped_configuration_trains_infers_and_scores(tmp_path, rng, monkeypatch, name):
    """Two steps and a smaller network, everything else as it is shipped; on made-up data where no data is shipped."""
    monkeypatch.setenv(DATA_ROOT, str(tmp_path / "data"))
    path = os.path.join(CONFIGS, name + ".yaml")
    settings = load_settings(path)
    smaller = [settings.detector + ".width=16"]
    if not settings.dataset.annotations.startswith(PACKAGE_PREFIX):
        write_data_of(settings, rng)
        smaller = ["train.batch=2"] + list(SMALL[settings.detector])
    metrics, pictures = run(load_settings(path, ["train.steps=2"] + smaller), str(tmp_path / "run"))
    assert metrics["recordings"] == len(pictures) >= 1


@pytest.mark.parametrize("assignments", [
    (), ("dataset.mode=rescale",), ("dataset.normalize=false",), ("dataset.overlap=0",), ("postprocess.method=nms",),
    ("postprocess.method=none", "postprocess.per_class=false"), ("augment.splice=1",), ("deeplab.strides=[2]",),
    ("dataset.fps=null",), ("dataset.length=1024",), ("dataset.length=null", "dataset.mode=rescale"),
    ("dataset.test_subset=all",), ("train.workers=1",), ("train.batch=1",), ("threads=1",),
])
def test_other_settings_go_all_the_way(tmp_path, rng, assignments):
    classes = ("wave", "nod")
    settings = load_settings(write_data(tmp_path, rng), TINY + assignments)
    run(settings, str(tmp_path / "run"))
    tested = ["rec_3"] if settings.dataset.test_subset == "validation" else ["rec_0", "rec_1", "rec_2", "rec_3"]
    check_run(str(tmp_path / "run"), tested, classes)


@pytest.mark.parametrize("kind", ["hdf5", "npz", "csv"])
def test_every_store_gives_the_same_detections(tmp_path, rng, kind):
    config = write_data(tmp_path, rng)
    folder = str(tmp_path / "features")
    arrays = {name[:-4]: np.load(os.path.join(folder, name)) for name in os.listdir(folder)}
    other = str(tmp_path / ("other" + {"hdf5": ".h5", "npz": ".npz", "csv": ""}[kind]))
    if kind == "hdf5":
        with h5py.File(other, "w") as archive:
            for name, array in arrays.items():
                archive[name] = array
    elif kind == "npz":
        np.savez(other, **arrays)
    else:
        os.mkdir(other)
        for name, array in arrays.items():
            np.savetxt(os.path.join(other, name + ".csv"), array, delimiter=",", fmt="%.9g")
    for features, output in ((folder, "plain"), (other, "other")):
        run(load_settings(config, TINY + ("dataset.features=" + features,)), str(tmp_path / output))
    results = [read_json(tmp_path / output / "detections.json")["results"] for output in ("plain", "other")]
    assert results[0] == results[1] and results[0]["rec_3"]


def test_the_same_command_gives_the_same_run(tmp_path, rng):
    config = write_data(tmp_path, rng)
    for output in ("a", "b"):
        run(load_settings(config, TINY), str(tmp_path / output))
    run(load_settings(config, TINY + ("seed=1",)), str(tmp_path / "c"))
    for name in ("detections.json", "metrics.json", "config.yaml"):
        assert (tmp_path / "a" / name).read_text() == (tmp_path / "b" / name).read_text()
    assert (tmp_path / "a" / "detections.json").read_text() != (tmp_path / "c" / "detections.json").read_text()


def test_a_run_can_be_scored_again_from_its_files(tmp_path, rng, capsys):
    config = write_data(tmp_path, rng)
    run(load_settings(config, TINY), str(tmp_path / "run"))
    metrics = evaluate(str(tmp_path / "annotations.json"), str(tmp_path / "run" / "detections.json"), "0.3:0.1:0.7",
                       "validation")
    assert metrics == read_json(tmp_path / "run" / "metrics.json")


def test_imperfect_data_goes_all_the_way_with_a_word_for_each_problem(tmp_path, rng, capsys):
    """One recording of every bad kind among good ones: trained, detected in and scored, each named on stderr."""
    config = write_data(tmp_path, rng, recordings=(60,) * 12, tested=4)
    features = str(tmp_path / "features")
    os.unlink(os.path.join(features, "rec_0.npy"))
    np.save(os.path.join(features, "rec_1.npy"), np.full((60, 5), np.inf))
    np.save(os.path.join(features, "rec_2.npy"), np.zeros((60, 7)))
    with open(os.path.join(features, "rec_3.npy"), "w") as stream:
        stream.write("no array")
    os.unlink(os.path.join(features, "rec_8.npy"))
    np.save(os.path.join(features, "rec_9.npy"), np.zeros((60, 7)))
    np.save(os.path.join(features, "rec_10.npy"), np.load(os.path.join(features, "rec_10.npy"))[:1])
    assert call(["traininfer", "--config", config, "--output", tmp_path / "run", "--allow-missing"] + sets(TINY)) == 0
    errors = capsys.readouterr().err
    assert all(line.startswith("tad: warning: ") for line in errors.splitlines())
    for number in (0, 1, 2, 3, 8, 9, 10):
        assert "rec_%d: " % number in errors
    assert "Traceback" not in errors
    metrics = read_json(tmp_path / "run" / "metrics.json")
    assert metrics["recordings"] == 4 and {"rec_8", "rec_9"} <= set(metrics["recordings_without_detections"])
    assert call(["traininfer", "--config", config, "--output", tmp_path / "strict", "--strict"] + sets(TINY)) == 2


def test_long_recordings_are_windowed_in_bounded_batches(tmp_path, rng):
    config = write_data(tmp_path, rng, recordings=(60, 45, 700))
    settings = load_settings(config, TINY)
    run(settings, str(tmp_path / "run"))
    rows = read_json(tmp_path / "run" / "detections.json")["results"]["rec_2"]
    end = max(row["segment"][1] for row in rows)
    assert 0.8 * 700 * 16 / 25 < end <= 700 * 16 / 25.0 + 0.33


def test_resuming_may_change_what_no_weight_depends_on(tmp_path, rng):
    config = write_data(tmp_path, rng)
    folder = str(tmp_path / "run")
    train_run(load_settings(config, TINY), folder)
    train_run(load_settings(config, TINY + ("postprocess.top_k=3", "dataset.strict=true", "train.log_every=1",
                                            "dataset.cache_mib=0")), folder, resume=True)
    assert load_settings(os.path.join(folder, "config.yaml")).postprocess.top_k == 3
    with pytest.raises(UserError, match="other settings or data .*train.batch"):
        train_run(load_settings(config, TINY + ("train.batch=3",)), folder, resume=True)


def test_resuming_where_every_checkpoint_is_damaged_begins_anew(tmp_path, rng):
    config = write_data(tmp_path, rng)
    folder = str(tmp_path / "run")
    settings = load_settings(config, TINY)
    train_run(settings, folder)
    checkpoints = os.path.join(folder, "checkpoints")
    names = sorted(os.listdir(checkpoints))
    for name in names:
        with open(os.path.join(checkpoints, name), "r+b") as stream:
            stream.truncate(50)
    with pytest.warns(DataWarning, match="is damaged"):
        train_run(settings, folder, resume=True)
    assert sorted(os.listdir(checkpoints)) == sorted(names + [name + ".damaged" for name in names])


def test_infer_on_another_subset_and_with_other_settings(tmp_path, rng):
    config = write_data(tmp_path, rng)
    folder = str(tmp_path / "run")
    train_run(load_settings(config, TINY), folder)
    path, detections, trained = infer_run(folder, subset="training")
    assert set(detections) == {"rec_0", "rec_1", "rec_2"} and path == os.path.join(folder, "detections.json")
    assert not trained.detector.training and trained.classes == ("nod", "wave")
    few = infer_run(folder, str(tmp_path / "few.json"), override=lambda settings: override_settings(
        settings, ["postprocess.top_k=2"]))[1]
    assert len(few["rec_3"].scores) == 2


def test_a_run_draws_few_pictures_and_says_where_all_are(tmp_path, rng, capsys):
    config, folder = write_data(tmp_path, rng, tested=2), str(tmp_path / "run")
    assert call(["traininfer", "--config", config, "--output", folder, "--set", "report.pictures=1"]
                + sets(TINY)) == 0
    said = capsys.readouterr().out
    assert os.listdir(os.path.join(folder, "report")) == ["rec_2.png"]
    assert "all 2 recordings, and why it fails: tad report %s\n" % folder in said
    assert call(["report", folder]) == 0  # a warning, as of a diagnosis of something else, would be an error here
    kept = read_json(os.path.join(folder, "diagnosis.json"))
    assert compare(read_runs([folder], Asked())).results[0].diagnosis == kept


@pytest.mark.parametrize("mode", ["windows", "rescale"])
def test_inference_keeps_the_curves_that_the_report_draws(tmp_path, rng, mode):
    config = write_data(tmp_path, rng, tested=2)
    folder = str(tmp_path / "run")
    train_run(load_settings(config, TINY + ("dataset.mode=" + mode,)), folder)
    path = infer_run(folder)[0]
    drawn = read_runs([folder], Asked())[0].scores
    assert sorted(os.listdir(drawn)) == ["rec_2.npz", "rec_3.npz"]
    for name, snippets in (("rec_2", 50), ("rec_3", 40)):
        found = read_scores(drawn, name)
        assert set(found) == {"times", "actionness", "startness", "endness"}
        if mode == "windows":
            np.testing.assert_allclose(found["times"], (np.arange(snippets) * 16 + 8) / 25.0, atol=1e-4)
        assert all(0 <= found[key].min() < found[key].max() <= 1 for key in found if key != "times")

    def without(settings):
        return override_settings(settings, ["report.curves=false"])

    lone = infer_run(folder, str(tmp_path / "found.json"))[0]
    assert os.path.isdir(str(tmp_path / "found.scores"))
    before = read_json(path)
    assert read_json(lone) == before and read_json(infer_run(folder, override=without)[0]) == before
    assert os.listdir(drawn) == [], "those of an earlier inference"


def test_detections_say_how_they_were_made(tmp_path, rng):
    """The file beside them names checkpoint, changes, and recordings used and left out: enough to make them again."""
    config = write_data(tmp_path, rng, recordings=(60, 45, 50, 40, 40), tested=2)
    os.unlink(str(tmp_path / "features" / "rec_1.npy"))
    os.unlink(str(tmp_path / "features" / "rec_4.npy"))
    folder, output = str(tmp_path / "run"), str(tmp_path / "found.v2.json")
    with pytest.warns(DataWarning):
        train_run(load_settings(config, TINY + ("dataset.allow_missing=true",)), folder)
    trained_on = read_json(os.path.join(folder, "manifest.json"))["recordings"]
    assert trained_on == {"train": ["rec_0", "rec_2"], "left_out": ["rec_1"]}
    with pytest.warns(DataWarning):
        infer_run(folder, output, override=lambda settings: override_settings(settings, ["postprocess.top_k=7"]))
    made = read_json(tmp_path / "found.v2.manifest.json")
    checkpoint = os.path.join(folder, "checkpoints", "step_0000004.npz")
    assert made["checkpoint"] == {"path": checkpoint, "sha256": checksum(checkpoint), "step": 4}
    assert made["changed_settings"] == {"postprocess.top_k": 7}
    assert made["recordings"] == {"test": ["rec_3"], "left_out": ["rec_4"]}
    assert made["detections"] == {output: checksum(output)} and made["versions"] and made["align1d"]["backend"]
    assert set(made["data"]) == {str(tmp_path / "annotations.json"), str(tmp_path / "features")}


def test_a_configuration_names_what_is_not_scored_and_external_scores(tmp_path, rng, capsys):
    config, plain, folder = write_data(tmp_path, rng, tested=2), str(tmp_path / "plain"), str(tmp_path / "run")
    write_json(tmp_path / "scores.json", {name: {"wave": 0.5, "nod": 0.5} for name in ("rec_2", "rec_3")})
    (tmp_path / "blocked.txt").write_text(u"rec_3\n")
    train_run(load_settings(config, TINY), plain)
    infer_run(plain, external=str(tmp_path / "scores.json"))
    with open(config, "a") as stream:
        stream.write("evaluation: {blocked: blocked.txt}\n")
    named = "dataset.external_scores=%s" % (tmp_path / "scores.json")
    assert call(["traininfer", "--config", config, "--output", folder, "--set", named] + sets(TINY)) == 0
    metrics = read_json(os.path.join(folder, "metrics.json"))
    assert metrics["recordings"] == 1 and metrics["handling"]["blocked_recordings"] == 1
    found, wanted = (read_json(os.path.join(each, "detections.json"))["results"] for each in (folder, plain))
    assert found == wanted and set(found) == {"rec_2", "rec_3"}
    assert str(tmp_path / "scores.json") in read_json(os.path.join(folder, "detections.manifest.json"))["data"]
    assert call(["report", folder]) == 0
    capsys.readouterr()
    for key in ("dataset.external_scores", "evaluation.blocked"):
        assert call(["traininfer", "--config", config, "--output", str(tmp_path / "new"), "--set", key + "=no.json"]
                    + sets(TINY)) == 2
        assert "%s: there is no " % key in capsys.readouterr().err and not (tmp_path / "new" / "checkpoints").exists()
    (tmp_path / "blocked.txt").write_text(u"rec_2\nrec_3\n")
    assert call(["traininfer", "--config", config, "--output", str(tmp_path / "new")] + sets(TINY)) == 2
    assert "has no action in subset 'validation' to score against" in capsys.readouterr().err


@pytest.mark.parametrize("detector, classes, warned", [("bmn", ("wave", "nod"), True), ("bsn", ("wave", "nod"), True),
                                                       ("bmn", ("wave",), False)])
def test_labels_that_nothing_decides_are_told_wherever_they_are_made(tmp_path, rng, capsys, detector, classes, warned):
    """Without a class head and without external scores; a single class needs neither."""
    config, run_, feature = write_data(tmp_path, rng, classes), tmp_path / "run", tmp_path / "features" / "rec_3.npy"
    small = sets(SHORT + SMALL[detector] + ("detector=" + detector, detector + ".class_head=false"))
    scores = write_json(tmp_path / "scores.json", {"rec_3": {label: 0.5 for label in classes}})
    given = ["--external-scores", scores]
    predict = ["predict", run_, feature, "--output", tmp_path / "found"]
    for words, arbitrary in ((["train", "--config", config, "--output", run_] + small, True),
                             (["infer", "--checkpoint", run_], True), (["infer", "--checkpoint", run_] + given, False),
                             (predict, True), (predict + given, False), (predict + ["--labels", "wave"], False)):
        capsys.readouterr()
        assert call(words) == 0
        told = capsys.readouterr().err
        assert told.count("labels are arbitrary") == (warned and arbitrary)
        assert (detector + ".class_head=true" in told) == (warned and arbitrary)


def test_inference_takes_the_checkpoint_before_a_damaged_one(tmp_path, rng):
    config = write_data(tmp_path, rng)
    folder = str(tmp_path / "run")
    train_run(load_settings(config, TINY), folder)
    checkpoints = os.path.join(folder, "checkpoints")
    expected = infer_run(os.path.join(checkpoints, "step_0000002.npz"), str(tmp_path / "expected.json"))[0]
    with open(os.path.join(checkpoints, "step_0000004.npz"), "r+b") as stream:
        stream.truncate(rng.randint(1, 3000))
    with pytest.warns(DataWarning, match="step_0000004.npz is damaged.*; taking the one before it"):
        found = infer_run(folder)[0]
    assert read_json(found) == read_json(expected)
    assert sorted(os.listdir(checkpoints)) == ["step_0000002.npz", "step_0000004.npz"]  # nothing is renamed
    with pytest.raises(UserError, match="step_0000004.npz is damaged"):
        infer_run(os.path.join(checkpoints, "step_0000004.npz"))


def test_run_folder(tmp_path):
    assert run_folder(str(tmp_path)) == str(tmp_path)
    assert run_folder(str(tmp_path / "run" / "checkpoints" / "step_0000001.npz")) == str(tmp_path / "run")
    assert run_folder(str(tmp_path / "alone.npz")) == str(tmp_path)
