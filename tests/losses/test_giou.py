"""Generalized IoU of segments against its formula, by hand, and its gradient."""

import numpy as np
import pytest
import torch

from tad.losses.giou import generalized_tiou, giou_loss


def slow_giou(a, b):
    """Algorithm 1 of the paper in one dimension."""
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - shared
    hull = max(a[1], b[1]) - min(a[0], b[0])
    return shared / union - (hull - union) / hull


def pairs(rng, count=60):
    made = np.sort(rng.uniform(-5, 5, (2, count, 2)), axis=2)
    made[..., 1] += 0.1
    return made


def test_generalized_tiou(rng):
    a, b = pairs(rng)
    expected = [slow_giou(*pair) for pair in zip(a.tolist(), b.tolist())]
    np.testing.assert_allclose(generalized_tiou(torch.from_numpy(a), torch.from_numpy(b)).numpy(), expected, atol=1e-9)
    assert min(expected) < 0 < max(expected)


@pytest.mark.parametrize("a, b, expected", [
    ([0, 4], [0, 4], 1.0), ([0, 4], [2, 6], 1 / 3.0), ([0, 2], [2, 4], 0.0), ([0, 1], [3, 4], -0.5),
    ([1, 1], [1, 1], 0.0), ([1, 1], [3, 3], -1.0)])
def test_by_hand(a, b, expected):
    found = generalized_tiou(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64))
    assert float(found) == pytest.approx(expected, abs=1e-9)


def test_the_loss_is_a_weighted_mean(rng):
    a, b = pairs(rng)
    weights = rng.random_sample(len(a)) * (rng.random_sample(len(a)) > 0.5)
    weights[0] = 1
    expected = sum(w * (1 - slow_giou(*pair)) for w, pair in zip(weights, zip(a, b))) / weights.sum()
    found = giou_loss(*(torch.from_numpy(value) for value in (a, b, weights)))
    assert float(found) == pytest.approx(expected, rel=1e-9)
    assert float(giou_loss(torch.from_numpy(a), torch.from_numpy(b), torch.zeros(len(a), dtype=torch.float64))) == 0


def test_gradient_also_of_segments_that_do_not_meet(rng):
    a, b = (torch.from_numpy(value) for value in pairs(rng, 10))
    a = torch.cat([a, torch.tensor([[0.0, 1.0]], dtype=torch.float64)]).requires_grad_()
    b = torch.cat([b, torch.tensor([[3.0, 4.0]], dtype=torch.float64)])
    weights = torch.ones(11, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda values: giou_loss(values, b, weights), (a,))
    giou_loss(a, b, weights).backward()
    assert float(a.grad[-1].abs().sum()) > 0
