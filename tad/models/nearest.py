"""The nearest neighbours of each node of a graph, and the weights with which a product takes their mean.

Matrices are ``(B, N, N)``: row ``i`` is about the neighbours of node ``i``.
"""

import torch

NEVER = float("-inf")  # how close what can be no neighbour is


def unless(condition, closeness):
    """``closeness``, but :data:`NEVER` where the condition holds."""
    return torch.where(condition, torch.full_like(closeness, NEVER), closeness)


def nearest(closeness, count):
    """1 for the ``count`` closest of each row and those as close as the last of them, 0 elsewhere.

    All of several equal ones are taken, so that the order of nodes is of no importance. :data:`NEVER` is never taken.
    """
    last = closeness.topk(min(count, closeness.size(2)), dim=2)[0][:, :, -1:]
    return (closeness >= last).to(closeness.dtype) * (closeness > NEVER).to(closeness.dtype)


def mean_of(chosen):
    """Weights with which a product takes the mean over the 1s of each row; 0 in rows without any."""
    return chosen / chosen.sum(dim=2, keepdim=True).clamp(min=1)


def others(real):
    """1 where the column is a real node and not the row's own: ``real (B, N)`` of 1 and 0 to ``(B, N, N)``."""
    return real[:, None] * (1 - torch.eye(real.size(1), dtype=real.dtype, device=real.device))
