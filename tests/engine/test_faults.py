"""Faults that really happen to a training: afterwards the same weights as undisturbed, or one clear sentence."""

import glob
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest
import torch

from tad.engine.checkpoint import read_checkpoint, saved_steps, step_path
from tests.helpers import TINY, call, sets, write_data
from tests.processes import Running

STEPS = 60
SETTINGS = TINY + ("train.steps=%d" % STEPS, "train.checkpoint_every=1", "deeplab.dropout=0.3", "augment.splice=0.5",
                   "dataset.cache_mib=0", "threads=1")
GONE_ON = "going on from step"
pytestmark = pytest.mark.skipif(sys.version_info < (3, 7), reason="the process server of Python 3.6 does not tell by "
                                "which signal a process ended; test_resume.py has the main faults there")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data, and in ``through`` a training that nobody disturbed."""
    place = tmp_path_factory.mktemp("faults")
    prepare(place)
    return place


def prepare(place):
    write_data(place, np.random.RandomState(0))
    assert begin(place, "through").finish() == (0, "")


def begin(folder, run, *assignments, **options):
    return Running(["train", "--config", "my.yaml", "--output", run, "--resume", "auto"] + sets(SETTINGS + assignments)
                   if os.path.isdir(os.path.join(str(folder), run)) else
                   ["train", "--config", "my.yaml", "--output", run] + sets(SETTINGS + assignments), folder, **options)


def checkpoints(folder, run):
    return os.path.join(str(folder), run, "checkpoints")


def has_step(folder, run, step=3):
    return lambda: any(saved >= step for saved in saved_steps(checkpoints(folder, run)))


def disturb(folder, run, fault, *assignments):
    """Do something to a training that has saved some steps and has some to go; returns exit code and output."""
    for _ in range(5):
        running = begin(folder, run, *assignments)
        if running.wait_until(has_step(folder, run)):
            fault(running)
        found = running.finish()
        if saved_steps(checkpoints(folder, run))[0] < STEPS or found[1]:
            return found
        shutil.rmtree(os.path.join(str(folder), run))  # on a busy machine it may have been over before
    raise AssertionError("five trainings were over before the fault came")


def assert_goes_on_to_the_same_end(folder, run, *assignments):
    code, errors = begin(folder, run, *assignments).finish()
    assert code == 0 and errors.startswith("tad: " + GONE_ON) and errors.count("\n") == 1, errors
    assert_same_weights(folder, run)


def assert_same_weights(folder, run):
    found, expected = (read_checkpoint(step_path(checkpoints(folder, name), STEPS)) for name in (run, "through"))
    assert set(found.tensors) == set(expected.tensors)
    for name, tensor in expected.tensors.items():
        assert torch.equal(found.tensors[name], tensor), name


@pytest.mark.parametrize("times", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_killed_at_random_moments(folder, rng, times):
    """Over and over; where a training comes to its end in between, it is compared and another one begins."""
    began = time.monotonic()
    begin(folder, "timed-%d" % times).finish()
    duration_s = time.monotonic() - began
    kills, number = 0, 0
    while kills < times:
        run = "killed-%d-%d" % (times, number)
        running = begin(folder, run)
        time.sleep(rng.uniform(0, 0.7 * duration_s))
        running.send(signal.SIGKILL)
        code, errors = running.finish()
        assert code in (0, -signal.SIGKILL), errors
        kills += code != 0
        if code == 0:
            assert_same_weights(folder, run)
            number += 1
    code, errors = begin(folder, "killed-%d-%d" % (times, number)).finish()
    assert code == 0 and "warning" not in errors, errors
    assert_same_weights(folder, "killed-%d-%d" % (times, number))


def test_killed_while_a_checkpoint_is_written(folder):
    """The half of a file that is left is no checkpoint, and is gone afterwards."""
    run = "half-written"
    halves = os.path.join(checkpoints(folder, run), ".step_*")
    for _ in range(40):
        running = begin(folder, run)
        if running.wait_until(lambda: has_step(folder, run)() and glob.glob(halves)):
            running.send(signal.SIGKILL)
        running.finish()
        if glob.glob(halves):
            break
        shutil.rmtree(os.path.join(str(folder), run))
    else:
        raise AssertionError("no checkpoint was ever being written")
    assert_goes_on_to_the_same_end(folder, run)
    assert glob.glob(halves) == []


def test_ctrl_c_saves_the_step_that_it_comes_in(folder):
    for workers in (0, 2):
        run, more = "stopped-%d" % workers, "train.workers=%d" % workers
        code, errors = disturb(folder, run, lambda running: running.send(signal.SIGINT), more,
                               "train.checkpoint_every=50" if workers else "train.checkpoint_every=1")
        step = saved_steps(checkpoints(folder, run))[0]
        assert (code, errors) == (130, "tad: stopped; step %d of %d is saved, go on with --resume auto\n"
                                  % (step, STEPS))
        assert_goes_on_to_the_same_end(folder, run, more)


class Limit(object):
    """Files of the process cannot grow beyond ``size`` bytes."""

    def __init__(self, size):
        self.size = size

    def __call__(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.size))


def test_a_checkpoint_that_cannot_be_written_whole_costs_no_older_one(folder):
    """Files may not grow beyond half a checkpoint; then they may."""
    run = "limited"
    disturb(folder, run, lambda running: running.send(signal.SIGTERM))
    before = saved_steps(checkpoints(folder, run))
    size = os.path.getsize(step_path(checkpoints(folder, run), before[0]))
    code, errors = begin(folder, run, before=Limit(size // 2)).finish()
    assert code == 2 and errors.count("tad: ") == 2, errors  # the zipfile of Python 3.7 adds a complaint of its own
    assert "cannot write" in errors and "step_%07d.npz: File too large" % (before[0] + 1) in errors
    assert saved_steps(checkpoints(folder, run)) == before
    assert glob.glob(os.path.join(checkpoints(folder, run), ".*")) == []
    assert_goes_on_to_the_same_end(folder, run)


def test_a_full_disk_is_one_sentence_and_costs_no_checkpoint(folder):
    """A small file system of its own, which only root may make; afterwards it gets more room."""
    run = str(folder / "full")
    os.mkdir(run)
    size = os.path.getsize(step_path(checkpoints(folder, "through"), STEPS))
    mounted = shutil.which("mount") and subprocess.call(
        ["mount", "-t", "tmpfs", "-o", "size=%d" % (2.5 * size), "tmpfs", run], stderr=subprocess.DEVNULL) == 0
    if not mounted:
        pytest.skip("only root can mount a file system of a few hundred kilobytes to fill")
    try:
        os.mkdir(os.path.join(run, "checkpoints"))
        code, errors = begin(folder, "full").finish()
        told = errors.splitlines()[-1]
        assert code == 2 and told.startswith("tad: cannot write ") and "No space left on device" in told, errors
        kept = saved_steps(checkpoints(folder, "full"))
        assert kept and kept[0] < STEPS and "step_%07d.npz" % (kept[0] + 1) in told
        assert subprocess.call(["mount", "-o", "remount,size=%d" % (50 * size), run]) == 0
        assert_goes_on_to_the_same_end(folder, "full")
    finally:
        subprocess.call(["umount", run])


def become_nobody():
    """Root may write everywhere. A training before it loads what nobody might not be allowed to read."""
    if os.getuid() == 0:
        with tempfile.TemporaryDirectory() as place:
            config = write_data(place, np.random.RandomState(1))
            assert call(["train", "--config", config, "--output", os.path.join(place, "run")] + sets(TINY)) == 0
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def change_mode(path, mode):
    """As the folder's owner: root in a container may not change the modes of what nobody has made."""
    code = "import os, sys; os.setuid(int(sys.argv[1])); os.chmod(sys.argv[2], int(sys.argv[3]))"
    owner = os.stat(path).st_uid
    if owner == os.getuid():
        os.chmod(path, mode)
    else:
        assert subprocess.call([sys.executable, "-c", code, str(owner), path, str(mode)]) == 0


