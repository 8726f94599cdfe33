"""What one training window costs in memory, measured on a step with made-up features, and what memory there is."""

import os
import time
from typing import NamedTuple, Optional

import numpy as np
import torch

from tad.data.clips import Clip
from tad.data.timegrid import TimeGrid
from tad.detectors import build_detector

SHARE = 0.25     # of the memory that is free now and that a training may take: other work goes on
COPIES = 5       # of each weight: itself, its moving average, its gradient, and Adam's two moments
SAVED = 3        # times its outputs that a layer needs: kept for the gradient, the gradient, and working space
LARGEST_BATCH = 8


class Cost(NamedTuple):
    """Bytes of one window in a training step, bytes of the weights, and seconds of CPU for one."""

    window: int
    weights: int
    seconds: float


def measure_cost(settings, width, classes):
    """The cost of a window by training on one: every layer's outputs are counted.

    :param settings: resolved :class:`tad.config.Settings`
    :param width: channels of the features.
    :param classes: number of classes.
    :returns: :class:`Cost`; an upper bound for the bytes that a step holds for each window.
    """
    detector = build_detector(settings, width, classes).train()
    clip = _made_up_clip(width, settings.dataset.length)
    counted = []
    hooks = [module.register_forward_hook(lambda _, __, output: counted.append(output.numel() * output.element_size()))
             for module in detector.modules() if not list(module.children())]
    features = torch.from_numpy(clip.features)[None]
    _step(detector, features, clip)
    for hook in hooks:
        hook.remove()
    began = time.process_time()  # of the second step: the first one also sets up libraries
    _step(detector, features, clip)
    seconds = time.process_time() - began
    weights = sum(weight.numel() * weight.element_size() for weight in detector.parameters())
    return Cost(features.numel() * features.element_size() + SAVED * sum(counted), COPIES * weights, seconds)


def _step(detector, features, clip):
    sum(detector.losses(features, [clip], np.random.RandomState(0)).values()).backward()


def _made_up_clip(width, length):
    features = np.random.RandomState(0).standard_normal((width, length)).astype(np.float32)
    segments = np.array([[0.0, max(1.0, 0.25 * length)], [0.25 * length, 0.75 * length]])
    return Clip("made up", features, length, TimeGrid(0.5, 1.0), segments, np.zeros(2, np.int64), -np.inf, np.inf)


def free_memory(device):
    """Bytes that a training on ``device`` may find: all of a GPU's, or what is free now; None where nobody tells."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_properties(torch.device(device)).total_memory
    return _limited(_free_of_machine())


def _free_of_machine():
    """Free memory in bytes by Linux, else all there is by POSIX, else None."""
    if os.path.exists("/proc/meminfo"):
        with open("/proc/meminfo") as stream:
            for line in stream:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _limited(free, limits=("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")):
    """What a container's limit leaves of it."""
    for path in limits:
        if os.path.exists(path):
            with open(path) as stream:
                text = stream.read().strip()
            if text.isdigit():
                free = int(text) if free is None else min(free, int(text))
    return free


def fitting_batch(cost, free, most) -> Optional[int]:
    """The largest power of two up to ``most`` whose step takes at most :data:`SHARE` of the memory; 0 if not even one.

    :param free: bytes, or None where they are not known.
    """
    batch = 2 ** int(np.log2(max(1, most)))
    if free is None:
        return batch
    while batch and cost.weights + batch * cost.window > SHARE * free:
        batch //= 2
    return batch
