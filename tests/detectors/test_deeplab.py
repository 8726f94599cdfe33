"""The detector ``deeplab``: what is learned from, and that decoding equals its formula written out."""

import numpy as np
import pytest
import torch

from tad.assignment.proposals import generators
from tad.data.augment import random_clip
from tad.detectors import DETECTORS, build_detector
from tad.engine.training import start, train_step
from tad.errors import UserError
from tad.proposals.grid import all_proposals
from tad.settings import override_settings
from tests.helpers import make_batch, make_source, one_clip, tiny_settings


def detector(*assignments, classes=3):
    settings = tiny_settings("deeplab.max_duration=20", "deeplab.dropout=0", *assignments)
    return build_detector(settings, 4, classes)


def test_padding_is_not_learned_from(rng):
    """Whatever the network says of padding, the losses are the same."""
    clip, features = one_clip(rng, 9, tiny_settings())
    made = detector()
    output = made.network(features, (torch.arange(32) < 9).float()[None, None])
    kept = {}

    def disturbed(features, valid):
        scores = [value + 50.0 * kept["by"] * (1 - valid) for value in output.scores]
        return output._replace(scores=output.scores.__class__(*scores))

    made.network.forward = disturbed
    results = []
    for kept["by"] in (0.0, 1.0):
        results.append([float(value.detach()) for value in
                        made.losses(features, [clip], np.random.RandomState(1)).values()])
    assert results[0] == results[1]


def test_recordings_of_one_snippet_and_without_actions_train(rng):
    for lengths, actions in (((1,), 1), ((1, 40), 0)):
        made = [make_source(rng, length, actions=actions, name=str(index)) for index, length in enumerate(lengths)]
        read = {source.id: features for source, features in made}.__getitem__
        settings = tiny_settings("deeplab.max_duration=20")
        clips = [random_clip([source for source, _ in made], read, settings.augment, "windows", 32, 0, number)
                 for number in range(2)]
        progress = start(build_detector(settings, 4, 3), settings)
        parts = train_step(progress, clips, settings, torch.device("cpu"))
        assert all(np.isfinite(float(value)) for value in parts.values())


def test_sampled_proposals_have_the_overlap_they_claim(rng):
    clips, _ = make_batch(rng, tiny_settings())
    proposals, overlaps, complete = detector()._sampled(clips, [None] * len(clips), generators(rng, len(clips)))
    assert len(proposals) == len(overlaps) == len(complete) <= 3 * 12
    assert np.array_equal(complete, overlaps >= 0.7)
    for (index, start_, end), overlap in zip(proposals, overlaps):
        clip = clips[int(index)]
        assert 0 <= start_ < end <= clip.valid - 1 and end - start_ <= 20
        best = max([0.0] + [max(0.0, min(end, e) - max(start_, s)) /
                            ((end - start_) + (e - s) - max(0.0, min(end, e) - max(start_, s)))
                            for s, e in clip.segments])
        assert overlap == pytest.approx(best, abs=1e-9)


def test_neighbours_are_drawn_for_each_clip_from_its_own_numbers(rng):
    """What one clip draws does not hang on the others, and another draw gives another loss."""
    clips, features = make_batch(rng, tiny_settings())
    made = detector("deeplab.second_stage=graph", "deeplab.neighbours=3", "deeplab.sampled_neighbours=1")
    whole, some = generators(np.random.RandomState(1), 3), generators(np.random.RandomState(1), 3)[1:]
    rois = torch.from_numpy(made._sampled(clips, [None] * 3, whole)[0]).float()
    drawn = made._draws(rois, whole)
    part = torch.from_numpy(made._sampled(clips[1:], [None] * 2, some)[0]).float()
    assert [len(own) for own in drawn] == np.bincount(rois[:, 0].long().numpy()).tolist()
    for one, other in zip(drawn[1:], made._draws(part, some)):
        assert one.shape[0] == one.shape[1] and torch.equal(one, other)
    judged = made.network.proposal_head
    reduced = made.network(features, torch.ones(3, 1, 32)).proposal_features
    assert torch.equal(judged(reduced, rois, drawn), judged(reduced, rois, drawn))
    again = made._draws(rois, generators(np.random.RandomState(2), 3))
    assert not torch.equal(judged(reduced, rois, drawn), judged(reduced, rois, again))
    assert made.settings.second_stage == "graph" and detector()._draws(rois, whole) is None


