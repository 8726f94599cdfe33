"""Losses of ``ssn`` against the paper's equations, one proposal after the other in float64."""

import math

import numpy as np
import pytest
import torch

from tad.losses.completeness import activity_loss, completeness_loss, hardest, location_loss


def made(rng, count=40, classes=3):
    logits = torch.from_numpy(rng.standard_normal((count, classes)) * 2).requires_grad_()
    return logits, torch.from_numpy(rng.randint(-1, classes, count)), torch.from_numpy(rng.randint(0, 4, count))


def test_activity_equals_the_equation(rng):
    logits, labels, _ = made(rng)
    labels = labels.clamp(min=0)
    weights = torch.from_numpy(rng.randint(0, 2, 40).astype(np.float64))
    total = 0.0
    for row, label, weight in zip(logits.tolist(), labels.tolist(), weights.tolist()):
        total -= weight * math.log(math.exp(row[label]) / sum(math.exp(value) for value in row))
    loss = activity_loss(logits, labels, weights)
    assert float(loss.detach()) == pytest.approx(total / float(weights.sum()))
    loss.backward()
    assert not logits.grad[weights == 0].abs().sum() and (logits.grad[weights == 1].abs().sum(dim=1) > 0).all()


def slow_completeness(logits, classes, complete, groups, part):
    kept = []
    for group in sorted(set(groups)):
        negative = []
        for row, label, whole, own in zip(logits, classes, complete, groups):
            if own != group or label < 0:
                continue
            odds = 1 / (1 + math.exp(-row[label]))
            if whole:
                kept.append(-math.log(odds))
            else:
                negative.append(-math.log(1 - odds))
        if negative:
            kept += sorted(negative)[-max(1, int(round(part * len(negative)))):]
    return sum(kept) / len(kept)


@pytest.mark.parametrize("part", [1 / 6.0, 0.5, 1.0, 0.001])
def test_completeness_equals_the_equation_with_hard_examples(rng, part):
    logits, classes, groups = made(rng, 80)
    complete = torch.from_numpy(rng.randint(0, 2, 80).astype(np.float64)) * (classes >= 0).double()
    expected = slow_completeness(logits.tolist(), classes.tolist(), complete.tolist(), groups.tolist(), part)
    loss = completeness_loss(logits, classes, complete, groups, part)
    assert float(loss.detach()) == pytest.approx(expected)
    loss.backward()
    learnt = logits.grad.abs() > 0
    assert not learnt[classes < 0].any(), "background does not count"
    rows = torch.arange(80)[complete > 0]
    assert learnt[rows, classes[rows]].all() and int(learnt[rows].long().sum()) == len(rows), "its own class alone"


def test_one_in_six_of_each_clip_and_at_least_one():
    losses = torch.arange(20).double()
    groups = torch.tensor([0] * 12 + [1] * 3 + [-1] * 4 + [7])
    found = hardest(losses, groups, 1 / 6.0)
    assert found.nonzero().view(-1).tolist() == [10, 11, 14, 19]
    assert hardest(losses, groups, 1.0).sum() == 16
    assert hardest(losses[:0], groups[:0], 0.5).tolist() == []
    assert hardest(losses, torch.full((20,), -1, dtype=torch.long), 0.5).sum() == 0


def test_equal_losses_count_as_often(rng):
    assert hardest(torch.ones(12), torch.zeros(12, dtype=torch.long), 1 / 6.0).sum() == 2


def test_location_equals_smooth_l1_of_the_class(rng):
    moves = torch.from_numpy(rng.standard_normal((30, 4, 2)) * 2).requires_grad_()
    classes = torch.from_numpy(rng.randint(-1, 4, 30))
    targets = torch.from_numpy(rng.standard_normal((30, 2)))
    positive = torch.from_numpy(rng.randint(0, 2, 30).astype(np.float64)) * (classes >= 0).double()
    values = []
    for row in range(30):
        for side in range(2):
            if positive[row]:
                error = abs(float(moves[row, classes[row], side].detach() - targets[row, side]))
                values.append(0.5 * error ** 2 if error < 1 else error - 0.5)
    loss = location_loss(moves, classes, targets, positive)
    assert float(loss.detach()) == pytest.approx(np.mean(values) if values else 0.0)
    loss.backward()
    assert not moves.grad[positive == 0].abs().sum()


@pytest.mark.parametrize("count", [0, 5])
def test_nothing_to_learn_gives_0_and_gradients_of_0(count):
    logits = torch.ones(count, 3, dtype=torch.float64, requires_grad=True)
    moves = torch.ones(count, 3, 2, dtype=torch.float64, requires_grad=True)
    none, zeros = torch.full((count,), -1, dtype=torch.long), torch.zeros(count, dtype=torch.float64)
    total = (activity_loss(logits, none + 1, zeros) + completeness_loss(logits, none, zeros, none + 1, 0.5)
             + location_loss(moves, none, torch.ones(count, 2, dtype=torch.float64), zeros))
    total.backward()
    assert float(total.detach()) == 0 and not logits.grad.abs().sum() and not moves.grad.abs().sum()
