"""The memory of a window, and the batch that fits."""

import numpy as np
import pytest
import torch

from tad.planning.memory import SHARE, Cost, _limited, fitting_batch, free_memory, measure_cost
from tests.helpers import VARIANTS, tiny_settings


def settings(length, *more):
    return tiny_settings("dataset.length=%d" % length, "deeplab.max_duration=%d" % (length // 2), *more)


def test_the_cost_grows_with_what_a_window_holds():
    small, long, wide = measure_cost(settings(32), 4, 2), measure_cost(settings(128), 4, 2), \
        measure_cost(settings(32), 400, 2)
    assert small.window < long.window < 4.5 * small.window
    assert wide.window >= small.window + 4 * 32 * 396 and wide.weights > small.weights


@pytest.mark.parametrize("variant", ((),) + VARIANTS["deeplab"])
def test_the_cost_is_above_what_autograd_keeps(variant):
    """Bytes that the gradient's graph of one window holds, weights left out, each tensor once."""
    hooks = getattr(torch.autograd.graph, "saved_tensors_hooks", None) if hasattr(torch.autograd, "graph") else None
    if hooks is None:
        pytest.skip("this PyTorch cannot tell what autograd keeps")
    from tad.detectors import build_detector
    from tad.planning.memory import _made_up_clip
    chosen, kept = settings(64, *variant), {}
    detector = build_detector(chosen, 10, 3).train()
    own = {weight.data_ptr() for weight in detector.parameters()}
    clip = _made_up_clip(10, 64)

    def keep(tensor):
        if tensor.data_ptr() not in own:
            kept[tensor.data_ptr()] = max(kept.get(tensor.data_ptr(), 0), tensor.numel() * tensor.element_size())
        return tensor

    with hooks(keep, lambda tensor: tensor):
        losses = detector.losses(torch.from_numpy(clip.features)[None], [clip], np.random.RandomState(0))
    assert losses and 0 < sum(kept.values()) <= measure_cost(chosen, 10, 3).window


@pytest.mark.parametrize("free, most, expected", [
    (None, 8, 8), (None, 7, 4), (None, 1, 1), (100 / SHARE, 8, 8), (60 / SHARE, 8, 4), (20 / SHARE, 8, 1),
    (19 / SHARE, 8, 0)])
def test_the_batch_is_what_a_quarter_of_the_memory_holds(free, most, expected):
    assert fitting_batch(Cost(10, 10, 0.0), free, most) == expected


def test_free_memory_is_told_and_a_container_limits_it(tmp_path):
    assert free_memory("cpu") > 2 ** 24
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "some").write_text("1000\n")
    assert _limited(5000, [str(tmp_path / "max"), str(tmp_path / "absent")]) == 5000
    assert _limited(5000, [str(tmp_path / "some")]) == 1000
    assert _limited(None, [str(tmp_path / "some")]) == 1000
