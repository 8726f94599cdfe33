"""Processes that share a training and an inference: the losses of one process, the same detections, clean ends."""

import contextlib
import dataclasses
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch

from tad import pipeline
from tad.config import DETECTORS, Settings
from tad.engine.checkpoint import saved_steps
from tad.engine.joining import VARIABLES, joined, read_variables
from tad.engine.losslog import read_losses
from tad.engine.ranks import ALONE, Ranks
from tad.errors import UserError
from tad.files import write_json
from tests.helpers import ROOT, SHORT, SMALL, environment, read_json, sets, write_data
from tests.processes import Running

STEPS = 12
SETTINGS = SHORT + ("train.steps=%d" % STEPS, "train.batch=5", "train.log_every=1", "train.checkpoint_every=4",
                    "threads=1")
tells_signals = pytest.mark.skipif(sys.version_info < (3, 7), reason="the process server of Python 3.6 does not tell "
                                   "by which signal a process ended")


def in_float64():
    """Let a process train in float64. In float32 the order of sums changes last bits, which a training amplifies."""
    build, from_numpy = pipeline.build_detector, torch.from_numpy
    torch.set_default_dtype(torch.float64)
    pipeline.build_detector = lambda *words: build(*words).double()
    torch.from_numpy = lambda array: from_numpy(array.astype(np.float64) if array.dtype == np.float32 else array)


class Rank(object):
    """Makes a process one of several, by the variables that torchrun sets."""

    def __init__(self, rank, count, port, before=in_float64):
        self.variables = dict(zip(VARIABLES, (str(rank), str(count), str(rank), "127.0.0.1", str(port))))
        self.before = before

    def __call__(self):
        os.environ.update(self.variables)
        self.before()


def in_float32():
    """As it is."""


def free_port():
    with contextlib.closing(socket.socket()) as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def begin(folder, count, *words, before=in_float64):
    """``tad`` with the same words in ``count`` ranks."""
    port = free_port()
    return [Running(words, folder, Rank(rank, count, port, before)) for rank in range(count)]


def finish(ranks):
    """Exit codes, and all that the ranks said, line by line."""
    found = [running.finish() for running in ranks]
    return [code for code, _ in found], [line for _, text in found for line in text.splitlines()]


def no_dropout(detector):
    section = next(field.default_factory() for field in dataclasses.fields(Settings) if field.name == detector)
    return ["%s.%s=0" % (detector, field.name) for field in dataclasses.fields(section) if "dropout" in field.name]


def training(run, detector, *assignments):
    return ["train", "--config", "my.yaml", "--output", run] + sets(
        SETTINGS + SMALL[detector] + ("detector=" + detector,) + tuple(no_dropout(detector)) + assignments)


def losses(folder, run):
    return read_losses(str(folder / run / "tensorboard"))


