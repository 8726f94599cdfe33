"""Building blocks: lengths, groups, and what padding may and may not reach."""

import math

import numpy as np
import pytest
import torch

from tad.models.aspp import AtrousPyramid
from tad.models.layers import ResidualBlock, conv_norm, initialize, norm_groups


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel, dilation", [(1, 1), (3, 1), (3, 4), (5, 2)])
@pytest.mark.parametrize("length", [1, 2, 7, 16])
def test_lengths_are_divided_by_the_stride_rounded_up(length, kernel, dilation, stride):
    features = torch.randn(2, 6, length)
    expected = math.ceil(length / stride)
    assert conv_norm(6, 16, kernel, stride, dilation)(features).shape == (2, 16, expected)
    assert ResidualBlock(6, 16, kernel, stride, dilation)(features).shape == (2, 16, expected)


def test_groups_divide_the_channels():
    for channels in range(1, 70):
        groups = norm_groups(channels)
        assert channels % groups == 0 and 1 <= groups <= 8
        assert not any(channels % more == 0 for more in range(groups + 1, 9))


def test_global_pooling_is_the_mean_over_valid_steps(rng):
    pyramid = AtrousPyramid(8, (2, 4), 0.0).double().eval()
    features = torch.from_numpy(rng.standard_normal((2, 8, 12)))
    valid = torch.ones(2, 1, 12, dtype=torch.float64)
    valid[0, :, 5:] = 0
    pooled = []
    handle = pyramid.pooled.register_forward_hook(lambda module, inputs, output: pooled.append(inputs[0]))
    assert pyramid(features, valid).shape == (2, 8, 12)
    handle.remove()
    np.testing.assert_allclose(pooled[0][0, :, 0].numpy(), features[0, :, :5].mean(dim=1).numpy(), atol=1e-12)
    np.testing.assert_allclose(pooled[0][1, :, 0].numpy(), features[1].mean(dim=1).numpy(), atol=1e-12)
    assert torch.isfinite(pyramid(features, valid * 0)).all()


def test_initialization(rng):
    block = torch.nn.Sequential(torch.nn.Conv1d(200, 300, 3), torch.nn.Conv1d(300, 4, 1))
    initialize(block, rare_outputs=(block[1],))
    assert float(block[0].weight.detach().std()) == pytest.approx(math.sqrt(2.0 / (200 * 3)), rel=0.05)
    assert float(block[0].bias.detach().abs().sum()) == 0
    np.testing.assert_allclose(torch.sigmoid(block[1].bias).detach().numpy(), 0.01, rtol=1e-5)
