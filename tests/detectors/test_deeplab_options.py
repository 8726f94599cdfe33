"""What ``deeplab`` learns from and what its scores are made of, by its settings."""

import numpy as np
import pytest
import torch

from tad.assignment.proposals import generators
from tad.detectors import DETECTORS, build_detector
from tad.errors import UserError
from tests.helpers import make_batch, one_clip, tiny_settings


def detector(*assignments):
    torch.manual_seed(2)
    return build_detector(tiny_settings("deeplab.max_duration=20", "deeplab.dropout=0", *assignments), 4, 3)


def losses(made, clips, features):
    return {name: float(value.detach()) for name, value in
            made.losses(features, clips, np.random.RandomState(5)).items()}


@pytest.mark.parametrize("assignments", [("deeplab.positive=linear", "deeplab.positive_long_tiou=0.3",
                                          "deeplab.positive_short_tiou=0.3"), ("deeplab.positive_tiou=0.3",)])
def test_what_counts_as_complete_changes_the_completeness_alone(rng, assignments):
    """An action of 10 snippets has proposals with a tIoU between 0.3 and 0.7 in every draw."""
    clip, features = one_clip(rng, 32, tiny_settings())
    clip = clip._replace(segments=np.array([[9.5, 19.5]]), classes=np.array([1]))
    plain, other = (losses(detector(*words), [clip], features) for words in ((), assignments))
    assert other["completeness"] != plain["completeness"]
    assert {name for name in plain if other[name] != plain[name]} == {"completeness"}


@pytest.mark.parametrize("sampling, complete", [("three_way", 4), ("two_way", 6)])
def test_the_sampling_balances_what_it_names(rng, sampling, complete):
    """Of 12 samples a third or a half: the action has 30 proposals with a tIoU from 0.7 on."""
    clip, _ = one_clip(rng, 32, tiny_settings())
    clip = clip._replace(segments=np.array([[9.0, 19.0]]), classes=np.array([1]))
    _, overlaps, found = detector("deeplab.sampling=" + sampling)._sampled([clip], [None], generators(rng, 1))
    assert len(found) == 12 and found.sum() == (overlaps >= 0.7).sum() == complete


def test_without_balance_hardly_any_sample_is_complete(rng):
    """30 of 430 candidates: more than 7 of 12 come once in ten million draws."""
    clip, _ = one_clip(rng, 32, tiny_settings())
    clip = clip._replace(segments=np.array([[9.0, 19.0]]), classes=np.array([1]))
    _, _, found = detector("deeplab.sampling=none")._sampled([clip], [None], generators(rng, 1))
    assert len(found) == 12 and found.sum() <= 7


def test_linear_needs_two_durations():
    settings = tiny_settings("deeplab.max_duration=20", "deeplab.positive=linear", "deeplab.positive_short=16")
    with pytest.raises(UserError, match=r"deeplab.positive_short \(16\) must be below deeplab.positive_long \(16\)"):
        DETECTORS["deeplab"].fit(settings, 12.0)


@pytest.mark.parametrize("score, kept", [("both", {"tiou", "completeness"}), ("regression", {"tiou"}),
                                         ("classification", {"completeness"})])
def test_the_score_takes_what_is_asked_of_the_proposal_head(rng, score, kept):
    clip, features = one_clip(rng, 32, tiny_settings())
    with torch.no_grad():
        full, = detector().eval().propose(features, [clip])
        found, = detector("deeplab.score=" + score).eval().propose(features, [clip])
    for name in ("tiou", "completeness"):
        expected = getattr(full, name) if name in kept else np.ones(len(full.segments))
        np.testing.assert_array_equal(getattr(found, name), expected)
    np.testing.assert_array_equal(found.segments, full.segments)


def test_binary_actionness_is_a_curve_of_its_own(rng):
    clip, features = one_clip(rng, 27, tiny_settings())
    made = detector("deeplab.actionness=binary").eval()
    with torch.no_grad():
        found, = made.propose(features, [clip])
        logits = made.network(features, (torch.arange(32) < 27).float()[None, None]).scores.classes
        curves, = made._curves(made.network(features, (torch.arange(32) < 27).float()[None, None]).scores, [clip])
    assert logits.shape == (1, 4, 32) and found.classes.shape == (len(found.segments), 3)
    np.testing.assert_allclose(found.curves[0], torch.sigmoid(logits[0, 3, :27]).numpy(), atol=1e-6)
    np.testing.assert_array_equal(curves.grouped, found.curves[:1])
    np.testing.assert_allclose(curves.classes, torch.sigmoid(logits[0, :3, :27]).numpy(), atol=1e-6)


