"""The detector ``atss`` in one stage: every loss and the decoding equal their formulas."""

import math

import numpy as np
import pytest
import torch

from tad.assignment.atss import anchor_targets
from tad.config import Settings
from tad.detectors import build_detector
from tad.detectors.atss import ATSSDetector
from tad.errors import DataWarning, UserError
from tad.proposals.anchors import pyramid_anchors
from tad.settings import replace
from tests.helpers import one_clip, tiny_settings

PARTS = {"classes", "segments", "quality"}


def settings_of(*assignments):
    return tiny_settings("atss.levels=3", "atss.dropout=0", "atss.refine=false", *assignments, detector="atss")


def detector(*assignments):
    return build_detector(settings_of(*assignments), 4, 3)


def mask(valid):
    return (torch.arange(32) < valid).float()[None, None]


def stir(made):
    """Outputs far from where they start."""
    with torch.no_grad():
        for layer in (made.network.head.classes, made.network.head.sides, made.network.head.quality):
            layer.weight.add_(0.3 * torch.randn_like(layer.weight))


def slow_segment(anchor, sides):
    centre, half = (anchor[0] + anchor[1]) / 2, (anchor[1] - anchor[0]) / 2
    first, second = (half * math.exp(min(max(float(side), -4.0), 4.0)) for side in sides)
    return centre - first, centre + second


def slow_overlaps(a, b):
    """tIoU and generalized IoU."""
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - shared
    hull = max(a[1], b[1]) - min(a[0], b[0])
    return shared / union, shared / union - (hull - union) / hull


def sigmoid(x):
    return 1 / (1 + math.exp(-float(x)))


@pytest.mark.parametrize("quality", ["centerness", "tiou"])
@pytest.mark.parametrize("valid", [32, 13])
def test_the_losses_equal_their_formulas(rng, quality, valid):
    """One anchor after the other, from the network's outputs and the clip's targets."""
    clip, inputs = one_clip(rng, valid, settings_of())
    made = detector("atss.quality=" + quality)
    stir(made)
    anchors = pyramid_anchors(32, 3, 4.0)
    targets = anchor_targets(anchors, clip.segments, clip.classes, 3, valid, 4)
    with torch.no_grad():
        output = made.network(inputs, mask(valid))
        found = made.losses(inputs, [clip], rng)
    classes = segments = judged = central = 0.0
    positives = [i for i in range(len(anchors.segments)) if targets.positive[i]]
    for i in range(len(anchors.segments)):
        for k in range(3):
            p, target = sigmoid(output.classes[0, k, i]), targets.classes[k, i]
            right, alpha = (p, 0.25) if target else (1 - p, 0.75)
            classes -= targets.judged[i] * alpha * (1 - right) ** 2 * math.log(right)
    for i in positives:
        tiou, giou = slow_overlaps(slow_segment(anchors.segments[i], output.sides[0, :, i]), targets.segments[i])
        segments += targets.centerness[i] * (1 - giou)
        central += targets.centerness[i]
        goal, p = (targets.centerness[i] if quality == "centerness" else tiou), sigmoid(output.quality[0, i])
        judged -= goal * math.log(p) + (1 - goal) * math.log(1 - p)
    expected = {"classes": classes / max(len(positives), 1), "segments": 2 * segments / max(central, 1e-6),
                "quality": judged / max(len(positives), 1)}
    for name in PARTS:
        assert float(found[name]) == pytest.approx(expected[name], rel=1e-3, abs=1e-5), name


def test_padding_is_not_learned_from(rng):
    """Whatever the network says of anchors on padding, the losses are the same."""
    clip, inputs = one_clip(rng, 9, settings_of())
    made = detector()
    output = made.network(inputs, mask(9))
    padding = torch.from_numpy(pyramid_anchors(32, 3, 4.0).segments.mean(axis=1) >= 9).float()
    results = []
    for by in (0.0, 50.0):
        disturbed = output._replace(classes=output.classes + by * padding, sides=output.sides + by * padding,
                                    quality=output.quality + by * padding)
        made.network.forward = lambda features, valid, said=disturbed: said
        results.append([float(value.detach()) for value in made.losses(inputs, [clip], rng).values()])
    assert results[0] == results[1]


