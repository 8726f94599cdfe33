"""Focal loss against its formula, one number after the other, and its gradient."""

import math

import numpy as np
import pytest
import torch

from tad.losses.focal import focal


def tensor(array):
    return torch.from_numpy(np.asarray(array, dtype=np.float64))


@pytest.mark.parametrize("alpha, gamma", [(0.25, 2.0), (0.5, 0.0), (0.9, 0.5)])
def test_focal_is_equation_5(rng, alpha, gamma):
    logits = 2 * rng.standard_normal((2, 3, 7))
    targets = (rng.random_sample((2, 3, 7)) > 0.7).astype(float)
    weights = rng.random_sample((2, 1, 7))
    total = 0.0
    for b in range(2):
        for k in range(3):
            for t in range(7):
                p = 1 / (1 + math.exp(-logits[b, k, t]))
                p_t, alpha_t = (p, alpha) if targets[b, k, t] else (1 - p, 1 - alpha)
                total -= weights[b, 0, t] * alpha_t * (1 - p_t) ** gamma * math.log(p_t)
    found = focal(tensor(logits), tensor(targets), tensor(weights), alpha, gamma)
    assert float(found) == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_gradient(rng, gamma):
    logits = tensor(rng.standard_normal(12)).requires_grad_()
    targets, weights = tensor(rng.random_sample(12) > 0.5), tensor(rng.random_sample(12))
    assert torch.autograd.gradcheck(lambda values: focal(values, targets, weights, 0.25, gamma), (logits,))


def test_sure_predictions_stay_finite():
    logits = torch.tensor([60.0, -60.0, 60.0, -60.0], requires_grad=True)
    loss = focal(logits, torch.tensor([1.0, 0.0, 0.0, 1.0]), torch.ones(4), 0.25, 0.5)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(60 * 0.75 + 60 * 0.25, rel=1e-4)
    assert bool(torch.isfinite(logits.grad).all())


def test_empty_input_gives_zero():
    assert float(focal(torch.zeros(0), torch.zeros(0), torch.zeros(0), 0.25, 2.0)) == 0
