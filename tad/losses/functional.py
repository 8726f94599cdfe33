"""Losses as pure functions. Every weighting happens before the one reduction, and empty input gives 0.

What a sum is divided by is counted over the whole batch (:func:`tad.losses.counts.over_ranks`), so that the losses of
ranks add up to the loss of one process.
"""

import torch
from torch.nn import functional

from tad.losses.counts import over_ranks


def weighted_mean(values, weights):
    """Mean of ``values`` under ``weights`` (same shape or broadcast); 0 when no weight is left."""
    weights = weights.expand_as(values)
    return (values * weights).sum() / over_ranks(weights.sum()).clamp(min=1e-6)


def multi_label(logits, targets, valid):
    """Binary cross-entropy of each class on its own: ``(B, K, T)``, targets in 0..1, ``valid (B, 1, T)``."""
    values = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    # Summed over classes so that more classes do not dilute a snippet's own
    return weighted_mean(values, valid) * logits.size(1)


def balanced_logistic(logits, targets, valid):
    """Binary cross-entropy in which positives and negatives weigh the same (BSN, equation 4).

    :param logits: any shape; ``targets`` 0 or 1, ``valid`` weights, both broadcast to it.
    """
    targets, valid = targets.expand_as(logits), valid.expand_as(logits)
    positives, total = over_ranks(torch.stack([(targets * valid).sum(), valid.sum()]))
    total = total.clamp(min=1.0)
    # BSN bounds the ratio; without a positive the negatives keep a weight of one half of the whole
    ratio = total / positives.clamp(min=1.0)
    positive_weight = 0.5 * ratio
    negative_weight = 0.5 * ratio / (ratio - 1.0).clamp(min=0.05)
    weights = (targets * positive_weight + (1.0 - targets) * negative_weight) * valid
    values = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (values * weights).sum() / total


def offset_l1(offsets, targets, positive):
    """Smooth L1 (Girshick, "Fast R-CNN", 2015, equation 3) where ``positive`` is 1; all ``(B, 2, T)``."""
    return weighted_mean(functional.smooth_l1_loss(offsets, targets, reduction="none"), positive)


def tiou_regression(logits, targets):
    """Squared error of predicted tIoU ``sigmoid(logits)``: ``(N,)`` each (BMN, section 3.4)."""
    count = over_ranks(logits.new_full((), logits.numel()))
    return ((torch.sigmoid(logits) - targets) ** 2).sum() / count.clamp(min=1.0)
