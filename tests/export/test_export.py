"""``tad export`` as users call it, and the example without PyTorch: its detections are the package's own."""

import hashlib
import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

import tad.export
from tad.config import Settings
from tad.errors import DataWarning, UserError
from tad.pipeline import infer_run, train_run
from tad.postprocess.fusion import Detections, ScoredProposals, fuse
from tad.postprocess.nms import suppress
from tad.settings import load_settings
from tests.export.needs import PACKAGES, needs_export
from tests.export.test_every_graph import exportable
from tests.helpers import ROOT, SHORT, call, read_json, small, tiny_settings, write_data, write_json

EXAMPLE = os.path.join(ROOT, "examples", "onnx_predict.py")
WITHOUT = ("import runpy, sys; sys.modules['torch'] = sys.modules['tad'] = None; sys.argv = sys.argv[1:]; "
           "runpy.run_path(sys.argv[0], run_name='__main__')")


def train(folder, rng, *assignments, detector="deeplab", **data):
    given = SHORT + small(detector, assignments) + ("seed=%d" % rng.randint(1000),)
    settings = load_settings(write_data(folder, rng, **data), given + assignments)
    train_run(settings, os.path.join(str(folder), "run"))
    return os.path.join(str(folder), "run")


def predict_without_torch(folder, *words):
    """Detections by the example, in a process that can import neither torch nor tad."""
    features = os.path.join(str(folder), "features")
    names = sorted(os.listdir(features))
    output = os.path.join(str(folder), "without.json")
    model = os.path.join(str(folder), "run", "model.onnx")
    command = [sys.executable, "-c", WITHOUT, EXAMPLE, model, "--output", output]
    done = subprocess.run(command + list(words) + [os.path.join(features, name) for name in names], cwd=str(folder),
                          env=dict(os.environ, PYTHONPATH="", OMP_NUM_THREADS="1"), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return read_json(output)["results"]


def equal_part(found, expected):
    """Part of the detections that have one of the same label, score and segment on the other side, to 1e-4."""
    same = total = 0
    for name in expected:
        assert len(found[name]) == len(expected[name]) > 0
        rows = np.array([[one["score"]] + one["segment"] for one in found[name]])
        labels = np.array([one["label"] for one in found[name]])
        for other in expected[name]:
            # Segments are written with four digits
            near = np.abs(rows - ([other["score"]] + other["segment"])) <= [1e-4, 1.01e-4, 1.01e-4]
            same += (near.all(axis=1) & (labels == other["label"])).any()
            total += 1
    return same / float(total)


def everything(detector):
    """Without a cut among candidates and without thinning, rounding has no choice between near-ties to decide."""
    uncut = ("%s.candidates=1000" % detector,) if hasattr(getattr(Settings(), detector), "candidates") else ()
    return uncut + ("postprocess.method=none", "postprocess.top_k=100000")


ODD = ("dataset.mode=rescale", "dataset.normalize=false", "dataset.length=41", "postprocess.classes_per_proposal=1")
# Detectors by their own defaults; other settings, data, and words for the example beyond that
KINDS = [(name, (), {}, ()) for name in exportable] + [
    ("deeplab", ODD, dict(classes=("one",), width=2, stride=3, window=8), ()),
    ("deeplab", ("dataset.length=45", "dataset.overlap=0.7", "deeplab.strides=[2,2]", "deeplab.context=0.3",
                 "dataset.fps=null"), dict(width=300, recordings=(60, 60, 60, 60)), ("--duration", "38.4")),
    ("deeplab", ("deeplab.proposal_features=mask", "deeplab.second_stage=cnn", "deeplab.context=0.3"), {}, ()),
    ("deeplab", ("deeplab.actionness=binary", "deeplab.generator=sliding_window", "deeplab.score=regression",
                 "deeplab.end_shift=0.5", "deeplab.boundary_convs=0"), {}, ()),
    ("bmn", ODD + ("bmn.sampling=mask", "bmn.max_duration=40"), dict(classes=("one",), width=2, stride=3, window=8),
     ()),
    ("atss", ODD + ("atss.levels=2", "atss.refine=false"), dict(classes=("one",), width=2, stride=3, window=8), ()),
    ("bmn", ("bmn.sampling=align1d", "bmn.context=0.4", "dataset.length=45"), dict(width=300), ()),
]


@needs_export
@pytest.mark.slow
@pytest.mark.parametrize("detector, assignments, data, words", KINDS)
def test_all_detections_of_the_example_are_the_packages_own(tmp_path, rng, capsys, detector, assignments, data, words):
    folder = train(tmp_path, rng, *(everything(detector) + assignments), detector=detector, **data)
    capsys.readouterr()
    assert call(["export", folder]) == 0
    output = capsys.readouterr()
    assert output.err == "" and "largest" not in output.out and "model.onnx" in output.out
    infer_run(folder, subset="all")
    expected = read_json(os.path.join(folder, "detections.json"))["results"]
    # Not 1: in a network as tiny as this, a clip that hardly changes makes much of float32's rounding
    assert equal_part(predict_without_torch(tmp_path, *words), expected) > 0.99


@needs_export
@pytest.mark.slow
def test_external_scores_take_the_place_of_a_class_head(tmp_path, rng):
    with pytest.warns(DataWarning, match="labels are arbitrary"):
        folder = train(tmp_path, rng, "bmn.class_head=false", "bmn.sampling=mask", "postprocess.external_power=0.7",
                       "postprocess.classes_per_recording=1", *everything("bmn"), detector="bmn")
    tad.export.export_run(folder)
    names = sorted(os.path.splitext(name)[0] for name in os.listdir(str(tmp_path / "features")))
    scores = {name: {"wave": rng.uniform(0.2, 1), "nod": rng.uniform(0.2, 1)} for name in names[1:]}
    scores[names[1]].pop("nod")
    path = write_json(tmp_path / "scores.json", {"results": scores})
    with pytest.warns(DataWarning) as told:
        infer_run(folder, subset="all", external=path)
    assert [words for one in told for words in ("no scores for these recordings", "labels are arbitrary")
            if words in str(one.message)] == ["no scores for these recordings", "labels are arbitrary"]
    expected = read_json(os.path.join(folder, "detections.json"))["results"]
    assert equal_part(predict_without_torch(tmp_path, "--external-scores", path), expected) > 0.99


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with data, a run, and its exported model."""
    folder = tmp_path_factory.mktemp("exported")
    tad.export.export_run(train(folder, np.random.RandomState(), recordings=(60, 45, 90, 40)))
    return folder


@needs_export
@pytest.mark.slow
def test_the_usual_way_of_thinning_too(exported):
    """Here rounding may decide which of two near-ties thins the other, but not often."""
    infer_run(str(exported / "run"), subset="all")
    expected = read_json(str(exported / "run" / "detections.json"))["results"]
    assert equal_part(predict_without_torch(exported), expected) > 0.9


@needs_export
@pytest.mark.slow
def test_what_is_written(exported):
    """A valid model with the documented inputs and outputs and no path of this machine; its checksum beside it."""
    import onnx
    content = (exported / "run" / "model.onnx").read_bytes()
    model = onnx.load_model_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    shapes = {value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
              for values in (model.graph.input, model.graph.output) for value in values}
    assert shapes == {"features": ["batch", 5, "length"], "valid": ["batch"], "segments": ["batch", 60, 2],
                      "classes": ["batch", 60, 2], "boundaries": ["batch", 60], "tiou": ["batch", 60],
                      "completeness": ["batch", 60], "count": ["batch"]}
    assert {entry.domain for entry in model.opset_import} == {""} and ROOT.encode() not in content
    settings = read_json(str(exported / "run" / "model.json"))
    assert settings["sha256"] == hashlib.sha256(content).hexdigest() and settings["outputs"] == list(shapes)[2:]
    assert settings["classes"] == ["wave", "nod"] or settings["classes"] == ["nod", "wave"]
    assert settings["clips"]["shortest"] == 16 and settings["checked"]["lengths"] == [32, 16, 17, 39]
    assert not [name for name in os.listdir(str(exported / "run")) if name.startswith(".")]


@needs_export
@pytest.mark.slow
def test_a_model_with_one_wrong_bias_is_not_written(exported, tmp_path, monkeypatch, capsys):
    import onnx
    model = onnx.load(str(exported / "run" / "model.onnx"))
    bias, = (entry for entry in model.graph.initializer if entry.name == "network.snippet_head.offsets.bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32([0, 0.05]), bias.name))
    monkeypatch.setattr(tad.export, "to_onnx", lambda *ignored: model)
    output = tmp_path / "out" / "m.onnx"
    assert call(["export", exported / "run", "--output", output]) == 2
    assert "nothing was written" in capsys.readouterr().err
    assert os.listdir(str(tmp_path / "out")) == []


@needs_export
@pytest.mark.slow
def test_settings_can_be_changed_and_folders_made(exported, tmp_path, monkeypatch, capsys):
    import onnx
    model = onnx.load(str(exported / "run" / "model.onnx"))
    monkeypatch.setattr(tad.export, "to_onnx", lambda *ignored: model)
    output = tmp_path / "new folder" / "m.onnx"
    assert call(["export", exported / "run", "--output", output, "--set", "postprocess.top_k=7"]) == 0
    assert read_json(str(output)[:-5] + ".json")["postprocess"]["top_k"] == 7
    assert sorted(os.listdir(str(output.parent))) == ["m.json", "m.onnx"]


def test_mistakes_are_told_in_one_sentence(tmp_path, rng, capsys, monkeypatch):
    assert call(["export", str(tmp_path), "--output", "model.pb"]) == 2
    assert "must end in .onnx" in capsys.readouterr().err
    monkeypatch.setattr(tad.export, "check_packages", lambda: None)
    assert call(["export", str(tmp_path)]) == 2
    assert "holds no checkpoint" in capsys.readouterr().err
    folder = train(tmp_path, rng)
    assert call(["export", folder, "--set", "deeplab.candidates=0"]) == 2
    assert "deeplab.candidates" in capsys.readouterr().err
    (tmp_path / "taken.onnx").mkdir()
    assert call(["export", folder, "--output", str(tmp_path / "taken.onnx")]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    from tad.export.convert import check_packages
    monkeypatch.setattr("tad.export.convert.exports_onnx", lambda: False)
    with pytest.raises(UserError, match="needs PyTorch 2.6 or newer.*checkpoint from any PyTorch.*pip install"):
        check_packages()
    monkeypatch.setattr("tad.export.convert.exports_onnx", lambda: True)
    for name in PACKAGES:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match="cannot import onnx .*pip install onnx onnxscript onnxruntime"):
        check_packages()


def load_example():
    pytest.importorskip("onnxruntime")
    spec = importlib.util.spec_from_file_location("onnx_predict", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_reads_every_setting_of_the_postprocessing():
    with open(EXAMPLE, encoding="utf-8") as stream:
        content = stream.read()
    for name in vars(tiny_settings().postprocess):
        assert 'settings["%s"]' % name in content, "examples/onnx_predict.py does not know postprocess.%s" % name


@pytest.mark.parametrize("assignments", [
    (), ("postprocess.class_power=0.6", "postprocess.boundary_power=2"), ("postprocess.classes_per_recording=2",),
    ("postprocess.external_power=0.3", "postprocess.classes_per_proposal=9", "postprocess.classes_per_recording=1"),
    ("postprocess.tiou_power=0", "postprocess.completeness_power=1.5", "postprocess.min_score=0.3")])
@pytest.mark.parametrize("external", [False, True])
def test_the_example_fuses_as_the_package_does(rng, external, assignments):
    example = load_example()
    settings = tiny_settings(*assignments).postprocess
    proposals = ScoredProposals(rng.uniform(0, 9, (30, 2)), rng.uniform(size=(30, 5)), *rng.uniform(size=(3, 30)))
    # Two classes are equally likely, and one not at all
    scores = np.array([0.7, 0.9, 0.0, 0.9, 0.2]) if external else None
    expected = fuse(proposals, settings, scores)
    found = example.fuse(proposals[:5], vars(settings), scores)
    assert len(expected.scores) > 0
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("method, threshold", [("soft_nms", 0), ("soft_nms", 0.4), ("nms", 0), ("none", 0)])
@pytest.mark.parametrize("per_class", [True, False])
def test_the_example_thins_as_the_package_does(rng, method, threshold, per_class):
    example = load_example()
    for count in (0, 1, 300):
        segments = np.sort(rng.uniform(0, 40, (count, 2)), axis=1)
        segments[:count // 10, 1] = segments[:count // 10, 0]
        detections = Detections(segments, rng.randint(0, 3, count), rng.uniform(size=count))
        settings = tiny_settings("postprocess.method=%s" % method, "postprocess.per_class=%s" % str(per_class).lower(),
                                 "postprocess.top_k=50", "postprocess.min_score=0.01",
                                 "postprocess.soft_threshold=%g" % threshold).postprocess
        expected = suppress(detections, settings)
        found = example.thin(*detections, settings=dict(vars(settings), most_compared=4000))
        for one, other in zip(found, expected):
            np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_the_example_says_in_one_sentence_what_it_cannot_read(tmp_path, content):
    path = tmp_path / "rec.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit, match="cannot read .*rec.npy: "):
        load_example().read_features(str(path), {"features": {"channels": 3}})


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"rec": 3}', b'{"rec": {"wave": "high"}}', b"\xff", None])
def test_the_example_says_which_external_scores_it_cannot_read(tmp_path, content):
    path = tmp_path / "scores.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit, match="cannot read external scores from .*scores.json: "):
        load_example().read_external(str(path), ["wave"])
