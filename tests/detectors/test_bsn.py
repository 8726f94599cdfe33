"""The detector ``bsn``: every weight learns in its stage, every loss equals its equation, decoding its formula."""

import math

import numpy as np
import pytest
import torch

from tad.assignment.proposals import balanced_sample, generators
from tad.data.clips import Clip
from tad.data.timegrid import TimeGrid
from tad.detectors import build_detector
from tad.detectors.bsn import BSNDetector
from tad.engine import training
from tad.engine.stages import spans
from tad.errors import DataWarning, UserError
from tad.segments import tiou
from tad.settings import replace
from tests.helpers import make_batch, one_clip, tiny_settings

PARTS = {"classes", "actionness", "boundaries", "confidence"}


def settings_of(*assignments):
    return tiny_settings("bsn.max_duration=20", *assignments, detector="bsn")


def detector(*assignments):
    return build_detector(settings_of(*assignments), 4, 3)


def with_curves(made, curves):
    """Let the temporal evaluation module say ``curves (3, T)`` of every clip."""
    logits = torch.from_numpy(np.log(curves / (1 - curves)).astype(np.float32))
    forward = made.temporal.forward
    made.temporal.forward = lambda features, valid: forward(features, valid)._replace(
        curves=logits[None].expand(len(features), -1, -1))
    return made


@pytest.mark.parametrize("curves", ["actionness", "all"])
def test_each_stage_gives_its_weights_a_gradient_and_no_others(rng, curves):
    clips, features = make_batch(rng, settings_of())
    # Channels behind ReLU can die by chance; every parameter must learn in one of a few draws
    missing = None
    for _ in range(5):
        made, without = detector("bsn.curves=" + curves, "bsn.width=16"), set()
        for stage, part in zip(made.stages(), ("temporal.", "proposal.")):
            made.zero_grad()
            sum(stage.losses(features, clips, rng).values()).backward()
            learned = {name for name, value in made.named_parameters()
                       if value.grad is not None and float(value.grad.abs().sum()) > 0}
            assert all(name.startswith(part) for name in learned)
            own = {name for name, _ in made.named_parameters() if name.startswith(part)}
            assert own == {name for name, value in made.named_parameters()
                           if any(value is other for module in stage.modules for other in module.parameters())}
            without |= own - learned
        missing = without if missing is None else missing & without
    assert missing == set()


def slow_balanced(probabilities, targets):
    """Equation 4 with the weights of the authors' code: half of it each for positives and negatives."""
    ratio = len(targets) / float(max(1, sum(targets)))
    total = 0.0
    for value, target in zip(probabilities, targets):
        total -= 0.5 * ratio * math.log(value) if target else 0.5 * ratio / max(0.05, ratio - 1) * math.log(1 - value)
    return total / len(targets)


@pytest.mark.parametrize("valid", [32, 11])
def test_the_first_stages_losses_equal_the_equations(rng, valid):
    clip, features = one_clip(rng, valid, settings_of())
    curves = rng.uniform(0.05, 0.95, (3, 32))
    made = with_curves(detector("bsn.boundary_radius=0.5", "bsn.boundary_part=0.25"), curves)
    parts = made.snippet_losses(features, [clip], None)
    expected = []
    for row in range(3):
        targets = []
        for snippet in range(valid):
            covered = 0.0
            for start, end in clip.segments:
                reach = max(0.25 * (end - start), 0.5)
                low, high = ((start, end), (start - reach, start + reach), (end - reach, end + reach))[row]
                covered = max(covered, min(high, snippet + 0.5) - max(low, snippet - 0.5))
            targets.append(covered >= 0.5 - 1e-9)
        expected.append(slow_balanced(curves[row, :valid], targets))
    assert float(parts["actionness"]) == pytest.approx(2 * expected[0], rel=1e-4)
    assert float(parts["boundaries"]) == pytest.approx(expected[1] + expected[2], rel=1e-4)