@pytest.fixture
def open_folder():
    """A folder that every user may reach, with the data in it."""
    place = tempfile.mkdtemp(prefix="tad-test-")
    os.chmod(place, 0o777)
    write_data(place, np.random.RandomState(0))
    yield place
    for inner, _, _ in os.walk(place):
        change_mode(inner, 0o755)
    shutil.rmtree(place)


def test_a_folder_that_becomes_read_only_is_one_sentence(folder, open_folder):
    run = "locked"
    running = begin(open_folder, run, before=become_nobody)
    assert running.wait_until(has_step(open_folder, run))
    change_mode(checkpoints(open_folder, run), 0o555)
    code, errors = running.finish()
    assert code == 2 and errors.count("\n") == 1, errors
    assert errors.startswith(("tad: cannot write ", "tad: cannot remove ")) and errors.endswith("Permission denied\n")
    change_mode(checkpoints(open_folder, run), 0o777)
    code, errors = begin(open_folder, run).finish()
    assert code == 0, errors
    shutil.copytree(os.path.join(open_folder, run), str(folder / run))
    assert_same_weights(folder, run)


def test_an_output_that_may_not_be_made_is_one_sentence(open_folder):
    os.chmod(open_folder, 0o555)
    running = Running(["train", "--config", "my.yaml", "--output", "new/run"] + sets(SETTINGS), open_folder,
                      become_nobody)
    code, errors = running.finish()
    assert code == 2 and errors.count("\n") == 1 and "cannot make the folder new/run" in errors, errors


