"""The command line: each mistake is one sentence on stderr with exit code 2, and nothing is lost by it."""

import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from tad.commands.common import shipped_configs
from tad.commands.demo import free_folder
from tests.helpers import TINY, call, change_json, environment, read_json, sets, start_process, write_data, write_json


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder with data, ``my.yaml`` and a finished ``run``."""
    folder = tmp_path_factory.mktemp("finished")
    config = write_data(folder, np.random.RandomState(0))
    assert call(["train", "--config", config, "--output", folder / "run"] + sets(TINY)) == 0
    return folder


@pytest.fixture
def place(finished, tmp_path, monkeypatch):
    """A copy of it to spoil, as the working folder."""
    target = tmp_path / "place"
    shutil.copytree(str(finished), str(target))
    monkeypatch.chdir(str(target))
    return target


def write(path, text):
    with open(path, "wb") as stream:
        stream.write(text if isinstance(text, bytes) else text.encode("utf-8"))


def database(change):
    change_json("annotations.json", lambda document: change(document["database"]))


def save_all(array_of):
    for name in os.listdir("features"):
        np.save(os.path.join("features", name), array_of(np.load(os.path.join("features", name))))


def empty_folder(path):
    shutil.rmtree(path)
    os.mkdir(path)


def truncate_checkpoints():
    for name in os.listdir(os.path.join("run", "checkpoints")):
        with open(os.path.join("run", "checkpoints", name), "r+b") as stream:
            stream.truncate(1000)


def detections(**changes):
    entry = dict({"label": "nod", "score": 0.5, "segment": [1, 2]}, **changes)
    write_json("found.json", {"results": {"rec_3": [entry]}})


TRAIN = ["train", "--config", "my.yaml", "--output", "new"] + sets(TINY)
RESUME = TRAIN[:4] + ["run"] + TRAIN[5:] + ["--resume", "auto"]
# The run remembers where its data was; the copy's data is here
INFER = ["infer", "--checkpoint", "run", "--set", "dataset.annotations=annotations.json",
         "--set", "dataset.features=features"]
EVAL = ["eval", "--ground-truth", "annotations.json", "--detections", "found.json", "--subset", "validation"]


def nothing():
    pass


# what is done to the folder, the command, words of the sentence
MISTAKES = {
    "no config": (nothing, ["train", "--config", "nowhere.yaml"], ["nowhere.yaml", "shipped one", "mocap6"]),
    "config is a folder": (nothing, ["train", "--config", "features"], ["features", "Is a directory"]),
    "bad YAML": (lambda: write("my.yaml", "dataset: ["), TRAIN, ["my.yaml", "not valid YAML"]),
    "unknown key": (lambda: write("my.yaml", "dataset:\n  feature: x\n"), TRAIN,
                    ["my.yaml", "dataset.feature", "did you mean 'dataset.features'"]),
    "unknown key in --set": (nothing, TRAIN + ["--set", "train.step=5"], ["train.step", "train.steps"]),
    "wrong type": (nothing, TRAIN + ["--set", "train.steps=many"], ["train.steps", "whole number", "many"]),
    "out of range": (nothing, TRAIN + ["--set", "dataset.overlap=2"], ["dataset.overlap", "at most 0.9"]),
    "--set without a value": (nothing, TRAIN + ["--set", "train.steps"], ["key=value"]),
    "no annotations": (lambda: os.unlink("annotations.json"), TRAIN, ["dataset.annotations", "annotations.json"]),
    "annotations not set": (lambda: write("my.yaml", ""), TRAIN, ["is not set", "--set dataset."]),
    "annotations not JSON": (lambda: write("annotations.json", "id,start\n"), TRAIN, ["annotations.json", "JSON"]),
    "annotations are binary": (lambda: write("annotations.json", b"\x80\xff"), TRAIN, ["annotations.json", "UTF-8"]),
    "empty database": (lambda: write("annotations.json", '{"database": {}}'), TRAIN, ["annotations.json", "empty"]),
    "no such training subset": (nothing, TRAIN + ["--set", "dataset.train_subset=train"],
                                ["annotations.json", "'train'", "'training'"]),
    "no such test subset": (nothing, ["traininfer"] + TRAIN[1:] + ["--set", "dataset.test_subset=test"],
                            ["annotations.json", "'test'", "'validation'"]),
    "no such subset to infer": (nothing, INFER + ["--subset", "test"], ["annotations.json", "'test'", "'validation'"]),
    "nothing to learn": (lambda: database(lambda d: [entry.update(annotations=[]) for entry in d.values()]), TRAIN,
                         ["annotations.json", "no annotated action", "'training'"]),
    "nothing to score against": (lambda: database(lambda d: d["rec_3"].update(annotations=[])),
                                 ["traininfer"] + TRAIN[1:], ["no action", "'validation'"]),
    "no features to score": (lambda: os.unlink("features/rec_3.npy"), ["traininfer"] + TRAIN[1:],
                             ["features", "'validation'", "rec_3"]),
    "empty features": (lambda: empty_folder("features"), TRAIN, ["features", ".npy"]),
    "no features": (lambda: shutil.rmtree("features"), TRAIN, ["dataset.features", "features"]),
    "features of no known kind": (lambda: write("f.txt", "1"), TRAIN + ["--set", "dataset.features=f.txt"],
                                  ["f.txt", "folder"]),
    "features not HDF5": (lambda: write("f.h5", "1"), TRAIN + ["--set", "dataset.features=f.h5"], ["f.h5"]),
    "names that do not match": (lambda: [os.rename(os.path.join("features", name), os.path.join("features", "x" + name))
                                         for name in os.listdir("features")], TRAIN, ["none of the 3", "rec_0"]),
    "all features NaN": (lambda: save_all(lambda array: array * np.nan), TRAIN, ["none of the 3 recordings"]),
    "all of another width": (lambda: save_all(lambda array: array[:, :4]), INFER, ["none of the 1 recordings"]),
    "strict": (lambda: database(lambda d: d["rec_1"]["annotations"].append({"segment": [5, 2], "label": "nod"})),
               TRAIN + ["--strict"], ["rec_1", "reversed; stopped by --strict, without it: left out"]),
    "duration not a number": (lambda: database(lambda d: d["rec_1"].update(duration="long")), TRAIN,
                              ["annotations.json", "rec_1", "duration", "long"]),
    "proposals longer than windows": (nothing, TRAIN + ["--set", "deeplab.max_duration=99"], ["max_duration"]),
    "no checkpoint file": (nothing, ["infer", "--checkpoint", "nowhere"], ["nowhere"]),
    "folder without checkpoints": (nothing, ["infer", "--checkpoint", "features"], ["features", "holds no checkpoint"]),
    "damaged checkpoint": (truncate_checkpoints, INFER, ["step_0000002.npz", "damaged"]),
    "damaged checkpoint given": (truncate_checkpoints, ["infer", "--checkpoint", "run/checkpoints/step_0000004.npz"],
                                 ["step_0000004.npz", "damaged"]),
    "checkpoint of another program": (lambda: write("other.pth", b"PK\x03\x04"), ["infer", "--checkpoint", "other.pth"],
                                      ["other.pth", "not a checkpoint"]),
    "checkpoint that does not fit": (nothing, INFER + ["--set", "deeplab.width=16"], ["does not fit"]),
    "null at inference": (nothing, INFER + ["--set", "dataset.length=null"], ["dataset.length", "null"]),
    "output is a file": (lambda: write("new", ""), TRAIN, ["new", "choose another output"]),
    "output below a file": (lambda: write("file", ""), TRAIN[:4] + ["file/run"] + TRAIN[5:],
                            ["file", "choose another output"]),
    "output of infer is a folder": (nothing, INFER + ["--output", "features"], ["features", "folder"]),
    "trained already": (nothing, TRAIN[:4] + ["run"] + TRAIN[5:], ["run", "--resume auto", "--output"]),
    "damaged and not resumed": (truncate_checkpoints, TRAIN[:4] + ["run"] + TRAIN[5:], ["run", "--resume auto"]),
    "resumed with other settings": (nothing, RESUME + ["--set", "seed=5"], ["run", "other settings", "seed"]),
    "resumed with other data": (lambda: save_all(lambda array: array + 1), RESUME, ["run", "the mean of the data"]),
    "resumed with other actions": (lambda: database(lambda d: d["rec_0"]["annotations"].pop()), RESUME,
                                   ["run", "the actions of the data"]),
    "actions without features only": (lambda: (os.unlink("features/rec_2.npy"), database(
        lambda d: [d[name].update(annotations=[]) for name in ("rec_0", "rec_1")])), TRAIN + ["--allow-missing"],
                                      ["none of the 2 training recordings", "shows an action"]),
    "absent GPU": (nothing, TRAIN + ["--set", "device=cuda:7"], ["cuda:7", "device=cpu"]),
    "absent GPU for infer": (nothing, INFER + ["--set", "device=cuda:7"], ["cuda:7", "device=cpu"]),
    "no device": (nothing, TRAIN + ["--set", "device=tpu"], ["'tpu'", "auto, cpu or cuda:N"]),
    "tiou": (detections, EVAL + ["--tiou", "half"], ["tIoU", "0.3:0.1:0.7", "'half'"]),
    "tiou before training": (nothing, ["traininfer"] + TRAIN[1:] + ["--set", "evaluation.tiou=2"], ["tIoU", "'2'"]),
    "detections absent": (nothing, EVAL, ["found.json", "No such file"]),
    "detections not JSON": (lambda: write("found.json", "{"), EVAL, ["found.json", "JSON"]),
    "detections without results": (lambda: write("found.json", "{}"), EVAL, ["found.json", "results"]),
    "detections not a list": (lambda: write_json("found.json", {"results": {"rec_3": {}}}), EVAL, ["rec_3", "list"]),
    "NaN score": (lambda: detections(score=float("nan")), EVAL, ["found.json", "rec_3", "score", "nan"]),
    "segment of one number": (lambda: detections(segment=[1]), EVAL, ["found.json", "rec_3", "segment"]),
    "several subsets": (detections, EVAL[:-2], ["annotations.json", "--subset", "training, validation"]),
    "metrics below a file": (lambda: (detections(), write("file", "")), EVAL + ["--output", "file/m.json"], ["file"]),
    "no command": (nothing, [], ["COMMAND"]),
    "unknown command": (nothing, ["trian"], ["trian", "traininfer"]),
    "config not given": (nothing, ["train"], ["--config"]),
    "resume in another way": (nothing, TRAIN + ["--resume", "never"], ["--resume", "never", "auto"]),
    "seed of the demo": (nothing, ["demo", "--seed", "-1"], ["seed", "at least 0"]),
}


def snapshot(folder):
    found = {}
    for place, _, names in os.walk(str(folder)):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as stream:
                found[os.path.relpath(path, str(folder))] = stream.read()
    return found


@pytest.mark.parametrize("kind", sorted(MISTAKES))
def test_a_mistake_is_one_sentence_and_loses_nothing(place, capsys, kind):
    spoil, arguments, words = MISTAKES[kind]
    spoil()
    before = snapshot(place)
    assert call(arguments) == 2
    output = capsys.readouterr()
    told = [line for line in output.err.splitlines() if not line.startswith("tad: warning: ")]
    assert len(told) == 1 and told[0].startswith("tad: ")
    for word in words:
        assert word in told[0]
    assert "Traceback" not in output.err + output.out
    assert snapshot(place) == before


@pytest.mark.parametrize("command", [TRAIN, ["traininfer"] + TRAIN[1:], ["infer", "--checkpoint", "run"]])
def test_the_device_is_an_option_of_every_command_that_computes(place, capsys, command):
    """Short for the setting of the same name, and it counts more."""
    assert call(command + ["--device", "cuda:99"]) == 2
    assert "'cuda:99'" in capsys.readouterr().err
    assert call(command + ["--set", "device=cuda:99", "--device", "cpu"]) == 0


def test_unknown_labels_in_detections_are_a_warning(place, capsys):
    detections(label="fly")
    assert call(EVAL) == 0
    output = capsys.readouterr()
    assert output.err.startswith("tad: warning: ") and "'fly'" in output.err and "counted for nothing" in output.err
    assert "mAP" in output.out


def test_a_problem_is_told_once_although_several_steps_meet_it(place, capsys):
    database(lambda d: d["rec_3"]["annotations"].append({"segment": [3, 3], "label": "nod"}))
    assert call(["traininfer", "--config", "my.yaml", "--output", "new"] + sets(TINY)) == 0
    assert capsys.readouterr().err.count("zero length") == 1


@pytest.mark.parametrize("arguments, words", [
    (["infer", "--checkpoint", "nowhere"], "tad: there is no run folder or checkpoint nowhere\n"),
    (["eval", "--ground-truth", "nowhere.json", "--detections", "x"], "tad: cannot read the annotations nowhere.json: "
                                                                      "No such file or directory\n"),
])
def test_a_real_process_ends_in_the_same_way(tmp_path, arguments, words):
    process = start_process(arguments, tmp_path)
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, output, errors) == (2, "", words)


def test_scoring_needs_no_pytorch(tmp_path):
    """``tad eval`` must work, and start at once, where PyTorch is broken or absent."""

    write_json(tmp_path / "a.json", {"database": {"r": {"subset": "t", "annotations": [
        {"segment": [0, 1], "label": "x"}]}}})
    write_json(tmp_path / "d.json", {"results": {"r": [{"segment": [0, 1], "label": "x", "score": 1}]}})
    code = ("import sys; sys.modules['torch'] = None; from tad.cli import main; "
            "sys.exit(main(['eval', '--ground-truth', 'a.json', '--detections', 'd.json', '--output', 'm.json']))")
    subprocess.check_call([sys.executable, "-c", code], cwd=str(tmp_path), env=environment())
    assert read_json(tmp_path / "m.json")["average_mAP"] == 1.0


def test_labels_that_the_terminal_cannot_write_do_not_break_the_end(tmp_path):
    write_json(tmp_path / "a.json", {"database": {"r": {"annotations": [{"segment": [0, 1], "label": "\u65e5"}]}}})
    write_json(tmp_path / "d.json", {"results": {}})
    command = [sys.executable, "-m", "tad", "eval", "--ground-truth", "a.json", "--detections", "d.json"]
    process = subprocess.Popen(command, cwd=str(tmp_path), env=dict(environment(), PYTHONIOENCODING="ascii"),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, b"") and b"\\u65e5" in output


def test_help_and_version_for_every_command(capsys):
    for command in ([], ["train"], ["traininfer"], ["infer"], ["eval"], ["predict"], ["demo"], ["doctor"], ["data"],
                    ["data", "synthesize"]):
        assert call(command + ["--help"]) == 0
        assert "usage: tad" in capsys.readouterr().out
    assert call(["--version"]) == 0


def test_the_demo_takes_a_folder_of_its_own(tmp_path):
    path = str(tmp_path / "demo")
    assert free_folder(path) == path
    os.mkdir(path)
    assert free_folder(path) == path + "-2"
    os.mkdir(path + "-2")
    assert free_folder(path) == path + "-3"


def test_shipped_configurations_are_found_by_name():
    assert "mocap6" in shipped_configs()


def test_hdf5_and_outputs_in_other_places(place, capsys):
    with h5py.File("f.h5", "w") as archive:
        for name in os.listdir("features"):
            archive[name[:-4]] = np.load(os.path.join("features", name))
    assert call(INFER + ["--set", "dataset.features=f.h5", "--output", "deep/er/found.json"]) == 0
    assert call(INFER) == 0
    assert read_json("deep/er/found.json") == read_json("run/detections.json")
    shutil.copy("run/checkpoints/step_0000004.npz", "alone.npz")
    assert call(["infer", "--checkpoint", "alone.npz"]) == 0
    assert read_json("detections.json") == read_json("run/detections.json")
    assert call(["infer", "--checkpoint", "run/checkpoints/step_0000002.npz", "--output", "older.json"]) == 0
    assert "detections in 1 recordings" in capsys.readouterr().out
