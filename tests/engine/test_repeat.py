"""The same configuration, seed and environment give bitwise the same weights, whatever prepares the data."""

import os

import numpy as np
import pytest
import torch

from tad.engine.checkpoint import read_checkpoint, step_path
from tests.helpers import SHORT, SMALL, TINY, VARIANTS, sets, start_process, with_variants, write_data

STEPS = 12
SETTINGS = TINY + ("train.steps=%d" % STEPS, "train.checkpoint_every=5", "deeplab.dropout=0.3", "augment.splice=0.5",
                   "deeplab.input_dropout=0.1")
PATIENCE_S = 300


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    place = tmp_path_factory.mktemp("repeat")
    write_data(place, np.random.RandomState(3))
    return place


def train(data, run, settings=SETTINGS):
    """Weights of a training in a process of its own."""
    process = start_process(["train", "--config", "my.yaml", "--output", run] + sets(settings), data)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert errors == "", "a deterministic training has nothing to warn of"
    return read_checkpoint(step_path(os.path.join(str(data), run, "checkpoints"), STEPS)).tensors


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def test_on_the_cpu_with_any_number_of_workers(data):
    alone = train(data, "workers-0")
    for workers in (0, 1, 2):
        assert_same(train(data, "again-%d" % workers, SETTINGS + ("train.workers=%d" % workers,)), alone)


def test_another_seed_gives_other_weights(data):
    """Or the tests above could not fail."""
    first, other = train(data, "seed-0"), train(data, "seed-1", SETTINGS + ("seed=1",))
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_on_one_gpu_with_any_number_of_workers(data):
    """Deterministic kernels, Align1D's backward among them."""
    wider = SETTINGS + ("device=cuda:0", "deeplab.width=64", "deeplab.proposal_width=32", "train.batch=8",
                        "dataset.length=64")
    first = train(data, "gpu-0", wider)
    for workers in (0, 2):
        assert_same(train(data, "gpu-again-%d" % workers, wider + ("train.workers=%d" % workers,)), first)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
@pytest.mark.parametrize("kind", with_variants(VARIANTS), ids="-".join)
def test_every_detector_on_one_gpu(data, kind):
    """PyTorch also warns where a kernel is not deterministic, and a training must be silent."""
    settings = SHORT + SMALL[kind[0]] + ("detector=" + kind[0], "device=cuda:0", "train.steps=%d" % STEPS,
                                         "train.batch=8", "dataset.length=64", kind[0] + ".width=64") + kind[1:]
    run = "-".join(kind)
    assert_same(train(data, run, settings), train(data, run + "-again", settings))