def assert_same_losses(found, expected, steps=STEPS):
    assert sorted(found) == sorted(expected) == list(range(1, STEPS + 1))
    for step in range(1, steps + 1):
        assert set(found[step]) == set(expected[step])
        for name, value in expected[step].items():
            assert found[step][name] == pytest.approx(value, rel=1e-5, abs=1e-5), (step, name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data, and a training by one process, ``one-DETECTOR``, for each that was asked for."""
    place = tmp_path_factory.mktemp("ranks")
    write_data(place, np.random.RandomState(int.from_bytes(os.urandom(4), "little")), tested=3,
               recordings=(60, 45, 50, 40, 90, 20))
    return place


def trained_alone(folder, detector="deeplab"):
    run = "one-" + detector
    if not (folder / run).exists():
        assert Running(training(run, detector), folder, in_float64).finish() == (0, "")
    return losses(folder, run)


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("count", [2, 3])
def test_losses_are_those_of_one_process(folder, detector, count):
    """Five clips a step, so that the ranks' shares differ in size."""
    expected = trained_alone(folder, detector)
    run = "%d-%s" % (count, detector)
    assert finish(begin(folder, count, *training(run, detector))) == ([0] * count, [])
    assert_same_losses(losses(folder, run), expected)
    manifest = read_json(folder / run / "manifest.json")["ranks"]
    assert manifest["count"] == count == len(manifest["places"])
    assert saved_steps(str(folder / run / "checkpoints")) == [STEPS, STEPS - 4]
    assert len(os.listdir(str(folder / run / "tensorboard"))) == 1


def test_losses_with_drawn_neighbours_are_those_of_one_process(folder):
    """The proposals of a clip are neighbours of each other alone, and drawn by the clip's own numbers."""
    words = "deeplab.second_stage=graph", "deeplab.sampled_neighbours=2"
    assert Running(training("graph", "deeplab", *words), folder, in_float64).finish() == (0, "")
    assert finish(begin(folder, 2, *training("graph-2", "deeplab", *words))) == ([0, 0], [])
    assert_same_losses(losses(folder, "graph-2"), losses(folder, "graph"))


def test_losses_in_float32_begin_as_those_of_one_process(folder):
    assert Running(training("float32", "deeplab"), folder).finish() == (0, "")
    assert finish(begin(folder, 2, *training("float32-2", "deeplab"), before=in_float32)) == ([0, 0], [])
    assert_same_losses(losses(folder, "float32-2"), losses(folder, "float32"), steps=3)


@pytest.mark.parametrize("count", [2, 4])
def test_detections_and_metrics_are_those_of_one_process(folder, count):
    """More ranks than recordings too."""
    trained_alone(folder)
    run = str(folder / "one-deeplab")
    words = ["infer", "--checkpoint", run, "--set", "report.curves=true", "--output"]
    assert Running(words + ["alone.json"], folder).finish() == (0, "")
    assert finish(begin(folder, count, *(words + ["%d.json" % count]), before=in_float32)) == ([0] * count, [])
    assert (folder / ("%d.json" % count)).read_bytes() == (folder / "alone.json").read_bytes()
    assert len(read_json(folder / "alone.json")["results"]) == 3
    assert sorted(os.listdir(str(folder / ("%d.scores" % count)))) == ["rec_3.npz", "rec_4.npz", "rec_5.npz"]


def test_train_and_infer_in_one_command(folder):
    words = training("all", "deeplab")
    assert finish(begin(folder, 2, "traininfer", *words[1:], before=in_float32)) == ([0, 0], [])
    assert Running(["infer", "--checkpoint", "all", "--output", "again.json"], folder).finish() == (0, "")
    assert (folder / "all" / "detections.json").read_bytes() == (folder / "again.json").read_bytes()
    code, text = Running(["eval", "--ground-truth", "annotations.json", "--subset", "validation", "--detections",
                          "again.json", "--output", "again-metrics.json"], folder).finish()
    assert code == 0, text
    assert read_json(folder / "again-metrics.json") == read_json(folder / "all" / "metrics.json")


@pytest.mark.parametrize("count", [2, 5])
def test_scores_are_those_of_one_process(folder, rng, count):
    """Also with more ranks than recordings, of which some have no detection or none of their own."""
    truth = read_json(folder / "annotations.json")["database"]
    tested = [(name, entry) for name, entry in truth.items() if entry["subset"] == "validation"]
    results = {"elsewhere": [{"label": "wave", "score": 0.5, "segment": [0.0, 1.0]}]}
    for name, entry in tested[1:]:
        results[name] = [{"label": one["label"], "score": float(score), "segment": [a + d for a, d in zip(
                             one["segment"], rng.randn(2))]}
                         for one in entry["annotations"] for score in np.round(rng.rand(9), 1)]
    write_json(str(folder / "some.json"), {"results": results})
    words = ["eval", "--ground-truth", "annotations.json", "--detections", "some.json", "--subset", "validation",
             "--measure", "map,ar", "--diagnose", "--ignore-label", tested[0][1]["annotations"][0]["label"], "--output"]
    code, told = Running(words + ["alone/metrics.json"], folder).finish()
    codes, lines = finish(begin(folder, count, *(words + ["%d/metrics.json" % count]), before=in_float32))
    assert code == 0 and codes == [0] * count and sorted(lines) == sorted(told.splitlines())
    for name in ("metrics.json", "diagnosis.json"):
        assert (folder / str(count) / name).read_bytes() == (folder / "alone" / name).read_bytes()
    assert read_json(folder / "alone" / "metrics.json")["average_mAP"] > 0


def disturbed(folder, run, fault):
    """A training by two ranks with a fault on its way: exit codes and lines."""
    ranks = begin(folder, 2, *training(run, "deeplab", "train.checkpoint_every=1"))
    assert ranks[0].wait_until(lambda: any(step > 1 for step in saved_steps(str(folder / run / "checkpoints"))))
    fault(ranks)
    return finish(ranks)


@tells_signals
@pytest.mark.parametrize("killed, then", [(0, 3), (1, 1), (1, 2)])
def test_a_killed_rank_stops_all_and_any_number_goes_on(folder, killed, then):
    expected, run = trained_alone(folder), "killed-%d-%d" % (killed, then)
    codes, lines = disturbed(folder, run, lambda ranks: ranks[killed].send(signal.SIGKILL))
    assert codes[killed] == -signal.SIGKILL and codes[1 - killed] == 2, lines
    said = [line for line in lines if line.startswith("tad: ")]
    assert len(said) == 1 and "one of the 2 ranks has ended" in said[0] and "--resume auto" in said[0], lines
    assert not any("Traceback" in line for line in lines)
    step = saved_steps(str(folder / run / "checkpoints"))[0]
    assert 2 <= step < STEPS
    words = training(run, "deeplab", "train.checkpoint_every=1") + ["--resume", "auto"]
    again = begin(folder, then, *words) if then > 1 else [Running(words, folder, in_float64)]
    codes, lines = finish(again)
    assert (codes, lines) == ([0] * then, ["tad: going on from step %d of %d in %s" % (step, STEPS, run)])
    assert_same_losses(losses(folder, run), expected)


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("to", [(0, 1), (1,)])
def test_a_signal_to_some_ranks_saves_once_and_ends_all(folder, number, code, to):
    run = "stopped-%d-%d" % (number, len(to))
    codes, lines = disturbed(folder, run, lambda ranks: [ranks[rank].send(number) for rank in to])
    step = saved_steps(str(folder / run / "checkpoints"))[0]
    word = "stopped by SIGTERM" if number == signal.SIGTERM else "stopped"
    assert (codes, lines) == ([code, code], ["tad: %s; step %d of %d is saved, go on with --resume auto"
                                            % (word, step, STEPS)])


@pytest.mark.parametrize("words, told", [
    (["train", "--config", "nowhere"], "there is no configuration nowhere"),
    (["train", "--config", "my.yaml", "--output", "x", "--set", "train.batch=1"], "too few clips for 2 ranks"),
    (["infer", "--checkpoint", "nowhere"], "there is no run folder or checkpoint nowhere")])
def test_a_mistake_is_told_once(folder, words, told):
    codes, lines = finish(begin(folder, 2, *words))
    assert codes == [2, 2] and len(lines) == 1 and told in lines[0], lines


def test_a_mistake_of_one_rank_ends_all(folder):
    """The other rank waits for it, and has nothing to add."""
    port = free_port()
    for different, told in (("train.learning_rate=0.5", "rank 1 sees other settings or data"),
                            ("dataset.features=gone", "gone")):
        words = training("mistake", "deeplab")
        found = finish([Running(words, folder, Rank(0, 2, port)),
                        Running(words + ["--set", different], folder, Rank(1, 2, port))])
        assert found[0] == [2, 2] and len(found[1]) == 1 and told in found[1][0], found
        port = free_port()


def test_features_that_vanish_are_told_once(folder):
    path = folder / "features" / "rec_1.npy"
    kept = path.read_bytes()
    ranks = begin(folder, 2, *training("vanished", "deeplab", "dataset.cache_mib=0", "train.steps=100000"))
    try:
        assert ranks[0].wait_until(lambda: bool(saved_steps(str(folder / "vanished" / "checkpoints"))))
        path.unlink()
        codes, lines = finish(ranks)
    finally:
        path.write_bytes(kept)
    assert codes == [2, 2] and len(lines) == 1 and "rec_1" in lines[0] and "--resume auto" in lines[0], lines


def test_a_loss_that_breaks_names_the_recordings_of_all_ranks(folder):
    words = training("broken", "deeplab", "train.learning_rate=1e30", "train.warmup=0", "train.clip_norm=1e30",
                     "train.batch=8", "augment.splice=0")
    codes, lines = finish(begin(folder, 2, *words, before=in_float32))
    assert codes == [2, 2] and len(lines) == 1 and " became " in lines[0], lines
    names = lines[0].split("features of: ")[1].split(", ")
    assert set(names) <= {"rec_0", "rec_1", "rec_2"} and names == sorted(set(names))


@pytest.mark.parametrize("size", [1, 2, 5, 8, 64])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shares_are_the_batch(size, count):
    shares = [Ranks(rank, count).share(size) for rank in range(count)]
    assert [place for share in shares for place in share] == list(range(size))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_portions_are_everything_and_even(rng):
    for count in (1, 2, 3, 8):
        costs = rng.randint(1, 1000, rng.randint(0, 40)).tolist()
        portions = [Ranks(rank, count).portion(costs) for rank in range(count)]
        assert Counter(index for portion in portions for index in portion) == Counter(range(len(costs)))
        sums = [sum(costs[index] for index in portion) for portion in portions]
        assert max(sums) - min(sums) <= max(costs or [0])


COMPLETE = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "MASTER_ADDR": "node", "MASTER_PORT": "29500"}


