"""The detector ``ssn``: every loss equals its equation, decoding equals its formula."""

import math

import numpy as np
import pytest
import torch

from tad.assignment.completeness import BACKGROUND, INCOMPLETE, POSITIVE, sample
from tad.assignment.proposals import generators
from tad.detectors import build_detector
from tad.detectors.ssn import SSNDetector, moved_by
from tad.errors import UserError
from tad.models.ssn import Judgement
from tad.proposals.tag import tag_proposals
from tests.helpers import make_batch, one_clip, tiny_settings


def settings_of(*assignments):
    return tiny_settings("ssn.dropout=0", *assignments, detector="ssn")


def detector(*assignments):
    return build_detector(settings_of(*assignments), 4, 3)


def shaken(made):
    """The detector with outputs that differ from place to place, as after some training."""
    with torch.no_grad():
        for layer in (made.network.actionness, made.network.activity, made.network.completeness, made.network.location):
            layer.weight.add_(0.3 * torch.randn_like(layer.weight))
            layer.bias.zero_()
    return made


def probability(value):
    return 1 / (1 + math.exp(-value))


def test_proposals_teach_the_shared_features(rng):
    """End to end: without actionness' own loss the base still learns, and actionness itself does not."""
    clips, features = make_batch(rng, settings_of())
    made = shaken(detector("ssn.actionness_weight=0"))
    sum(made.losses(features, clips, rng).values()).backward()
    assert made.network.base[0][0][0].weight.grad.abs().sum() > 0
    assert not made.network.actionness.weight.grad.abs().sum()


def test_a_batch_without_proposals_to_learn_from_gives_gradients_of_0(rng):
    """An action of unknown class covers all: actionness alone learns, and no weight is left without a gradient."""
    clip, features = one_clip(rng, 32, settings_of())
    clip = clip._replace(segments=np.array([[-9.0, 50.0]]), classes=np.array([-1]))
    made = detector()
    parts = made.losses(features, [clip], rng)
    assert float(parts["actionness"].detach()) > 0
    assert [float(parts[name].detach()) for name in ("activity", "completeness", "location")] == [0.0, 0.0, 0.0]
    sum(parts.values()).backward()
    for layer in (made.network.activity, made.network.completeness, made.network.location):
        assert float(layer.weight.grad.abs().sum()) == 0


def slow_losses(chosen, judged, hard_part):
    """Activity, completeness and location of one clip's proposals by the paper's equations, in float64."""
    activity, negative, complete, location = [], [], [], []
    for row, (kind, action, move) in enumerate(zip(chosen.kinds, chosen.classes, chosen.moves)):
        odds = np.exp(judged.activity[row] - judged.activity[row].max())
        if kind in (POSITIVE, BACKGROUND):
            activity.append(-math.log(odds[action + 1] / odds.sum()))
        if kind == POSITIVE:
            complete.append(-math.log(probability(judged.completeness[row, action])))
            for side in range(2):
                error = abs(judged.location[row, action, side] - move[side])
                location.append(0.5 * error ** 2 if error < 1 else error - 0.5)
        if kind == INCOMPLETE:
            negative.append(-math.log(1 - probability(judged.completeness[row, action])))
    hard = sorted(negative)[len(negative) - max(1, int(round(hard_part * len(negative)))):] if negative else []
    return [np.mean(values) if values else 0.0 for values in (activity, complete + hard, location)]


@pytest.mark.parametrize("valid", [32, 11, 3, 1])
def test_losses_equal_the_equations(rng, valid):
    clip, features = one_clip(rng, valid, settings_of())
    made = shaken(detector("ssn.samples=60").double())
    features = features.double()
    parts = made.losses(features, [clip], np.random.RandomState(2))
    output = made.network(features, (torch.arange(32) < valid).double()[None, None])
    curves = torch.sigmoid(output.actionness[0].detach()).numpy()
    steps = np.arange(1, 10) / 10.0
    chosen = sample(tag_proposals(curves[:, :valid], steps, steps), clip.segments, clip.classes, valid, made.settings,
                    generators(np.random.RandomState(2), 1)[0])
    rois = np.concatenate([np.zeros((len(chosen.kinds), 1)), chosen.segments], axis=1)
    judged = made.network.judge(output.features, torch.from_numpy(rois))
    judged = Judgement(*(values.detach().numpy() for values in judged))
    expected = slow_losses(chosen, judged, 1 / 6.0)
    for name, value in zip(("activity", "completeness", "location"), expected):
        assert float(parts[name].detach()) == pytest.approx(value, rel=1e-6, abs=1e-9), name
    snippets = []
    for index in range(valid):
        covered = np.zeros(4)
        for (start, end), action in zip(clip.segments, clip.classes):
            part = min(1.0, max(0.0, min(end, index + 0.5) - max(start, index - 0.5)))
            covered[[0, action + 1]] = np.minimum(1.0, covered[[0, action + 1]] + part)
        snippets.append(-(covered * np.log(curves[:, index]) + (1 - covered) * np.log(1 - curves[:, index])).sum())
    assert float(parts["actionness"].detach()) == pytest.approx(np.mean(snippets), rel=1e-5)


