"""``tad reproduce``: the same comes out again; and what does not is named: setting, file, version, step, weight."""

import os
import shutil

import numpy as np
import pytest
import torch

from tad.engine.checkpoint import read_checkpoint, step_path, write_checkpoint
from tests.helpers import TINY, call, change_json, read_json, sets, write_data

SEED = 5


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run; each test works on a copy of its folder."""
    folder = tmp_path_factory.mktemp("made")
    config = write_data(folder, np.random.RandomState(SEED))
    assert call(["traininfer", "--config", config, "--output", folder / "run"] + sets(TINY)) == 0
    return folder


@pytest.fixture
def run(made, tmp_path):
    """The run folder, beside the very data that it was made from."""
    write_data(made, np.random.RandomState(SEED))
    shutil.copytree(str(made / "run"), str(tmp_path / "run"))
    return tmp_path / "run"


def reproduce(capsys, run, *more):
    """Exit code and lines of output."""
    capsys.readouterr()
    code = call(["reproduce", run] + list(more))
    told = capsys.readouterr()
    return code, told.out.splitlines(), told.err


def test_the_same_comes_out_bitwise(capsys, run):
    code, lines, errors = reproduce(capsys, run)
    assert code == 0, (lines, errors)
    assert lines[0] == "settings, data and environment are as they were"
    assert [line.split(":")[0].split() for line in lines[1:5]] == [
        [part, "equal"] for part in ("losses", "weights", "detections", "metrics")]
    assert lines[5] == "equal: everything that was compared is bitwise the same"
    report = read_json(str(run) + "-again/reproduction.json")
    assert report["verdict"] == "equal" and report["conditions"] == [] and set(report["parts"]) == {
        "losses", "weights", "detections", "metrics"}
    assert read_json(run / "detections.json") == read_json(str(run) + "-again/detections.json")


def test_a_run_of_another_seed_is_told_with_step_and_weight(capsys, run):
    """As if chance had been other in the original: settings agree, losses and weights do not."""
    other = str(run) + "-other"
    config = os.path.join(str(run), "config.yaml")
    assert call(["traininfer", "--config", config, "--output", other, "--set", "seed=99"]) == 0
    for name in ("tensorboard", "checkpoints"):
        shutil.rmtree(os.path.join(str(run), name))
        shutil.copytree(os.path.join(other, name), os.path.join(str(run), name))
    path = step_path(os.path.join(str(run), "checkpoints"), 4)
    found = read_checkpoint(path)
    settings = dict(found.meta["settings"], seed=0)
    write_checkpoint(path, found._replace(meta=dict(found.meta, settings=settings)))
    code, lines, _ = reproduce(capsys, run)
    assert code == 1
    assert "losses      different: the losses part in or before step 2" in lines[1]
    assert "weights     different: the first that differs is " in lines[2]
    assert any(line.startswith("different: more than 1e-05 apart") for line in lines)


@pytest.mark.parametrize("size, code, verdict", [(1e-7, 0, "close"), (0.5, 1, "different")])
def test_a_weight_that_differs_is_named_and_judged_by_the_tolerance(capsys, run, size, code, verdict):
    path = step_path(os.path.join(str(run), "checkpoints"), 4)
    checkpoint = read_checkpoint(path)
    name = sorted(name for name in checkpoint.tensors if name.startswith("model/"))[3]
    changed = checkpoint.tensors[name].clone().double()
    changed.view(-1)[0] += size
    assert not torch.equal(changed.float(), checkpoint.tensors[name])
    write_checkpoint(path, checkpoint._replace(tensors=dict(checkpoint.tensors, **{name: changed.float()})))
    found, lines, _ = reproduce(capsys, run, "--tolerance", "1e-5")
    assert found == code
    assert "weights     %s: the first that differs is %s;" % (verdict, name) in "\n".join(lines)


def test_a_changed_data_file_is_named_before_anything_runs(capsys, run, made):
    spoiled = str(made / "features" / "rec_1.npy")
    np.save(spoiled, np.load(spoiled) + 1)
    code, lines, _ = reproduce(capsys, run)
    assert (code, lines) == (1, ["not as it was: data %s: has changed" % spoiled,
                                 "different: data %s: has changed; --anyway runs it all the same" % spoiled])
    assert not os.path.exists(str(run) + "-again")
    code, lines, _ = reproduce(capsys, run, "--anyway")
    assert code == 1 and any(line.startswith("weights     different") for line in lines)


def test_files_that_vanished_or_appeared_are_named(capsys, run, made):
    os.rename(str(made / "features" / "rec_0.npy"), str(made / "features" / "rec_9.npy"))
    code, lines, _ = reproduce(capsys, run, "--check")
    os.unlink(str(made / "features" / "rec_9.npy"))
    assert code == 1
    assert any(line.endswith("rec_0.npy: is missing") for line in lines)
    assert any(line.endswith("rec_9.npy: is new") for line in lines)


def test_a_changed_setting_is_named(capsys, run):
    config = os.path.join(str(run), "config.yaml")
    with open(config) as stream:
        text = stream.read()
    with open(config, "w") as stream:
        stream.write(text.replace("dropout: 0.2", "dropout: 0.4"))
    code, lines, _ = reproduce(capsys, run)
    assert code == 1
    assert lines[0] == "not as it was: setting deeplab.dropout: 0.4, and was 0.2"


def test_another_environment_is_named_and_no_obstacle(capsys, run):
    def change(manifest):
        manifest["versions"]["numpy"] = "1.0"
        manifest["machine"]["processor"] = "abacus"
        manifest["flags"]["environment"]["OMP_STRANGE"] = "1"

    change_json(run / "manifest.json", change)
    code, lines, _ = reproduce(capsys, run)
    assert code == 0
    assert "not as it was: version of numpy: %s, and was 1.0" % np.__version__ in lines
    assert any(line.endswith("and was abacus") for line in lines)
    assert "not as it was: variable OMP_STRANGE: not set, and was 1" in lines


def test_manifests_of_before_are_read(capsys, run):
    def older(manifest):
        for key in ("flags", "files"):
            del manifest[key]
        for key in ("PyYAML", "tqdm", "tensorboardX", "scipy", "hdf5", "cudnn"):
            del manifest["versions"][key]
        del manifest["machine"]["driver"]

    change_json(run / "manifest.json", older)
    change_json(run / "detections.manifest.json", lambda manifest: manifest.pop("asked"))
    code, lines, _ = reproduce(capsys, run)
    assert code == 0 and lines[0] == "settings, data and environment are as they were"


def test_data_may_have_moved(capsys, run, made, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(str(made / "features"), str(moved))
    code, lines, _ = reproduce(capsys, run, "--set", "dataset.features=%s" % moved)
    assert code == 0 and lines[0] == "settings, data and environment are as they were"


def test_threads_are_those_of_then(capsys, run):
    change_json(run / "manifest.json", lambda manifest: manifest["machine"].update(threads=2))
    before = torch.get_num_threads()
    try:
        code, _, _ = reproduce(capsys, run, "--check")
        assert code == 0 and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_what_cannot_be_repeated_is_one_sentence(capsys, run, tmp_path):
    for spoil, words in (
            (lambda: os.unlink(step_path(os.path.join(str(run), "checkpoints"), 4)), "ended at step 2 of 4"),
            (lambda: shutil.rmtree(os.path.join(str(run), "checkpoints")), "holds no checkpoint"),
            (lambda: (run / "manifest.json").write_text("[1]"), "is no manifest of a run"),
            (lambda: (run / "manifest.json").write_text("{"), "is not valid JSON"),
            (lambda: os.unlink(str(run / "manifest.json")), "no run folder that can be repeated")):
        spoil()
        code, lines, errors = reproduce(capsys, run)
        assert code == 2 and words in errors and errors.count("\n") == 1, errors
    assert call(["reproduce", tmp_path / "absent"]) == 2
