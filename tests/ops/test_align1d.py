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


def gradient_of(values, rois, bins, weights, ratio=0):
    leaf = values.clone().requires_grad_()
    align1d(leaf, rois, bins, ratio).backward(weights)
    return leaf.grad


@pytest.mark.parametrize("ratio", [0, 2])
def test_small_blocks_do_not_change_the_result(monkeypatch, ratio):
    rng = np.random.RandomState()
    values, rois = rng.standard_normal((3, 5, 30)), random_rois(rng, 3, 30, 60)
    weights = torch.from_numpy(rng.standard_normal((60, 5, 6)))
    whole = gradient_of(torch.from_numpy(values), torch.from_numpy(rois), 6, weights, ratio)
    for limit in (1, 30000):
        monkeypatch.setattr(align1d_ref, "BLOCK_BYTES", limit)
        found = align1d(torch.from_numpy(values), torch.from_numpy(rois), 6, ratio).numpy()
        np.testing.assert_allclose(found, slow_align1d(values, rois, 6, ratio), atol=1e-12)
        parts = gradient_of(torch.from_numpy(values), torch.from_numpy(rois), 6, weights, ratio)
        np.testing.assert_allclose(parts.numpy(), whole.numpy(), atol=1e-12)


def test_a_block_takes_what_it_may():
    rng = np.random.RandomState()
    rois = torch.from_numpy(random_rois(rng, 3, 30, 500))
    rois[:20, 1:] *= torch.logspace(1, 30, 20, dtype=torch.float64)[:, None]
    bins = align1d_ref._bins(rois, 30, 7, 0)
    samples = bins.counts.view(500, 7).sum(dim=1)
    assert int(samples.max()) <= 2 * (30 + 7 + 2)
    blocks = list(align1d_ref._blocks(rois, torch.zeros(1, 5), 30, 7, 0, 100000))
    assert [n for block in blocks for n in range(500)[block]] == list(range(500))
    for block in blocks:
        assert int(samples[block][:-1].sum()) * align1d_ref.SAMPLE_BYTES <= 100000


@pytest.mark.parametrize("ratio", [0, 3])
def test_long_rois_equal_the_contract(ratio):
    rng = np.random.RandomState()
    values = rng.standard_normal((1, 2, 9))
    rois = np.array([[0, -3e4, 2e4], [0, -1e4, 4.5], [0, 2.5, 3e4], [0, 1e4, 2e4], [0, 8.5, 8.75], [0, -1, 10]])
    found = align1d(torch.from_numpy(values), torch.from_numpy(rois), 3, ratio).numpy()
    np.testing.assert_allclose(found, slow_align1d(values, rois, 3, ratio), atol=1e-12)


def test_more_snippets_than_16_bits_count():
    rng = np.random.RandomState()
    values = torch.from_numpy(rng.standard_normal((1, 2, 40000)))
    rois = torch.from_numpy(random_rois(rng, 1, 40000, 20))
    weights = torch.from_numpy(rng.standard_normal((20, 2, 5)))
    there = (align1d(values, rois, 5) * weights).sum()
    back = (gradient_of(values, rois, 5, weights) * values).sum()
    assert abs(float(there - back)) < 1e-9


HALF_TYPES = [torch.float16, torch.bfloat16] if hasattr(torch, "bfloat16") else [torch.float16]


@pytest.mark.parametrize("dtype", HALF_TYPES)
def test_half_types_add_up_in_float32(dtype):
    rng = np.random.RandomState()
    try:
        values = torch.from_numpy(rng.standard_normal((2, 16, 200))).to(dtype)
        weights = torch.from_numpy(rng.standard_normal((300, 16, 8))).to(dtype)
        values.clone().requires_grad_(), values.transpose(1, 2).float()
    except RuntimeError:
        pytest.skip("this PyTorch cannot compute with %s on a CPU" % dtype)
    rois = torch.from_numpy(random_rois(rng, 2, 200, 300))
    found, grad = align1d(values, rois.float(), 8), gradient_of(values, rois.float(), 8, weights)
    assert found.dtype == dtype and grad.dtype == dtype
    exact = align1d(values.double(), rois.float().double(), 8)
    exact_grad = gradient_of(values.double(), rois.float().double(), 8, weights.double())
    unit = 2.0 ** -11 if dtype == torch.float16 else 2.0 ** -8  # one rounding, of the result
    for one, other in ((found, exact), (grad, exact_grad)):
        assert float(((one.double() - other).abs() - unit * other.abs()).max()) < 1e-4


@pytest.mark.parametrize("outlier", [1e6, float("inf"), float("nan")])
def test_outliers_stay_in_the_bins_that_touch_them(outlier):
    values, rois = torch.randn(2, 3, 50), torch.tensor([[0, -2.0, 70.0], [1, 0.3, 49.7], [0, 10.0, 40.0]])
    clean = align1d(values, rois, 16)
    values[0, :, 20], values[1, :, 0], values[0, :, 49] = outlier, outlier, outlier
    found = align1d(values, rois, 16)
    touched = align1d((values - values == 0).double() * (values.abs() < 1e5).double(), rois.double(), 16)
    inside = align1d(torch.ones(2, 3, 50, dtype=torch.float64), rois.double(), 16)
    apart = (touched - inside).abs() < 1e-9
    assert 30 < int(apart.sum()) < apart.numel()
    assert float((found - clean).abs()[apart].max()) < 1e-4
    assert not (found - clean).abs()[~apart if apart.dtype != torch.uint8 else 1 - apart].max() < 1e-4


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
    outside = torch.tensor([[0, 7.0, 9.0], [0, -9.0, -2.0]], dtype=torch.float64)
    assert float(align1d(values, outside, 4).abs().max()) == 0
    for rois in (torch.zeros(0, 3, dtype=torch.float64), outside):
        assert float(gradient_of(values, rois, 4, torch.ones(len(rois), 2, 4).double()).abs().max()) == 0


def test_batch_entries_in_any_order():
    values, rois = torch.randn(4, 3, 20, dtype=torch.float64), torch.rand(50, 3, dtype=torch.float64) * 20
    rois[:, 0] = (torch.rand(50) * 4).floor()
    weights, order = torch.randn(50, 3, 6, dtype=torch.float64), torch.randperm(50)
    assert torch.equal(align1d(values, rois, 6)[order], align1d(values, rois[order], 6))
    difference = gradient_of(values, rois, 6, weights) - gradient_of(values, rois[order], 6, weights[order])
    assert float(difference.abs().max()) < 1e-12


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


@pytest.mark.skipif(not hasattr(torch, "compile") or not hasattr(torch.library, "custom_op"),
                    reason="needs a PyTorch that takes custom operators (2.4)")
def test_compilers_keep_one_operator():
    """torch.compile traces it without a graph break and differentiates it; torch.export keeps it by name."""
    module = Align1D(4)
    values, rois = torch.randn(2, 3, 9, requires_grad=True), torch.tensor([[1.0, 2, 6], [0, 0, 9]])
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    output = compiled(values, rois)
    gradient, = torch.autograd.grad(output.sum(), values)
    plain = module(values, rois)
    assert torch.equal(output, plain)
    assert torch.equal(gradient, torch.autograd.grad(plain.sum(), values)[0])
    exported = torch.export.export(module, (values, rois))
    assert "tad.align1d" in str(exported.graph) and torch.equal(exported.module()(values, rois), plain)
    with pytest.raises(ValueError, match="batch index 5"):
        compiled(values, torch.tensor([[5.0, 2, 6], [0, 0, 9]]))