def test_variables_are_read():
    assert read_variables(COMPLETE) == (1, 4, 0)
    assert read_variables({}) is None and read_variables({"MASTER_ADDR": "x", "RANK": ""}) is None
    with joined({}) as ranks:
        assert ranks is ALONE and ranks.leads
    with joined(dict(COMPLETE, RANK="0", WORLD_SIZE="1")) as ranks:
        assert ranks is ALONE


@pytest.mark.parametrize("name", VARIABLES)
def test_half_an_environment_is_one_sentence(name):
    half = {key: value for key, value in COMPLETE.items() if key != name}
    with pytest.raises(UserError, match="but not %s; start them with torchrun" % name):
        read_variables(half)


@pytest.mark.parametrize("name, value", [("RANK", "4"), ("RANK", "-1"), ("RANK", "one"), ("WORLD_SIZE", "0"),
                                         ("LOCAL_RANK", "4"), ("MASTER_PORT", "70000")])
def test_variables_that_make_no_sense_are_named(name, value):
    with pytest.raises(UserError, match="%s must be a whole number from .*'%s'" % (name, value)):
        read_variables(dict(COMPLETE, **{name: value}))


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [["torch.distributed.run", "--standalone"], ["torch.distributed.launch"]])
def test_pytorchs_launchers_start_it(folder, launcher):
    """The old one also adds --local_rank to the words of ``tad``."""
    if launcher[0].endswith("run") and importlib.util.find_spec(launcher[0]) is None:
        pytest.skip("this PyTorch has no torchrun")
    port = [] if "--standalone" in launcher else ["--master_port", str(free_port())]
    run = "by-" + launcher[0].split(".")[-1]
    words = ["-m"] + launcher + port + ["--nproc_per_node", "2", os.path.join(ROOT, "tad", "__main__.py")]
    done = subprocess.run([sys.executable, "-W", "ignore"] + words + training(run, "deeplab"), cwd=str(folder),
                          env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert (done.returncode, done.stdout) == (0, "trained: %s\n" % run), done.stderr
    assert read_json(folder / run / "manifest.json")["ranks"]["count"] == 2
