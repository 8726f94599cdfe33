"""Interpolation over time, and a gradient in a fixed order, which a GPU takes; tested on the CPU."""

import numpy as np
import pytest
import torch

from tad.models.resizing import LinearResize, interpolated, readers, resize


def test_resize_equals_interpolation_between_centres(rng):
    features = rng.standard_normal((1, 2, 10))
    found = resize(torch.from_numpy(features), 25)[0].numpy()
    places = (np.arange(25) + 0.5) * 10 / 25 - 0.5
    np.testing.assert_allclose(found, [np.interp(places, np.arange(10), row) for row in features[0]], atol=1e-12)
    same = torch.from_numpy(features)
    assert resize(same, 10) is same


@pytest.mark.parametrize("steps, length", [(1, 1), (1, 9), (9, 2), (25, 100), (26, 101), (100, 25), (None, None)])
def test_the_gradient_is_that_of_interpolation(rng, steps, length):
    steps, length = steps or rng.randint(1, 60), length or rng.randint(1, 200)
    first = torch.from_numpy(rng.standard_normal((2, 3, steps))).requires_grad_()
    second = first.detach().clone().requires_grad_()
    weights = torch.from_numpy(rng.standard_normal((2, 3, length)))
    one, other = LinearResize.apply(first, length), interpolated(second, length)
    assert torch.equal(one, other)
    (one * weights).sum().backward()
    (other * weights).sum().backward()
    np.testing.assert_allclose(first.grad.numpy(), second.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("steps, length", [(25, 100), (1000, 1501), (60, 7)])
def test_every_step_is_read_by_few(steps, length):
    """Memory of the gradient grows with the number of readers."""
    places, weights = readers(steps, length)
    assert places.shape == weights.shape and places.shape[1] <= 2.5 * max(1, length / steps) + 2
    np.testing.assert_allclose(np.bincount(places.ravel(), weights.ravel(), minlength=length), 1, atol=1e-12)


def test_gradcheck(rng):
    features = torch.from_numpy(rng.standard_normal((1, 2, 5))).requires_grad_()
    assert torch.autograd.gradcheck(lambda tensor: LinearResize.apply(tensor, 13), (features,))
