"""BMN's sampling for a list of proposals against a dense mask in float64, and what it shares with Align1D."""

import numpy as np
import pytest
import torch

from tad.models.proposal_features import SAMPLINGS, AlignSampling, MaskSampling
from tad.ops.align1d import align1d
from tests.helpers import tiny_settings


def dense_mask(proposals, snippets, bins, samples, context):
    """Weights ``(N, bins, snippets)``: hats of width 1 around each of the points, averaged over the points of a bin."""
    mask = np.zeros((len(proposals), bins, snippets))
    for row, (start, end) in enumerate(proposals):
        margin = context * (end - start)
        points = np.linspace(start - margin, end + margin, bins * samples)
        for number, point in enumerate(points):
            for snippet in range(snippets):
                mask[row, number // samples, snippet] += max(0.0, 1 - abs(point - snippet)) / samples
    return mask


def random_proposals(rng, batch, snippets, count=12):
    """Whole snippets and fractions, of one snippet at least, some past both ends of the sequence."""
    starts = np.concatenate([rng.randint(0, snippets, count // 2), rng.uniform(-3, snippets, count // 2)])
    lengths = np.concatenate([rng.randint(1, snippets + 1, count // 2), rng.uniform(1, snippets + 3, count // 2)])
    return np.stack([rng.randint(0, batch, count), starts, starts + lengths], axis=1)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("snippets, bins, samples", [(1, 2, 1), (7, 4, 3), (40, 24, 3), (13, 1, 2)])
@pytest.mark.parametrize("context", [0.0, 0.25, 0.7])
def test_mask_equals_the_dense_product(rng, dtype, tolerance, snippets, bins, samples, context):
    features = rng.standard_normal((2, 3, snippets)).astype(dtype)
    proposals = random_proposals(rng, 2, snippets)
    found = MaskSampling(bins, samples, context)(torch.from_numpy(features), torch.from_numpy(proposals))
    mask = dense_mask(proposals[:, 1:], snippets, bins, samples, context)
    expected = np.einsum("nct,nbt->ncb", features[proposals[:, 0].astype(int)].astype(np.float64), mask)
    assert found.shape == (12, 3, bins) and found.numpy().dtype == dtype
    np.testing.assert_allclose(found.numpy(), expected, atol=tolerance, rtol=tolerance)


def test_the_gradient_is_that_of_the_dense_product(rng):
    features = torch.from_numpy(rng.standard_normal((2, 3, 20))).requires_grad_()
    proposals = random_proposals(rng, 2, 20)
    upstream = rng.standard_normal((12, 3, 6))
    (MaskSampling(6, 3, 0.5)(features, torch.from_numpy(proposals)) * torch.from_numpy(upstream)).sum().backward()
    mask, expected = dense_mask(proposals[:, 1:], 20, 6, 3, 0.5), np.zeros((2, 3, 20))
    for row, index in enumerate(proposals[:, 0].astype(int)):
        expected[index] += upstream[row] @ mask[row]
    np.testing.assert_allclose(features.grad.numpy(), expected, atol=1e-12)


def test_far_from_the_start_float32_keeps_its_digits(rng):
    """Positions near 60000 have two digits behind the point in float32."""
    features = rng.standard_normal((1, 1, 60010)).astype(np.float32)
    proposals = np.array([[0, 60000.0, 60007.0]])
    found = MaskSampling(8, 3, 0.1)(torch.from_numpy(features), torch.from_numpy(proposals).float())
    points = np.linspace(60000 - 0.7, 60007 + 0.7, 24)
    expected = np.interp(points, np.arange(60010), features[0, 0].astype(np.float64)).reshape(8, 3).mean(axis=1)
    np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(SAMPLINGS))
def test_samplings_take_no_proposals_and_the_types_of_features(kind):
    sample = SAMPLINGS[kind](tiny_settings().deeplab)
    for dtype in (torch.float32, torch.float64):
        found = sample(torch.zeros(2, 4, 9, dtype=dtype), torch.zeros(0, 3))
        assert found.shape == (0, 4, 6) and found.dtype == dtype
    assert not sample.state_dict()


def test_align_is_align1d_of_the_widened_proposal(rng):
    features = torch.from_numpy(rng.standard_normal((2, 3, 30)))
    found = AlignSampling(6, 0.5)(features, torch.tensor([[1, 4.0, 10.0]], dtype=torch.float64))
    expected = align1d(features, torch.tensor([[1, 1.0, 13.0]], dtype=torch.float64), 6)
    assert torch.equal(found, expected)
