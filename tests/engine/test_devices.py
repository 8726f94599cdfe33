"""The device that settings name, or one sentence why not."""

import warnings

import pytest
import torch

from tad import compat
from tad.engine.devices import pick_device
from tad.engine.ranks import Ranks
from tad.errors import UserError
from tests.helpers import tiny_settings


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "", "cuda:x", "meta", "cpu:x"])
def test_devices_that_are_not_there(device):
    with pytest.raises(UserError, match="device"):
        pick_device(tiny_settings("device='%s'" % device))


def test_the_chosen_device_is_the_cpu_when_asked():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pick_device(tiny_settings("device=cpu")).type == "cpu"


def test_each_rank_of_a_machine_takes_its_own_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(compat, "best_device", lambda: torch.device("cuda"))
    for device in ("auto", "cuda"):
        assert pick_device(tiny_settings("device=" + device), Ranks(3, 4, local=1)) == torch.device("cuda", 1)
    assert pick_device(tiny_settings("device=cpu"), Ranks(3, 4, local=1)).type == "cpu"
    with pytest.raises(UserError, match="LOCAL_RANK is 2, but PyTorch sees 2 CUDA GPUs"):
        pick_device(tiny_settings("device=auto"), Ranks(3, 4, local=2))
    with pytest.raises(UserError, match="'cuda:1' is one GPU for all ranks"):
        pick_device(tiny_settings("device=cuda:1"), Ranks(3, 4, local=1))