@pytest.mark.parametrize("valid", [32, 11, 1])
def test_decoding_equals_its_formula(rng, valid):
    clip, inputs = one_clip(rng, valid, settings_of())
    made = detector("atss.candidates=12").eval()
    stir(made)
    with torch.no_grad():
        scored, = made.propose(inputs, [clip])
        output = made.network(inputs, mask(valid))
    anchors = pyramid_anchors(32, 3, 4.0).segments
    real = [i for i in range(len(anchors)) if anchors[i].mean() <= valid - 1]
    best = sorted(real, key=lambda i: -float(torch.sigmoid(output.classes[0, :, i]).max()))[:12]
    assert len(scored.segments) == min(12, len(real))
    for row, i in enumerate(best):
        start, end = slow_segment(anchors[i], output.sides[0, :, i])
        np.testing.assert_allclose(scored.segments[row], [max(start, -0.5), min(end, valid - 0.5)], atol=1e-4)
        np.testing.assert_allclose(scored.classes[row], torch.sigmoid(output.classes[0, :, i]).numpy(), atol=1e-6)
        assert scored.tiou[row] == pytest.approx(sigmoid(output.quality[0, i]), abs=1e-6)
    assert (scored.boundaries == 1).all() and (scored.completeness == 1).all()


def test_extreme_outputs_give_finite_segments(rng):
    clip, inputs = one_clip(rng, 32, settings_of())
    made = detector().eval()
    for bias in (-1e4, 1e4):
        with torch.no_grad():
            made.network.head.sides.bias.fill_(bias)
            scored, = made.propose(inputs, [clip])
        assert np.isfinite(scored.segments).all() and (scored.segments[:, 1] > scored.segments[:, 0]).all()


def fitted(length, longest, **atss):
    settings = replace(Settings(), detector="atss", dataset__length=length)
    return ATSSDetector.fit(replace(settings, **{"atss__" + name: value for name, value in atss.items()}), longest)


@pytest.mark.parametrize("length, longest, levels", [
    (1024, 1.0, 1), (1024, 8.0, 1), (1024, 8.1, 2), (1024, 64.0, 4), (1024, 65.0, 5), (8, 64.0, 3), (1024, 1e5, 10)])
def test_levels_reach_the_longest_action_and_fit_the_clip(length, longest, levels):
    assert fitted(length, longest).atss.levels == levels


def test_levels_that_do_not_fit_the_clip_are_refused():
    assert fitted(32, 10.0, levels=5).atss.levels == 5
    with pytest.raises(UserError, match=r"atss.levels \(6\).*dataset.length 32.*set it to 5 or less"):
        fitted(32, 10.0, levels=6)


def test_actions_out_of_reach_are_told():
    settings = fitted(1024, 10.0, levels=1, anchor_scale=1.0)
    ATSSDetector.check(settings, np.array([54.0, 1.0]))
    with pytest.warns(DataWarning, match="1 of the 3 training actions last longer than any anchor reaches"):
        ATSSDetector.check(settings, np.array([60.0, 1.0, 2.0]))
    with pytest.raises(UserError, match="raise atss.levels"):
        ATSSDetector.check(settings, np.array([60.0, 61.0, 2.0]))


@pytest.mark.parametrize("section", [{"blocks": 200}, {"head_convs": 200}])
def test_strange_checkpoints_are_refused(section):
    settings = fitted(64, 10.0, **section)
    ATSSDetector.check_stored(settings, 400, "x.npz")
    with pytest.raises(UserError, match="x.npz holds 100 weights, too few"):
        ATSSDetector.check_stored(settings, 100, "x.npz")