def vanish(path):
    os.unlink(path)


def truncate(path):
    with open(path, "r+b") as stream:
        stream.truncate(os.path.getsize(path) // 2)


def shorten(path):
    np.save(path + ".new.npy", np.load(path)[:-7])
    os.replace(path + ".new.npy", path)  # at once: half a file would be another fault


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("spoil, words", [(vanish, "has unreadable features"), (truncate, "file is too short"),
                                          (shorten, "had 45 snippets when the training began, and now it has 38")])
def test_features_that_change_while_training(folder, workers, spoil, words):
    run, path = "%s-%d" % (spoil.__name__, workers), str(folder / "features" / "rec_1.npy")
    kept = np.load(path)
    more = "train.workers=%d" % workers
    try:
        code, errors = disturb(folder, run, lambda running: spoil(path), more)
    finally:
        np.save(path, kept)
    assert code == 2 and errors.count("\n") == 1, errors
    assert "cannot be read any more: rec_1 " in errors and words in errors and "--resume auto" in errors
    assert_goes_on_to_the_same_end(folder, run, more)


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="children are found in Linux's /proc")
@pytest.mark.parametrize("which", [0, 1])
def test_a_worker_that_is_killed_costs_nothing(folder, which):
    run = "workers-%d" % which

    def fault(running):
        assert running.wait_until(lambda: len(running.children()) == 2)
        os.kill(running.children()[which], signal.SIGKILL)

    code, errors = disturb(folder, run, fault, "train.workers=2")
    # Older Pythons may add what their queue to the dead worker says of its pipe
    assert code == 0 and errors.startswith("tad: warning: a process that prepares training data "), errors
    assert "died (killed, as by a system that is short of memory); the training goes on without workers" in errors
    assert_same_weights(folder, run)


def test_a_loss_that_is_not_finite_names_the_recordings_and_overwrites_nothing(tmp_path):
    """One recording's numbers are so large that sums of them overflow."""
    write_data(tmp_path, np.random.RandomState(0))
    path = str(tmp_path / "features" / "rec_1.npy")
    np.save(path, np.load(path) * 1e37)
    more = ("train.batch=1", "augment.splice=0", "dataset.normalize=false", "augment.noise=0", "seed=2")
    code, errors = begin(tmp_path, "run", *more).finish()
    assert code == 2 and errors.count("\n") == 1, errors
    assert "not finite" in errors or "became" in errors
    assert errors.rstrip().endswith("look at the features of: rec_1")
    steps = saved_steps(checkpoints(tmp_path, "run"))
    content = [(step, read_checkpoint(step_path(checkpoints(tmp_path, "run"), step)).tensors) for step in steps]
    assert content and all(bool(torch.isfinite(tensor).all()) for _, tensors in content for tensor in tensors.values())
    again, told = begin(tmp_path, "run", *more).finish()
    assert again == 2 and told.splitlines()[1] == errors.strip()
    assert saved_steps(checkpoints(tmp_path, "run")) == steps