def test_the_second_stages_loss_equals_the_equation(rng):
    """All proposals are drawn: pairs of boundaries, their features, squared errors, in float64."""
    clip, features = one_clip(rng, 30, settings_of())
    made = with_curves(detector("bsn.samples=5000", "bsn.candidates=5000", "bsn.curves=all"),
                       rng.uniform(0.05, 0.95, (3, 32)))
    output = torch.sigmoid(made.temporal(features, torch.ones(1, 1, 32)).curves)[0].double().numpy()[:, :30]
    proposals = made._proposals(output)
    own = generators(np.random.RandomState(4), 1)[0]
    overlaps = tiou(proposals, clip.segments).max(axis=1)
    positive, middle, low = (np.flatnonzero(mask) for mask in (
        overlaps >= 0.7, (overlaps >= 0.3) & (overlaps < 0.7), overlaps < 0.3))
    chosen = balanced_sample(overlaps, 4 * max(1, len(positive)), own, (1, 1, 2))
    assert len(np.intersect1d(chosen, middle)) == min(len(middle), max(1, len(positive)))
    assert len(np.intersect1d(chosen, low)) > 0
    described = made._described(output, proposals[chosen])
    hidden, score = made.proposal.score[0], made.proposal.score[2]
    weights = [layer.detach().double().numpy() for layer in (hidden.weight, hidden.bias, score.weight, score.bias)]
    logits = np.maximum(described.dot(weights[0].T) + weights[1], 0).dot(weights[2].T)[:, 0] + weights[3]
    expected = np.mean((1 / (1 + np.exp(-logits)) - overlaps[chosen]) ** 2)
    found = made.proposal_losses(features, [clip], np.random.RandomState(4))
    assert float(found["confidence"].detach()) == pytest.approx(expected, rel=1e-4)


def test_padding_is_not_learned_from(rng):
    clip, features = one_clip(rng, 9, settings_of())
    made = detector()
    valid = (torch.arange(32) < 9).float()[None, None]
    output = made.temporal(features, valid)
    found = []
    for by in (0.0, 50.0):
        disturbed = output._replace(curves=output.curves + by * (1 - valid), classes=output.classes + by * (1 - valid))
        made.temporal.forward = lambda features, valid, disturbed=disturbed: disturbed
        found.append({name: float(value.detach())
                      for name, value in made.losses(features, [clip], np.random.RandomState(1)).items()})
    assert found[0] == found[1]


@pytest.mark.parametrize("valid", [32, 11, 2, 1])
def test_decoding_equals_its_formula(rng, valid):
    clip, features = one_clip(rng, valid, settings_of())
    curves = rng.permutation(96).reshape(3, 32) / 100.0 + 0.02  # no two alike
    made = with_curves(detector("bsn.candidates=40").eval(), curves)
    with torch.no_grad():
        scored, = made.propose(features, [clip])
        output = made.temporal(features, (torch.arange(32) < valid).float()[None, None])
    curves = torch.sigmoid(output.curves)[0].double().numpy()
    classes = torch.sigmoid(output.classes)[0].double().numpy()
    sides = []
    for row in (1, 2):
        curve = curves[row, :valid]
        around = np.concatenate([[-1], curve, [-1]])
        sides.append({place for place in range(valid) if curve[place] > 0.5 * curve.max() or (
            around[place] < curve[place] > around[place + 2])})
    expected = {(start, end): curves[1, start] * curves[2, end] for start in sides[0] for end in sides[1]
                if 1 <= end - start <= 20}
    found = [tuple(int(edge) for edge in segment) for segment in scored.segments]
    assert len(set(found)) == len(found) == min(40, len(expected)) and set(found) <= set(expected)
    np.testing.assert_allclose(scored.boundaries, sorted(expected.values(), reverse=True)[:40], rtol=1e-9)
    np.testing.assert_allclose(scored.curves, curves[:, :valid])
    assert (scored.completeness == 1).all()
    described = torch.from_numpy(made._described(curves[:, :valid], np.array(found).reshape(-1, 2))).float()
    np.testing.assert_allclose(scored.tiou, torch.sigmoid(made.proposal(described)).detach().numpy(), rtol=1e-4)
    for row, (start, end) in enumerate(found):
        inside = classes[:, start:end + 1].copy()
        inside[:, [0, -1]] *= 0.5  # half of the first and of the last snippet lies inside
        np.testing.assert_allclose(scored.classes[row], inside.sum(axis=1) / (end - start), rtol=1e-4)