def test_padding_is_not_learned_from(rng):
    clip, features = one_clip(rng, 9, settings_of())
    made, found = shaken(detector()), []
    for by in (0.0, 50.0):
        noisy = features.clone()
        noisy[:, :, 9:] += by
        parts = made.losses(noisy, [clip], np.random.RandomState(1))
        found.append({name: float(value.detach()) for name, value in parts.items()})
    assert found[0] == found[1]
    output = made.network(features, (torch.arange(32) < 9).float()[None, None])
    disturbed = output._replace(actionness=output.actionness + 9 * (torch.arange(32) >= 9).float())
    made.network.forward = lambda features, valid: disturbed
    parts = made.losses(features, [clip], np.random.RandomState(1))
    assert {name: float(value.detach()) for name, value in parts.items()} == found[0]


@pytest.mark.parametrize("kind", ["binary", "classes"])
@pytest.mark.parametrize("valid", [32, 11, 1])
def test_decoding_equals_its_formula(rng, valid, kind):
    clip, features = one_clip(rng, valid, settings_of())
    made = shaken(detector("ssn.candidates=1000", "ssn.copy_tiou=1", "ssn.actionness=" + kind)).eval()
    with torch.no_grad():
        scored, = made.propose(features, [clip])
        output = made.network(features, (torch.arange(32) < valid).float()[None, None])
        curves = torch.sigmoid(output.actionness)[0, :, :valid].double().numpy()
        steps = np.arange(1, 10) / 10.0
        proposals = tag_proposals(curves, steps, steps)
        means = [max(curve[int(start + 0.5):int(end + 0.5)].mean() for curve in curves) for start, end in proposals]
        proposals = proposals[np.argsort(-np.round(means, 9), kind="mergesort")]
        rois = np.concatenate([np.zeros((len(proposals), 1)), proposals], axis=1)
        judged = made.network.judge(output.features, torch.from_numpy(rois).float())
    judged = Judgement(*(values.double().numpy() for values in judged))
    odds = np.exp(judged.activity)
    scores = odds[:, 1:] / odds.sum(axis=1, keepdims=True) / (1 + np.exp(-judged.completeness))
    moves = judged.location[np.arange(len(scores)), scores.argmax(axis=1)]
    moved = np.clip(moved_by(proposals, moves), -0.5, valid - 0.5)
    moved = np.where((moved[:, 1] - moved[:, 0] >= 0.1)[:, None], moved, proposals)
    order, other = np.lexsort(np.round(scored.segments, 4).T), np.lexsort(np.round(moved, 4).T)
    np.testing.assert_allclose(scored.segments[order], moved[other], atol=1e-4)
    np.testing.assert_allclose(np.sort(scored.classes, axis=0), np.sort(scores, axis=0), rtol=1e-3, atol=1e-5)
    for values in (scored.boundaries, scored.tiou, scored.completeness):
        np.testing.assert_array_equal(values, np.ones(len(proposals)))
    np.testing.assert_allclose(scored.curves, curves[:1], rtol=1e-5)


def test_near_copies_and_all_but_the_best_go(rng):
    clip, features = one_clip(rng, 32, settings_of())
    counts = []
    for assignments in (("ssn.copy_tiou=1",), ("ssn.copy_tiou=0.6",), ("ssn.copy_tiou=1", "ssn.candidates=2")):
        torch.manual_seed(9)
        made = shaken(detector("ssn.candidates=1000", *assignments)).eval()
        with torch.no_grad():
            counts.append(len(made.propose(features, [clip])[0].segments))
    assert counts[0] > counts[1] > counts[2] == 2


def test_actions_that_touch_are_apart_with_curves_of_classes(rng):
    """One curve of any action cannot part them: its groups cover both."""
    curves = {"binary": np.ones((1, 20)), "classes": np.ones((4, 20))}
    curves["classes"][1, 9:] = curves["classes"][2, :9] = curves["classes"][3] = 0.0
    found = {kind: {tuple(row) for row in detector("ssn.actionness=" + kind)._grouped(values, 20).tolist()}
             for kind, values in curves.items()}
    assert found["binary"] == {(-0.5, 19.5)}
    assert found["classes"] == {(-0.5, 19.5), (-0.5, 8.5), (8.5, 19.5)}


@pytest.mark.parametrize("assignments, told", [
    (("ssn.incomplete_tiou=0.8",), r"ssn.incomplete_tiou \(0.8\) must not be above ssn.positive_tiou \(0.7\)"),
    (("ssn.background_tiou=0.4",), r"ssn.background_tiou \(0.4\) must not be above ssn.incomplete_tiou \(0.3\)"),
])
def test_kinds_that_overlap_are_refused(assignments, told):
    with pytest.raises(UserError, match=told):
        SSNDetector.fit(settings_of(*assignments), 12.0)


def test_a_location_cannot_overflow():
    found = moved_by(np.array([[4.0, 8.0], [4.0, 8.0]]), np.array([[0.0, 1e6], [0.5, -1e6]]))
    assert np.isfinite(found).all() and (found[:, 1] > found[:, 0]).all()
    np.testing.assert_allclose(found.mean(axis=1), [6.0, 8.0])
