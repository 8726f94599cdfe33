"""A real training is killed and goes on: its weights end bitwise as those of an uninterrupted one."""

import os
import shutil
import signal
import time

import numpy as np
import pytest
import torch

from tad.engine.checkpoint import read_checkpoint, saved_steps, step_path
from tests.helpers import TINY, sets, start_process, write_data

STEPS = 150
SETTINGS = TINY + ("train.steps=%d" % STEPS, "train.checkpoint_every=5", "deeplab.dropout=0.3", "augment.splice=0.5")
PATIENCE_S = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data, and in ``through`` a training that nobody disturbed."""
    place = tmp_path_factory.mktemp("resume")
    write_data(place, np.random.RandomState(0))
    finish(begin(place, "through"))
    return place


def begin(folder, run, *more, **options):
    return start_process(["train", "--config", "my.yaml", "--output", run] + sets(SETTINGS) + list(more), folder,
                         **options)


def finish(process):
    """Standard error of a process that must end well."""
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    return errors


def wait_for_checkpoint(process, checkpoints, step=5):
    """Until the training has saved some step and is still running."""
    until = time.time() + PATIENCE_S
    while not any(saved >= step for saved in saved_steps(checkpoints)):
        assert process.poll() is None, process.communicate()[1]
        assert time.time() < until, "no checkpoint in %d s" % PATIENCE_S
        time.sleep(0.005)


def interrupt(folder, run, number, *more):
    """Begin a training, send its processes a signal once a checkpoint is there; returns process, folder and errors.

    On a busy machine a training may be over before the signal comes; then another one is begun.
    """
    checkpoints = os.path.join(str(folder), run, "checkpoints")
    for _ in range(5):
        process = begin(folder, run, *more, start_new_session=True)
        wait_for_checkpoint(process, checkpoints)
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=PATIENCE_S)
        if saved_steps(checkpoints)[0] < STEPS:
            return process, checkpoints, errors
        shutil.rmtree(os.path.join(str(folder), run))
    raise AssertionError("five trainings were over before the signal came")


def assert_same_weights(folder, run):
    found, expected = (read_checkpoint(step_path(os.path.join(str(folder), name, "checkpoints"), STEPS))
                       for name in (run, "through"))
    assert set(found.tensors) == set(expected.tensors)
    for name, tensor in expected.tensors.items():
        assert torch.equal(found.tensors[name], tensor), name
    assert found.meta["optimizer_steps"] == expected.meta["optimizer_steps"]


@pytest.mark.slow
def test_a_killed_training_goes_on_bit_for_bit(folder):
    process, _, _ = interrupt(folder, "killed", signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert "warning" not in finish(begin(folder, "killed", "--resume", "auto"))
    assert_same_weights(folder, "killed")


@pytest.mark.slow
def test_a_truncated_checkpoint_costs_steps_and_no_bits(folder):
    """The disk spoiled the newest checkpoint: the one before it takes over, with a word."""
    _, checkpoints, _ = interrupt(folder, "spoiled", signal.SIGKILL)
    newest = saved_steps(checkpoints)[0]
    with open(step_path(checkpoints, newest), "r+b") as stream:
        stream.truncate(os.path.getsize(step_path(checkpoints, newest)) // 2)
    errors = finish(begin(folder, "spoiled", "--resume", "auto"))
    assert "step_%07d.npz is damaged" % newest in errors and "going back to an older one" in errors
    assert_same_weights(folder, "spoiled")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_sigterm_saves_the_step_that_it_comes_in(folder, workers):
    """As from a cluster, which sends it to every process of the job: nothing is lost, and the weights stay the same."""
    more = ["--set", "train.workers=%d" % workers]
    run = "ended-%d" % workers
    process, checkpoints, errors = interrupt(folder, run, signal.SIGTERM, *more)
    step = saved_steps(checkpoints)[0]
    assert (process.returncode, errors) == (
        143, "tad: stopped by SIGTERM; step %d of %d is saved, go on with --resume auto\n" % (step, STEPS))
    errors = finish(begin(folder, run, "--resume", "auto", *more))
    assert errors == "tad: going on from step %d of %d in %s\n" % (step, STEPS, run)
    assert_same_weights(folder, run)


def test_sigterm_before_the_training_ends_the_process_in_one_line(tmp_path):
    """While data is read there is nothing to save; the exit code is the same."""
    os.mkfifo(str(tmp_path / "annotations.json"))  # nobody writes: reading waits
    os.mkdir(str(tmp_path / "features"))
    np.save(str(tmp_path / "features" / "r.npy"), np.zeros((9, 2)))
    process = start_process(["train", "--config", "mocap6", "--output", "run"] + sets(
        ["dataset.annotations=annotations.json", "dataset.features=features"]), tmp_path)
    with open(str(tmp_path / "annotations.json"), "w"):  # opens once the reader is there
        process.send_signal(signal.SIGTERM)
    # Closed by now: a signal that came between opening and reading waits for the read to return
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (143, "tad: stopped by SIGTERM\n")


def test_resuming_says_where_it_begins(folder):
    last = "going on from step %d of %d in through\n" % (STEPS, STEPS)
    assert finish(begin(folder, "through", "--resume", "auto")) == "tad: " + last
    errors = finish(begin(folder, "fresh", "--resume", "auto", "--set", "train.steps=1"))
    assert errors == "tad: nothing to resume in fresh: starting anew\n"


def test_resuming_a_finished_training_changes_nothing(folder):
    path = step_path(os.path.join(str(folder), "through", "checkpoints"), STEPS)
    before = os.stat(path).st_mtime_ns
    finish(begin(folder, "through", "--resume", "auto"))
    assert os.stat(path).st_mtime_ns == before