def test_confidence_is_learned_from_the_curves(rng):
    """Curves that tell everything: the second stage must order the proposals by their overlap with the action."""
    settings = settings_of("train.steps=200", "train.learning_rate=0.01", "bsn.boundary_share=0.01", "bsn.samples=100",
                           "bsn.proposal_width=32", "bsn.candidates=1000")
    torch.manual_seed(0)
    progress = training.start(build_detector(settings, 4, 3), settings)
    curves = np.full((3, 32), 0.05)
    curves[0, 10:20] = 0.95
    curves[1:] = rng.uniform(0.5, 0.9, (2, 32))
    for module in (progress.detector, progress.averaged):
        with_curves(module, curves)
    clip = Clip("made up", np.zeros((4, 32), np.float32), 32, TimeGrid(0.0, 1.0), np.array([[10.0, 19.0]]),
                np.zeros(1, np.int64), -np.inf, np.inf)
    first = spans(progress.detector.stages(), 200)[1].first
    for step in range(first, 200):
        training.train_step(progress._replace(step=step), [clip], settings, torch.device("cpu"))
    with torch.no_grad():
        scored, = progress.averaged.propose(torch.zeros(1, 4, 32), [clip])
    overlaps = tiou(scored.segments, clip.segments)[:, 0]
    assert overlaps[scored.tiou.argmax()] > 0.6
    assert np.corrcoef(overlaps, scored.tiou)[0, 1] > 0.8


def test_without_a_class_head_external_scores_decide(rng):
    clip, features = one_clip(rng, 20, settings_of())
    made = detector("bsn.class_head=false")
    assert set(made.losses(features, [clip], rng)) == PARTS - {"classes"}
    with torch.no_grad():
        scored, = made.eval().propose(features, [clip])
    assert scored.classes.shape == (len(scored.segments), 3) and (scored.classes == 1).all()


def test_the_modules_are_as_wide_as_the_settings_say():
    made = detector("bsn.dilations=[1,3]", "bsn.class_dilations=[2]", "bsn.curves=all", "bsn.region_points=3",
                    "bsn.course_points=5", "bsn.proposal_width=9")
    for module, expected in ((made.temporal.base, [1, 3]), (made.temporal.class_head.branch, [2])):
        assert [layer.dilation[0] for layer in module.modules() if isinstance(layer, torch.nn.Conv1d)] == expected
    assert made.proposal.score[0].weight.shape == (9, 3 * (3 + 5 + 3))


def test_settings_that_cannot_work_are_refused():
    fitted = BSNDetector.fit(replace(tiny_settings(detector="bsn"), dataset__length=32), 12.0)
    assert fitted.bsn.max_duration == 16
    with pytest.raises(UserError, match="below dataset.length"):
        BSNDetector.fit(tiny_settings("bsn.max_duration=32", detector="bsn"), 12.0)
    with pytest.raises(UserError, match="bsn.max_duration to"):
        BSNDetector.check(settings_of("bsn.max_duration=2"), np.array([20.0, 21.0]))
    with pytest.warns(DataWarning, match="1 of the 3"):
        BSNDetector.check(settings_of("bsn.max_duration=10"), np.array([5.0, 6.0, 21.0]))
    with pytest.raises(UserError, match="boundary_radius"):
        BSNDetector.check(settings_of("bsn.boundary_radius=16"), np.array([5.0]))
