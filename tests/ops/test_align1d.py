"""Align1D against a slow loop written from the contract; gradients in float64; every refusal."""

import math

import numpy as np
import pytest
import torch

from tad.ops import align1d_ref
from tad.ops.align1d import Align1D, align1d


def slow_align1d(values, rois, bins, ratio):
    """The contract, literally: arrays ``(B, C, T)``, ``(N, 3)`` to ``(N, C, bins)`` in float64."""
    snippets = values.shape[2]
    output = np.zeros((len(rois), values.shape[1], bins))
    for n, (batch, start, end) in enumerate(rois):
        row = values[int(batch)]
        length = max(end - start, 1.0)
        width = length / bins
        count = ratio if ratio > 0 else int(math.ceil(length / bins))
        for r in range(bins):
            for i in range(count):
                t = start + r * width + (i + 0.5) * width / count
                if t < -1 or t > snippets:
                    continue
                t = max(t, 0.0)
                k = int(math.floor(t))
                value = row[:, -1] if k >= snippets - 1 else (1 - (t - k)) * row[:, k] + (t - k) * row[:, k + 1]
                output[n, :, r] += value / count
    return output


def random_rois(rng, batch, snippets, count):
    """Rois inside, across both ends, outside, reversed, of length 0, and much longer than the sequence."""
    rois = np.stack([rng.randint(0, batch, count), rng.uniform(-1.5 * snippets, 1.5 * snippets, count),
                     rng.uniform(-1.5 * snippets, 3 * snippets, count)], axis=1)
    rois[:4, 1:] = [[0, 0], [-1, snippets], [snippets, 0.5], [-5 * snippets, 9 * snippets]]
    return rois


@pytest.mark.parametrize("snippets", [1, 2, 7, 50])
@pytest.mark.parametrize("bins", [1, 3, 16])
@pytest.mark.parametrize("ratio", [0, 1, 3])
def test_equals_the_contract(snippets, bins, ratio):
    rng = np.random.RandomState()
    values, rois = rng.standard_normal((3, 5, snippets)), random_rois(rng, 3, snippets, 40)
    found = align1d(torch.from_numpy(values), torch.from_numpy(rois), bins, ratio).numpy()
    np.testing.assert_allclose(found, slow_align1d(values, rois, bins, ratio), atol=1e-12)


def test_blocks_and_chunks_do_not_change_the_result(monkeypatch):
    rng = np.random.RandomState()
    values, rois = rng.standard_normal((3, 5, 30)), random_rois(rng, 3, 30, 60)
    monkeypatch.setattr(align1d_ref, "BLOCK_BYTES", 20000)
    found = align1d(torch.from_numpy(values), torch.from_numpy(rois), 6).numpy()
    np.testing.assert_allclose(found, slow_align1d(values, rois, 6, 0), atol=1e-12)


@pytest.mark.parametrize("ratio", [0, 2])
def test_gradient(ratio):
    rng = np.random.RandomState()
    values = torch.from_numpy(rng.standard_normal((2, 3, 9))).requires_grad_()
    rois = torch.from_numpy(random_rois(rng, 2, 9, 8))
    assert torch.autograd.gradcheck(lambda tensor: align1d(tensor, rois, 4, ratio), (values,))


def test_float32_is_close_to_float64():
    rng = np.random.RandomState()
    values = rng.standard_normal((2, 16, 200)).astype(np.float32)
    rois = random_rois(rng, 2, 200, 100).astype(np.float32)
    found = align1d(torch.from_numpy(values), torch.from_numpy(rois), 16).double()
    exact = align1d(torch.from_numpy(values).double(), torch.from_numpy(rois).double(), 16)
    assert float((found - exact).norm() / exact.norm()) < 1e-5


def test_backward_is_deterministic():
    values = torch.randn(2, 8, 40)
    rois = torch.rand(300, 3) * 40
    rois[:, 0] = (rois[:, 0] > 20).float()
    weights = torch.randn(300, 8, 12)
    grads = []
    for _ in range(3):
        leaf = values.clone().requires_grad_()
        (align1d(leaf, rois, 12) * weights).sum().backward()
        grads.append(leaf.grad)
    assert torch.equal(grads[0], grads[1]) and torch.equal(grads[0], grads[2])


def test_no_rois_and_huge_rois():
    values = torch.randn(1, 2, 5, dtype=torch.float64)
    assert align1d(values, torch.zeros(0, 3, dtype=torch.float64), 4).shape == (0, 2, 4)
    huge = torch.tensor([[0, -1e30, 1e30], [0, 1e300, -1e300]], dtype=torch.float64)
    assert torch.isfinite(align1d(values, huge, 4)).all()


def test_module_equals_function():
    values, rois = torch.randn(2, 3, 9), torch.tensor([[1.0, 2.0, 6.0]])
    assert torch.equal(Align1D(4, 2)(values, rois), align1d(values, rois, 4, 2))


@pytest.mark.parametrize("change, message", [
    (dict(input=torch.zeros(2, 3)), "input must be"),
    (dict(input=torch.zeros(2, 3, 0)), "T >= 1"),
    (dict(input=torch.zeros(2, 3, 4).long()), "floating point"),
    (dict(rois=torch.zeros(2, 4)), "rois must be"),
    (dict(rois=torch.tensor([[2.0, 0, 1]])), "batch index 2"),
    (dict(rois=torch.tensor([[-1.0, 0, 1]])), "batch index -1"),
    (dict(rois=torch.tensor([[0.5, 0, 1]])), "batch index 0.5"),
    (dict(rois=torch.tensor([[0.0, float("nan"), 1]])), "roi 0 is not finite"),
    (dict(rois=torch.tensor([[0.0, 0, 1], [0, float("inf"), 1]])), "roi 1 is not finite"),
    (dict(output_size=0), "output_size"),
    (dict(sampling_ratio=-1), "sampling_ratio"),
    (dict(input=[1.0]), "takes tensors"),
])
def test_refuses(change, message):
    arguments = dict(input=torch.zeros(2, 3, 4), rois=torch.tensor([[0.0, 0, 1]]), output_size=2, sampling_ratio=0)
    arguments.update(change)
    with pytest.raises(ValueError, match=message):
        align1d(**arguments)
