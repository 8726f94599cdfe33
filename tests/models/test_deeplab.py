"""The network: full resolution at any length, windows that do not touch each other, heads that see proposals."""

import numpy as np
import pytest
import torch

from tad.models.deeplab import DeepLab
from tad.ops.align1d import align1d
from tests.helpers import tiny_settings


def network(*assignments, channels=5, classes=3):
    return DeepLab(channels, classes, tiny_settings("deeplab.dropout=0", *assignments).deeplab)


@pytest.mark.parametrize("length", [8, 9, 31, 64])
@pytest.mark.parametrize("strides", ["[1]", "[1, 2, 2]", "[2, 3]", "[4]"])
def test_outputs_have_the_length_of_the_input(length, strides):
    made = network("deeplab.strides=" + strides)
    output = made(torch.randn(2, 5, length), torch.ones(2, 1, length))
    assert output.scores.classes.shape == (2, 3, length)
    assert output.scores.boundaries.shape == output.scores.offsets.shape == (2, 2, length)
    assert output.proposal_features.shape == (2, 4, length)


@pytest.mark.parametrize("assignments", [("deeplab.kernel=1",), ("deeplab.kernel=7",), ("deeplab.width=11",),
                                         ("deeplab.atrous_rates=[1]",), ("deeplab.blocks=3",),
                                         ("deeplab.input_dropout=0.5",)])
def test_other_settings_work(assignments):
    output = network(*assignments)(torch.randn(2, 5, 16), torch.ones(2, 1, 16))
    assert all(torch.isfinite(value).all() for value in output.scores)


def test_a_window_does_not_depend_on_its_neighbours_in_the_batch():
    made = network().double()
    features, valid = torch.randn(3, 5, 20, dtype=torch.float64), torch.ones(3, 1, 20, dtype=torch.float64)
    valid[1, :, 9:] = 0
    together = made(features, valid)
    for index in range(3):
        alone = made(features[index:index + 1], valid[index:index + 1])
        np.testing.assert_allclose(alone.scores.classes[0].detach().numpy(),
                                   together.scores.classes[index].detach().numpy(), atol=1e-10)


def test_what_stands_in_the_padding_does_not_matter():
    made = network().double()
    features, valid = torch.randn(1, 5, 20, dtype=torch.float64), torch.ones(1, 1, 20, dtype=torch.float64)
    valid[:, :, 11:] = 0
    other = features.clone()
    other[:, :, 11:] = 1e3
    assert torch.equal(made(features, valid).scores.classes, made(other, valid).scores.classes)


def test_classes_start_rare():
    """So that the first steps are not drowned by the many negatives."""
    scores = torch.sigmoid(network()(torch.randn(4, 5, 64), torch.ones(4, 1, 64)).scores.classes)
    assert 0.001 < float(scores.detach().mean()) < 0.05


def test_proposals_are_judged_on_their_widened_segment():
    made = network("deeplab.context=0.5")
    features = torch.randn(2, 4, 30)
    proposals = torch.tensor([[0, 4.0, 10.0], [1, 0.0, 29.0], [1, 7.0, 8.0]])
    widened = torch.tensor([[0, 1.0, 13.0], [1, -14.5, 43.5], [1, 6.5, 8.5]])
    expected = made.proposal_head.score(align1d(features, widened, 6))
    assert torch.allclose(made.proposal_head(features, proposals), expected, atol=1e-5)
    assert made.proposal_head(features, torch.zeros(0, 3)).shape == (0, 2)


def test_boundary_labels_in_other_dtypes():
    """Proposals may come as float64; the features' dtype rules."""
    made = network()
    assert made.proposal_head(torch.randn(1, 4, 9), torch.tensor([[0, 1.0, 5.0]], dtype=torch.float64)).dtype \
        == torch.float32
