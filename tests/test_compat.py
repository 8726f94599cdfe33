"""What differs between versions of PyTorch behaves alike here."""

import subprocess
import sys

import pytest
import torch

from tad import compat
from tests.helpers import environment


def test_versions_are_those_that_run():
    assert ".".join(str(part) for part in compat.TORCH_VERSION) == ".".join(torch.__version__.split(".")[:2])
    assert compat.python_version() == sys.version.split()[0].split("+")[0]


def test_adam_step_is_what_the_optimizer_keeps():
    """An optimizer that has made a step and one that was given the count go on alike."""
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight])
    (weight ** 2).sum().backward()
    optimizer.step()
    kept = optimizer.state[weight]["step"]
    assert type(compat.adam_step(1)) is type(kept) and float(compat.adam_step(1)) == float(kept) == 1.0


@pytest.mark.skipif(compat.TORCH_VERSION < (1, 11), reason="PyTorch before 1.11 has no such switch")
def test_deterministic_kernels_without_the_compiler():
    """The better known switch imports it, which takes seconds at every start."""
    code = ("import sys, torch; before = set(sys.modules); from tad import compat; compat.set_deterministic(); "
            "assert torch.are_deterministic_algorithms_enabled(); "
            "assert not {'torch._dynamo', 'torch._inductor'} & (set(sys.modules) - before)")
    assert subprocess.call([sys.executable, "-c", code], env=environment()) == 0


def test_widest_float():
    assert compat.widest_float("cpu") == compat.widest_float(torch.device("cuda:0")) == torch.float64


@pytest.mark.skipif(compat.TORCH_VERSION < (1, 12), reason="PyTorch before 1.12 has no MPS")
def test_widest_float_of_mps():
    assert compat.widest_float("mps") == torch.float32


def test_best_device_exists():
    assert torch.zeros(1, device=compat.best_device()).device.type in ("cpu", "cuda")
