"""Generalized IoU of segments (Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019, algorithm 1)."""

import torch

from tad.losses.functional import weighted_mean

SHORTEST = 1e-6  # snippets; two segments of length 0 have a union, too


def generalized_tiou(a, b):
    """tIoU minus the part of the common hull that neither covers: ``(..., 2), (..., 2) -> (...)`` in -1..1.

    Segments are pairs of start and end, start <= end.
    """
    shared = (torch.min(a[..., 1], b[..., 1]) - torch.max(a[..., 0], b[..., 0])).clamp(min=0)
    union = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - shared
    hull = torch.max(a[..., 1], b[..., 1]) - torch.min(a[..., 0], b[..., 0])
    return shared / union.clamp(min=SHORTEST) - (hull - union) / hull.clamp(min=SHORTEST)


def giou_loss(segments, targets, weights):
    """Mean of ``1 - GIoU`` under ``weights (...)``; 0 when no weight is left."""
    return weighted_mean(1.0 - generalized_tiou(segments, targets), weights)
