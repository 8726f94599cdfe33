"""Losses of proposals of ``ssn`` (Zhao et al., 2017, equations 3 to 5): activity, completeness, location.

Selecting by a product with 0 and 1 instead of an index keeps the backward pass deterministic on every device.
"""

import torch
from torch.nn import functional

from tad.losses.functional import weighted_mean


def activity_loss(logits, labels, weights):
    """Cross-entropy: ``logits (N, 1 + K)``, ``labels (N,)`` from 0 (background), ``weights (N,)``."""
    likelihood = (functional.log_softmax(logits, dim=1) * one_hot(labels, logits)).sum(dim=1)
    return weighted_mean(-likelihood, weights)


def completeness_loss(logits, classes, complete, groups, hard_part):
    """Binary cross-entropy of the classifier of each proposal's class; of incomplete ones, the hardest count.

    :param logits: ``(N, K)``; ``classes`` int64 ``(N,)``, below 0 of proposals that do not count.
    :param complete: 1 for positive proposals, 0 for incomplete ones, ``(N,)``.
    :param groups: int64 ``(N,)``, the clip of each; ``hard_part`` of the incomplete ones of each count.
    """
    own = (logits * one_hot(classes, logits)).sum(dim=1)
    losses = functional.binary_cross_entropy_with_logits(own, complete, reduction="none")
    counted = (classes >= 0).to(logits)
    easy = counted * (1 - complete)
    return weighted_mean(losses, counted * complete + hardest(losses.detach(), groups.masked_fill(easy == 0, -1),
                                                              hard_part))


def hardest(losses, groups, part):
    """1 for the ``part`` of each group with the highest losses, at least one, else 0: online hard example mining.

    Each clip is mined on its own, as in the authors' code, so that the result does not depend on the rest of a batch.

    :param losses: ``(N,)``; ``groups`` int64 ``(N,)``, below 0 for what never counts.
    """
    chosen = torch.zeros_like(losses)
    for group in sorted(set(groups.tolist()) - {-1}):
        members = (groups == group).nonzero().view(-1)
        count = max(1, int(round(part * len(members))))
        chosen[members[losses[members].topk(count)[1]]] = 1
    return chosen


def location_loss(moves, classes, targets, positive):
    """Smooth L1 of centre and duration as predicted for the class: ``moves (N, K, 2)``, ``targets (N, 2)``.

    :param classes: int64 ``(N,)``; ``positive (N,)``: 1 where it counts.
    """
    own = (moves * one_hot(classes, moves).unsqueeze(2)).sum(dim=1)
    return weighted_mean(functional.smooth_l1_loss(own, targets, reduction="none"), positive.unsqueeze(1))


def one_hot(classes, like):
    """``(N,)`` to ``(N, K)`` of the type of ``like (N, K, ...)``; rows of classes below 0 are 0."""
    places = torch.arange(like.size(1), device=like.device)
    return (classes.unsqueeze(1) == places.unsqueeze(0)).to(like)
