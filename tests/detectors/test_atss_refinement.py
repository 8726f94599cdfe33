"""The second stage of ``atss``: what it learns from, its losses and its decoding, by their formulas."""

import math

import numpy as np
import pytest
import torch

from tad.assignment.proposals import generators
from tad.detectors import build_detector
from tad.proposals.anchors import pyramid_anchors
from tad.settings import replace
from tests.helpers import make_batch, one_clip, tiny_settings

SECOND = ("refined_classes", "refined_segments")


def settings_of(*assignments):
    return tiny_settings("atss.levels=3", "atss.dropout=0", "atss.refine=true", *assignments, detector="atss")


def detector(*assignments):
    """With outputs far from where they start."""
    made = build_detector(settings_of(*assignments), 4, 3)
    with torch.no_grad():
        for layer in (made.network.head.classes, made.network.head.sides, made.network.second.head.score[-1]):
            layer.weight.add_(0.3 * torch.randn_like(layer.weight))
    return made


def sigmoid(x):
    return 1 / (1 + math.exp(-float(x)))


def slow_segment(segment, sides):
    centre, half = (segment[0] + segment[1]) / 2, (segment[1] - segment[0]) / 2
    first, second = (half * math.exp(min(max(float(side), -4.0), 4.0)) for side in sides)
    return centre - first, centre + second


def slow_giou(a, b):
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - shared
    hull = max(a[1], b[1]) - min(a[0], b[0])
    return shared / union - (hull - union) / hull


def losses_of(made, features, clips):
    return made.losses(features, clips, np.random.RandomState(5))


def test_the_losses_equal_their_formulas(rng):
    """One segment after the other, from the second stage's outputs for the same sample; one clip has unknown labels."""
    clips, features = make_batch(rng, settings_of())
    clips[0] = clips[0]._replace(classes=np.full_like(clips[0].classes, -1))
    made = detector()
    with torch.no_grad():
        found = losses_of(made, features, clips)
        output = made.network(features, torch.stack([(torch.arange(32) < clip.valid).float()[None] for clip in clips]))
        anchors = pyramid_anchors(32, 3, 4.0)
        classes, segments, positives, judged = 0.0, 0.0, 0, 0
        draws = generators(np.random.RandomState(5), len(clips))
        for index, (clip, own) in enumerate(zip(clips, draws)):
            first = np.array([slow_segment(anchor, sides) for anchor, sides in zip(
                anchors.segments, output.sides[index].t().tolist())])
            chosen, targets = made._sample(anchors, first, clip, own)
            assert len(chosen) == 12
            rois = np.concatenate([np.full((len(chosen), 1), index), chosen], axis=1)
            sides, logits = made.network.second(output.features, torch.from_numpy(rois).float())
            for row in range(len(chosen)):
                for k in range(3):
                    p = sigmoid(logits[row, k])
                    classes -= targets.judged[row] * math.log(p if targets.classes[row, k] else 1 - p)
                judged += targets.judged[row]
                if targets.positive[row]:
                    positives += 1
                    segments += 1 - slow_giou(slow_segment(chosen[row], sides[row]), targets.segments[row])
    assert positives > 0
    assert float(found["refined_classes"]) == pytest.approx(classes / judged, rel=1e-3)
    assert float(found["refined_segments"]) == pytest.approx(2 * segments / positives, rel=1e-3)


def test_the_sample_lies_on_real_snippets_and_has_positives(rng):
    made, anchors = detector(), pyramid_anchors(32, 3, 4.0)
    for valid in (1, 9, 32):
        clip, _ = one_clip(rng, valid, settings_of())
        first = anchors.segments + rng.uniform(-1, 1, anchors.segments.shape)
        chosen, targets = made._sample(anchors, first, clip, rng)
        assert (chosen >= -0.5).all() and (chosen <= valid - 0.5).all() and targets.positive.sum() > 0
        assert (chosen[:, 1] > chosen[:, 0]).all()  # those of padding would be empty


def test_the_first_stage_learns_nothing_through_the_segments_that_it_hands_on(rng):
    """They are constants, as in Cascade R-CNN; through the shared features it does learn."""
    clips, features = make_batch(rng, settings_of())
    made = detector()
    parts = losses_of(made, features, clips)
    sum(parts[name] for name in SECOND).backward()
    assert all(value.grad is None or not value.grad.abs().sum() for value in made.network.head.parameters())
    assert any(value.grad is not None and value.grad.abs().sum() for value in made.network.pyramid.parameters())


def test_another_draw_is_another_sample(rng):
    clips, features = make_batch(rng, settings_of())
    made = detector()
    found = [float(made.losses(features, clips, np.random.RandomState(seed))["refined_classes"].detach())
             for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_decoding_equals_its_formula(rng):
    """Recordings of 32, 11 and 1 snippets in one batch."""
    clips, features = zip(*(one_clip(rng, valid, settings_of()) for valid in (32, 11, 1)))
    features = torch.cat(features)
    made = detector("atss.candidates=12").eval()
    with torch.no_grad():
        found = made.propose(features, clips)
        made.settings = replace(made.settings, candidates=12, refine=False)
        first = made.propose(features, clips)
        valid = torch.stack([(torch.arange(32) < clip.valid).float()[None] for clip in clips])
        output = made.network(features, valid)
        for index, (one, before) in enumerate(zip(found, first)):
            rois = np.concatenate([np.full((len(before.segments), 1), index), before.segments], axis=1)
            sides, logits = made.network.second(output.features, torch.from_numpy(rois).float())
            assert len(one.segments) == len(before.segments) > 0
            for row, segment in enumerate(before.segments):
                start, end = slow_segment(segment, sides[row])
                end = min(end, clips[index].valid - 0.5)
                np.testing.assert_allclose(one.segments[row], [max(start, -0.5), end], atol=1e-4)
                expected = [math.sqrt(before.classes[row, k] * sigmoid(logits[row, k])) for k in range(3)]
                np.testing.assert_allclose(one.classes[row], expected, atol=1e-6)
            np.testing.assert_array_equal(one.tiou, before.tiou)


def test_extreme_outputs_give_segments_that_are_not_empty(rng):
    clip, features = one_clip(rng, 32, settings_of())
    made = detector().eval()
    with torch.no_grad():
        for bias in (-1e4, 1e4):
            made.network.head.sides.bias.fill_(bias)
            made.network.second.head.score[-1].bias.fill_(bias)
            scored, = made.propose(features, [clip])
            assert np.isfinite(scored.segments).all() and (scored.segments[:, 1] > scored.segments[:, 0]).all()