def test_the_highest_class_is_any_action_otherwise(rng):
    clip, features = one_clip(rng, 27, tiny_settings())
    made = detector().eval()
    with torch.no_grad():
        scores = made.network(features, (torch.arange(32) < 27).float()[None, None]).scores
        curves, = made._curves(scores, [clip])
    classes = torch.sigmoid(scores.classes[0, :, :27]).numpy()
    np.testing.assert_allclose(curves.actionness, classes.max(axis=0), atol=1e-6)
    np.testing.assert_allclose(curves.grouped, np.concatenate([classes, classes.max(axis=0)[None]]), atol=1e-6)


def test_binary_actionness_learns_from_actions_of_unknown_classes(rng):
    """The last curve is taught where any action is, the others where theirs are."""
    clip, features = one_clip(rng, 32, tiny_settings())
    clip = clip._replace(segments=np.array([[3.5, 7.5], [10.5, 15.5], [14.5, 20.5]]), classes=np.array([2, -1, 0]))
    made = detector("deeplab.actionness=binary")
    targets = made._snippet_targets(clip, 32).classes
    assert targets.shape == (4, 32) and targets.dtype == np.float32
    assert np.flatnonzero(targets[3]).tolist() == list(range(4, 8)) + list(range(11, 21))
    assert (targets[3] <= 1).all() and not targets[1].any()
    assert np.flatnonzero(targets[2]).tolist() == list(range(4, 8))
    made.losses(features, [clip], rng)["classes"].backward()
    assert (made.network.snippet_head.classes.weight.grad.abs().sum(dim=(1, 2)) > 0).all()


def test_every_option_keeps_the_parts_of_the_loss(rng):
    clips, features = make_batch(rng, tiny_settings())
    expected = set(losses(detector(), clips, features))
    for assignment in ("deeplab.actionness=binary", "deeplab.score=regression", "deeplab.positive=adaptive",
                       "deeplab.sampling=none"):
        found = losses(detector(assignment), clips, features)
        assert set(found) == expected and np.isfinite(list(found.values())).all()


def test_boundary_convolutions_are_those_of_the_network():
    for count in (0, 1, 2):
        names = detector("deeplab.boundary_convs=%d" % count).network.snippet_head.branch.state_dict()
        assert sum(value.dim() == 3 for value in names.values()) == count


def test_a_radius_of_one_more_teaches_one_snippet_more_at_each_side(rng):
    """The old code's boundary region that is one snippet wider: 2.5 instead of 1.5."""
    clip, _ = one_clip(rng, 32, tiny_settings())
    clip = clip._replace(segments=np.array([[8.0, 20.0]]), classes=np.array([1]))
    taught = {radius: detector("deeplab.boundary_radius=%g" % radius)._snippet_targets(clip, 32).boundaries
              for radius in (1.5, 2.5)}
    assert [np.flatnonzero(side).tolist() for side in taught[1.5]] == [[7, 8, 9], [19, 20, 21]]
    assert [np.flatnonzero(side).tolist() for side in taught[2.5]] == [[6, 7, 8, 9, 10], [18, 19, 20, 21, 22]]


@pytest.mark.parametrize("shift", [1.0, 0.5, -2.0, -1000.0])
def test_the_end_of_a_detection_is_shifted_after_it_is_scored(rng, shift):
    clip, features = one_clip(rng, 32, tiny_settings())
    with torch.no_grad():
        plain, = detector().eval().propose(features, [clip])
        moved, = detector("deeplab.end_shift=%g" % shift).eval().propose(features, [clip])
    starts, ends = plain.segments.T
    np.testing.assert_array_equal(moved.segments[:, 0], starts)
    np.testing.assert_allclose(moved.segments[:, 1], np.maximum(ends + shift, starts + 0.1), atol=1e-12)
    assert np.abs(moved.segments[:, 1] - ends).max() > 0.4
    for name in ("classes", "boundaries", "tiou", "completeness"):
        np.testing.assert_array_equal(getattr(moved, name), getattr(plain, name))
