"""Losses against their formulas in float64, one number after the other."""

import math

import numpy as np
import pytest
import torch

from tad.losses import functional as losses


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def cross_entropy(logit, target):
    return -(target * math.log(sigmoid(logit)) + (1 - target) * math.log(1 - sigmoid(logit)))


def tensor(array):
    return torch.from_numpy(np.asarray(array, dtype=np.float64))


def test_multi_label(rng):
    logits, targets = rng.standard_normal((2, 3, 7)), rng.random_sample((2, 3, 7))
    valid = (rng.random_sample((2, 1, 7)) > 0.3).astype(float)
    valid[0, 0, 0] = 1
    total, snippets = 0.0, valid.sum()
    for b in range(2):
        for t in range(7):
            for k in range(3):
                total += valid[b, 0, t] * cross_entropy(logits[b, k, t], targets[b, k, t])
    found = losses.multi_label(tensor(logits), tensor(targets), tensor(valid))
    assert float(found) == pytest.approx(total / snippets, rel=1e-9)


def test_balanced_logistic_is_bsn_equation_4(rng):
    logits = rng.standard_normal((3, 40))
    targets = (rng.random_sample((3, 40)) > 0.8).astype(float)
    valid = (rng.random_sample((3, 40)) > 0.2).astype(float)
    targets[0, 0] = valid[0, 0] = 1
    count = valid.sum()
    positives = (targets * valid).sum()
    positive_weight, negative_weight = count / positives, count / (count - positives)
    total = 0.0
    for logit, target, weight in zip(logits.ravel(), targets.ravel(), valid.ravel()):
        alpha = positive_weight if target else negative_weight
        total += 0.5 * weight * alpha * cross_entropy(logit, target)
    found = losses.balanced_logistic(tensor(logits), tensor(targets), tensor(valid))
    assert float(found) == pytest.approx(total / count, rel=1e-9)


def test_balanced_logistic_weighs_both_sides_the_same():
    """With logit 0 everywhere each side gives half of log 2, however few the positives."""
    for positives in (1, 5, 50):
        targets = tensor([1.0] * positives + [0.0] * (100 - positives))
        found = losses.balanced_logistic(tensor(np.zeros(100)), targets, tensor(np.ones(100)))
        assert float(found) == pytest.approx(math.log(2), rel=1e-9)


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_balanced_logistic_with_one_side_only_stays_finite(target):
    found = losses.balanced_logistic(tensor(np.ones(50)), tensor(np.full(50, target)), tensor(np.ones(50)))
    assert 0 < float(found) < 10


def test_offset_l1(rng):
    offsets, targets = 3 * rng.standard_normal((2, 2, 9)), rng.standard_normal((2, 2, 9))
    positive = (rng.random_sample((2, 2, 9)) > 0.5).astype(float)
    positive[0, 0, 0] = 1
    total = 0.0
    for offset, target, weight in zip(offsets.ravel(), targets.ravel(), positive.ravel()):
        error = abs(offset - target)
        total += weight * (0.5 * error ** 2 if error < 1 else error - 0.5)
    found = losses.offset_l1(tensor(offsets), tensor(targets), tensor(positive))
    assert float(found) == pytest.approx(total / positive.sum(), rel=1e-9)


def test_tiou_regression(rng):
    logits, targets = rng.standard_normal(30), rng.random_sample(30)
    expected = sum((sigmoid(logit) - target) ** 2 for logit, target in zip(logits, targets)) / 30
    assert float(losses.tiou_regression(tensor(logits), tensor(targets))) == pytest.approx(expected, rel=1e-9)


def test_weighted_mean_with_broadcast_weights(rng):
    values, weights = rng.standard_normal((2, 3, 5)), rng.random_sample((2, 1, 5))
    expected = np.average(values, weights=np.broadcast_to(weights, values.shape))
    assert float(losses.weighted_mean(tensor(values), tensor(weights))) == pytest.approx(expected, rel=1e-9)


def test_nothing_gives_zero_and_a_gradient():
    """No snippet valid, no boundary near, no proposal: a loss of 0 that backward accepts."""
    logits = torch.zeros(1, 2, 4, dtype=torch.float64, requires_grad=True)
    none = torch.zeros(0, dtype=torch.float64, requires_grad=True)
    zeros = torch.zeros(1, 2, 4, dtype=torch.float64)
    for value in (losses.multi_label(logits, zeros, torch.zeros(1, 1, 4, dtype=torch.float64)),
                  losses.balanced_logistic(logits, zeros, zeros), losses.offset_l1(logits, zeros, zeros),
                  losses.tiou_regression(none, none.detach()),
                  losses.balanced_logistic(none, none.detach(), none.detach())):
        assert float(value.detach()) == 0.0
        value.backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("loss", [
    lambda logits, targets: losses.multi_label(logits, targets, torch.ones_like(logits[:, :1])),
    lambda logits, targets: losses.balanced_logistic(logits, (targets > 0.5).double(), torch.ones_like(logits)),
    lambda logits, targets: losses.offset_l1(logits, targets, torch.ones_like(logits)),
    lambda logits, targets: losses.tiou_regression(logits.reshape(-1), targets.reshape(-1)),
])
def test_gradients(rng, loss):
    logits = tensor(rng.standard_normal((2, 3, 4))).requires_grad_()
    targets = tensor(rng.random_sample((2, 3, 4)))
    assert torch.autograd.gradcheck(lambda value: loss(value, targets), (logits,))
