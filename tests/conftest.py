"""Fixtures that several tests share."""

import os
import random

import numpy as np
import pytest
import torch

# The tensors of tests are tiny: threads would only wait for each other, longest on a busy machine
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data beside the project; tests that need it are skipped where it is absent."""
    folder = os.environ.get("TAD_SHARED_DATA") or os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", "..", "shared", "data")
    if not os.path.isdir(folder):
        pytest.skip("no shared data at %s (set TAD_SHARED_DATA)" % os.path.abspath(folder))
    return folder


@pytest.fixture
def rng():
    """Random numbers that differ from run to run; a failing test shows the seed, TAD_TEST_SEED repeats it."""
    seed = int(os.environ.get("TAD_TEST_SEED") or random.SystemRandom().randrange(2 ** 31))
    print("TAD_TEST_SEED=%d" % seed)
    torch.manual_seed(seed)
    return np.random.RandomState(seed)