@pytest.mark.parametrize("assignments, told", [
    (("deeplab.sampled_neighbours=9",), "deeplab.sampled_neighbours .9. are drawn of deeplab.neighbours .8."),
    (("deeplab.candidates=5000",), "compares all proposals .* set deeplab.candidates .5000."),
    (("deeplab.samples=4097",), "deeplab.samples .4097. to 4096 or less"),
    (("dataset.length=16386",), "deeplab.atrous_graph .* set dataset.length .16386. to 16384 or less")])
def test_graphs_that_cannot_be_are_refused(assignments, told):
    settings = tiny_settings("deeplab.second_stage=graph", "deeplab.atrous_graph=true", *assignments)
    without = override_settings(settings, ["deeplab.second_stage=fc", "deeplab.atrous_graph=false"])
    DETECTORS["deeplab"].fit(without, 12.0)
    with pytest.raises(UserError, match=told):
        DETECTORS["deeplab"].fit(settings, 12.0)
    with pytest.raises(UserError, match="c.npz: .*" + told):
        DETECTORS["deeplab"].check_stored(settings, 100, "c.npz")


def slow_mean(scores, start, end):
    """Mean over [start, end] of steps of width 1 around each snippet, 0 outside."""
    total = sum(score * max(0.0, min(end, i + 0.5) - max(start, i - 0.5)) for i, score in enumerate(scores))
    return total / (end - start)


@pytest.mark.parametrize("valid, variant", [(32, ()), (11, ()), (2, ()), (32, ("deeplab.second_stage=graph",))])
def test_decoding_equals_its_formula(rng, valid, variant):
    """One clip, one proposal after the other, from the network's raw outputs."""
    clip, inputs = one_clip(rng, valid, tiny_settings())
    made = detector("deeplab.candidates=40", *variant).eval()
    with torch.no_grad():
        for parameter in made.network.snippet_head.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
        scored, = made.propose(inputs, [clip])
        output = made.network(inputs, (torch.arange(32) < valid).float()[None, None])
        classes = torch.sigmoid(output.scores.classes)[0].numpy()[:, :valid]
        boundaries = torch.sigmoid(output.scores.boundaries)[0].numpy()
        offsets = output.scores.offsets[0].numpy()
        candidates = sorted(((start_, end) for start_, end in all_proposals(valid, 20).tolist()),
                            key=lambda pair: -float(boundaries[0, pair[0]]) * float(boundaries[1, pair[1]]))[:40]
        assert len(scored.segments) == len(candidates)
        logits = made.network.proposal_head(output.proposal_features, torch.tensor(
            [[0.0, start_, end] for start_, end in candidates]).reshape(-1, 3))
    quality = torch.sigmoid(logits).numpy()
    for row, (start_, end) in enumerate(candidates):
        low = start_ + offsets[0, start_]
        high = max(end + offsets[1, end], low + 0.1)
        np.testing.assert_allclose(scored.segments[row], [low, high], atol=1e-5)
        assert scored.boundaries[row] == pytest.approx(boundaries[0, start_] * boundaries[1, end], rel=1e-5)
        assert (scored.tiou[row], scored.completeness[row]) == pytest.approx(tuple(quality[row]), rel=1e-3, abs=1e-6)
        np.testing.assert_allclose(scored.classes[row], [slow_mean(line, low, high) for line in classes], atol=1e-5)


def test_a_clip_of_one_snippet_has_no_proposal(rng):
    clip, features = one_clip(rng, 1, tiny_settings())
    with torch.no_grad():
        scored, = detector().eval().propose(features, [clip])
    assert scored.segments.shape == (0, 2) and scored.classes.shape == (0, 3)
