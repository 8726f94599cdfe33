"""The pyramid looks where its anchors are; the network has the anchors' form at any length."""

import numpy as np
import pytest
import torch

from tad.models.atss import ATSS, stretched
from tad.models.pyramid import Pyramid, doubled
from tad.proposals.anchors import pyramid_anchors
from tests.helpers import tiny_settings


def network(*assignments, levels=3):
    settings = tiny_settings("atss.levels=%d" % levels, "atss.dropout=0", *assignments, detector="atss")
    return ATSS(5, 3, settings.atss)


@pytest.mark.parametrize("length", [8, 9, 13, 31, 64])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_one_output_for_each_anchor(length, levels):
    scores = network(levels=levels)(torch.randn(2, 5, length), torch.ones(2, 1, length))
    count = len(pyramid_anchors(length, levels, 8).segments)
    assert scores.classes.shape == (2, 3, count) and scores.sides.shape == (2, 2, count)
    assert scores.quality.shape == (2, count)


@pytest.mark.parametrize("length", [40, 41])
def test_steps_look_at_the_centres_of_their_anchors(length):
    """The backbone of a level sees as far to the left of an anchor's centre as to its right."""
    made, centre = Pyramid(4, 8, 3, 1, 3).double(), 16
    for module in made.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.forward = lambda values: values  # it would mix all snippets
        elif isinstance(module, torch.nn.Conv1d):
            module.weight.data.abs_()  # so that no ReLU hides a snippet
    for level, reach in enumerate((3, 6, 12)):
        features = torch.ones(1, 4, length, dtype=torch.float64, requires_grad=True)
        value = made.stem(features)
        for block in list(made.down)[:level]:
            value = block(value)
        value[0, :, centre // 2 ** level].sum().backward()
        seen = torch.nonzero(features.grad.sum(dim=1)[0]).reshape(-1).tolist()
        assert seen == list(range(centre - reach, centre + reach + 1))


def test_doubled_by_hand():
    features = torch.tensor([[[1.0, 2.0, 3.0]]])
    assert doubled(features, 6).tolist() == [[[1, 1, 2, 2, 3, 3]]]
    assert doubled(features, 5).tolist() == [[[1, 1, 2, 2, 3]]]


def test_coarse_levels_reach_the_finest():
    """The top-down way: what only the coarsest level says changes the finest."""
    made = Pyramid(4, 8, 3, 1, 3)
    features = torch.randn(1, 4, 32)
    before = made(features)[0]
    with torch.no_grad():
        for parameter in made.lateral[2].parameters():
            parameter.add_(1.0)
    assert not torch.allclose(before, made(features)[0])


def test_what_stands_in_the_padding_does_not_matter():
    made = network().double()
    features, valid = torch.randn(1, 5, 20, dtype=torch.float64), torch.ones(1, 1, 20, dtype=torch.float64)
    valid[:, :, 11:] = 0
    other = features.clone()
    other[:, :, 11:] = 1e3
    for first, second in zip(made(features, valid), made(other, valid)):
        assert torch.equal(first, second)


def test_stretched_by_hand():
    """Centre 4, half 2: start at 4 - 2 * 2, end at 4 + 2 / 2; far values are cut to exp(4)."""
    segments = torch.tensor([[2.0, 6.0], [2.0, 6.0], [2.0, 6.0]], dtype=torch.float64)
    sides = torch.tensor([[0.0, 0.0], [np.log(2), -np.log(2)], [99.0, -99.0]], dtype=torch.float64)
    expected = [[2, 6], [0, 5], [4 - 2 * np.exp(4), 4 + 2 * np.exp(-4)]]
    np.testing.assert_allclose(stretched(segments, sides).numpy(), expected, atol=1e-9)


def test_the_second_stage_begins_with_the_segments_as_they_are_and_rare_classes():
    made = network("atss.refine=true")
    rois = torch.tensor([[0, 3.0, 9.0], [1, -0.5, 0.5], [1, 10.0, 63.5]])
    sides, classes = made.second(made(torch.randn(2, 5, 64), torch.ones(2, 1, 64)).features, rois)
    assert sides.shape == (3, 2) and classes.shape == (3, 3)
    assert float(sides.detach().abs().max()) < 0.7
    assert 0.001 < float(torch.sigmoid(classes).detach().mean()) < 0.05


@pytest.mark.parametrize("bins", [4, 7])
@pytest.mark.parametrize("context", [0.0, 1.0])
def test_the_second_stage_sees_its_segment_and_the_context_and_no_more(rng, bins, context):
    made = network("atss.refine=true", "atss.refine_bins=%d" % bins, "atss.refine_context=%g" % context).second.double()
    made.head.reduce[0] = torch.nn.Conv1d(8, 4, 1).double()  # one snippet wide, and without a norm over all of them
    # Several inputs, because a rectifier may let nothing of one bin through
    features = torch.randn(16, 8, 64, dtype=torch.float64, requires_grad=True)
    sides, classes = made(features, torch.tensor([[index, 20.0, 32.0] for index in range(16)], dtype=torch.float64))
    (sides.sum() + classes.sum()).backward()
    seen = torch.nonzero(features.grad.abs().sum(dim=1).sum(dim=0)).reshape(-1)
    low, high = 20 - 12 * context, 32 + 12 * context
    assert low - 1 < float(seen.min()) < low + 3 and high - 3 < float(seen.max()) < high + 1


def test_without_refinement_there_is_no_second_stage():
    assert not any(name.startswith("second") for name, _ in network("atss.refine=false").named_parameters())


def test_the_first_segments_are_nearly_the_anchors_and_classes_are_rare():
    scores = network()(torch.randn(4, 5, 64), torch.ones(4, 1, 64))
    assert float(scores.sides.detach().abs().max()) < 0.7
    assert 0.001 < float(torch.sigmoid(scores.classes).detach().mean()) < 0.05


@pytest.mark.parametrize("assignments", [("atss.kernel=1",), ("atss.kernel=7",), ("atss.width=11",), ("atss.blocks=3",),
                                         ("atss.head_convs=3",), ("atss.input_dropout=0.5",), ("atss.refine=false",)])
def test_other_settings_work(assignments):
    scores = network(*assignments)(torch.randn(2, 5, 16), torch.ones(2, 1, 16))
    assert all(bool(torch.isfinite(value).all()) for value in scores)
    assert np.isfinite(sum(float(value.detach().sum()) for value in scores))
