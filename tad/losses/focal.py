"""Focal loss (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5)."""

import torch
from torch.nn import functional


def focal(logits, targets, weights, alpha, gamma):
    """Sum of ``-alpha_t (1 - p_t) ** gamma log(p_t)`` over all entries; the paper divides it by the positives.

    :param logits: any shape; ``targets`` 0 or 1 and ``weights`` are broadcast to it.
    :param alpha: weight of positives; negatives weigh ``1 - alpha``.
    :param gamma: 0 gives the weighted cross-entropy.
    :returns: scalar tensor.
    """
    targets, weights = targets.expand_as(logits), weights.expand_as(logits)
    values = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    # 1 - p_t written as a sigmoid, which does not round to 0 for sure predictions
    wrong = torch.sigmoid(logits * (1.0 - 2.0 * targets))
    balance = alpha * targets + (1.0 - alpha) * (1.0 - targets)
    return (balance * wrong ** gamma * values * weights).sum()
