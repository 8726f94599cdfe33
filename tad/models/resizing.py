"""Linear interpolation over time whose gradient is the same from run to run on every device."""

import functools

import numpy as np
import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional


def resize(features, length):
    """``(B, C, T)`` linearly interpolated between the centres of its steps to ``(B, C, length)``."""
    if features.size(2) == length:
        return features
    if features.is_cuda and features.requires_grad:  # PyTorch's own gradient adds up in no certain order there
        return LinearResize.apply(features, length)
    return interpolated(features, length)


def interpolated(features, length):
    """PyTorch's interpolation, which is deterministic forward."""
    return functional.interpolate(features, size=length, mode="linear", align_corners=False)


class LinearResize(torch.autograd.Function):
    """:func:`interpolated`, where each step collects its gradient from the steps that read it, in their order."""

    @staticmethod
    def forward(ctx, features, length):
        """``(B, C, T), int -> (B, C, length)``"""
        ctx.steps = features.size(2)
        return interpolated(features, length)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        """``(B, C, length) -> (B, C, T)``"""
        places, weights = readers(ctx.steps, gradient.size(2))
        weights = torch.from_numpy(weights).to(gradient)
        return (gradient[:, :, torch.from_numpy(places).to(gradient.device)] * weights).sum(dim=3), None


@functools.lru_cache(maxsize=64)
def readers(steps, length):
    """Which of ``length`` interpolated steps read each of ``steps``: places int64 and weights float64, ``(steps, K)``.

    Rows with fewer readers than ``K`` end with weights of 0.
    """
    centres = np.clip((np.arange(length) + 0.5) * (steps / float(length)) - 0.5, 0, steps - 1)
    own = np.arange(steps)[:, None]
    first = np.searchsorted(centres, own - 1, side="right")
    most = int((np.searchsorted(centres, own + 1, side="left") - first).max())
    places = first + np.arange(max(most, 1))
    inside = np.minimum(places, length - 1)
    return inside, np.maximum(0.0, 1.0 - np.abs(centres[inside] - own)) * (places < length)
