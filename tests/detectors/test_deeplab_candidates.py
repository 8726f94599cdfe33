"""``deeplab`` with candidates of every generator: it learns, repeats, and decodes what no cell of the grid is."""

import numpy as np
import pytest
import torch

from tad.assignment.proposals import generators
from tad.data.clips import cut_windows
from tad.detectors import DETECTORS, build_detector
from tad.engine.training import start, train_step
from tad.errors import DataWarning, UserError
from tad.postprocess.contrast import contrast
from tad.proposals.generators import FROM_CURVES, GENERATORS
from tests.detectors.test_deeplab import slow_mean
from tests.helpers import make_batch, make_source, tiny_settings

every = pytest.mark.parametrize("generator", sorted(GENERATORS))


def settings_of(generator, *assignments):
    faster = ("deeplab.threshold_step=0.1",) if generator == "thr_action" else ()
    return tiny_settings("deeplab.generator=" + generator, "deeplab.max_duration=20", "deeplab.dropout=0",
                         *(faster + assignments))


def detector(generator, *assignments):
    """Untrained, with curves that go up and down."""
    made = build_detector(settings_of(generator, *assignments), 4, 3)
    with torch.no_grad():
        for parameter in made.network.snippet_head.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return made


def windows(rng, snippets, settings):
    source, features = make_source(rng, snippets, actions=0)
    clips = list(cut_windows(source, features, settings.dataset, 32))
    return clips, torch.stack([torch.from_numpy(clip.features) for clip in clips])


@every
@pytest.mark.parametrize("lengths, actions", [((60, 20), 3), ((60, 20), 0), ((1, 1), 1), ((1, 2), 1), ((500,), 40)])
def test_a_step_changes_every_weight_and_stays_finite(generator, rng, lengths, actions):
    """Without candidates too, every weight gets a gradient, if of zero: ranks wait for each other's."""
    settings = settings_of(generator)
    clips, _ = make_batch(rng, settings, lengths, actions)
    progress = start(detector(generator), settings)
    parts = train_step(progress, clips, settings, "cpu")
    assert all(np.isfinite(float(value)) for value in parts.values())
    for name, parameter in progress.detector.named_parameters():
        assert parameter.grad is not None and bool(torch.isfinite(parameter.grad).all()), name


@every
def test_the_same_draws_give_the_same_losses_and_a_clip_draws_for_itself(generator, rng):
    settings = settings_of(generator)
    clips, features = make_batch(rng, settings)
    made = detector(generator)
    curves = [None] * 3
    if generator in FROM_CURVES:
        with torch.no_grad():
            curves = made._curves(made.network(features, torch.ones(3, 1, 32)).scores, clips)
    proposals, overlaps, _ = made._sampled(clips, curves, generators(np.random.RandomState(5), 3))
    again, _, _ = made._sampled(clips, curves, generators(np.random.RandomState(5), 3))
    assert np.array_equal(proposals, again) and len(proposals) == len(overlaps) > 0
    fewer, _, _ = made._sampled(clips[:2], curves[:2], generators(np.random.RandomState(5), 2))
    assert np.array_equal(proposals[proposals[:, 0] < 2], fewer)


@every
@pytest.mark.parametrize("snippets", [1, 2, 3, 32, 75])
def test_proposals_are_segments_with_probabilities_the_same_at_every_call(generator, rng, snippets):
    settings = settings_of(generator)
    clips, features = windows(rng, snippets, settings)
    made = detector(generator).eval()
    with torch.no_grad():
        found, again = made.propose(features, clips), made.propose(features, clips)
        alone = [made.propose(features[index:index + 1], [clip])[0] for index, clip in enumerate(clips)]
    for scored, same, other, clip in zip(found, again, alone, clips):
        count = len(scored.segments)
        assert count <= made.settings.candidates
        assert scored.segments.dtype == np.float64 and (scored.segments[:, 1] > scored.segments[:, 0]).all()
        assert scored.classes.shape == (count, 3) and scored.curves.shape == (3, clip.valid)
        for values in (scored.classes, scored.boundaries, scored.tiou, scored.completeness):
            assert len(values) == count and np.isfinite(values).all() and (0 <= values).all() and (values <= 1).all()
        assert all(np.array_equal(one, two) for one, two in zip(scored, same))
        if generator in ("all", "alter_window", "sliding_window", "unif_rand"):
            np.testing.assert_allclose(np.sort(scored.segments, axis=0), np.sort(other.segments, axis=0), atol=1e-3)


def test_random_candidates_follow_from_the_seed_of_the_run(rng):
    clips, features = windows(rng, 32, settings_of("unif_rand"))
    segments = []
    for seed in (7, 7, 8):
        torch.manual_seed(0)
        made = detector("unif_rand", "seed=%d" % seed).eval()
        with torch.no_grad():
            segments.append(made.propose(features, clips)[0].segments)
    assert np.array_equal(segments[0], segments[1]) and not np.array_equal(segments[0], segments[2])


@pytest.mark.parametrize("generator, fewer", [("unif_rand", ("deeplab.random_candidates=30",)), ("thr_action", ())])
@pytest.mark.parametrize("valid", [32, 7])
def test_decoding_of_fractional_candidates_equals_its_formula(rng, generator, fewer, valid):
    """Judged where they are; borders start from the centres of the nearest snippets, from which offsets are learned."""
    clips, features = windows(rng, valid, settings_of(generator))
    made = detector(generator, "deeplab.candidates=30", *fewer).eval()
    with torch.no_grad():
        scored, = made.propose(features, clips)
        output = made.network(features, (torch.arange(32) < valid).float()[None, None])
        curves, = made._curves(output.scores, clips)
        offsets = output.scores.offsets[0].numpy().astype(float)
        candidates = GENERATORS[generator](valid, curves, made.settings, np.random.RandomState(made.seed))
        starts = [min(range(valid), key=lambda i: (abs(i - s), -i)) for s, _ in candidates]
        ends = [min(range(valid), key=lambda i: (abs(i - e), i)) for _, e in candidates]
        rank = curves.starts[starts] * curves.ends[ends]
        if generator == "thr_action":
            rank = contrast(np.concatenate([curves.classes, curves.actionness[None]]), candidates)
        order = sorted(range(len(candidates)), key=lambda row: -rank[row])[:30]
        logits = made.network.proposal_head(output.proposal_features, torch.tensor(
            [[0.0] + candidates[row].tolist() for row in order]).reshape(-1, 3))
    quality = torch.sigmoid(logits).numpy()
    assert len(scored.segments) == len(order) > 0
    for row, index in enumerate(order):
        first, last = starts[index], ends[index]
        low = first + offsets[0, first]
        high = max(last + offsets[1, last], low + 0.1)
        np.testing.assert_allclose(scored.segments[row], [low, high], atol=1e-5)
        assert scored.boundaries[row] == pytest.approx(curves.starts[first] * curves.ends[last], rel=1e-5)
        assert (scored.tiou[row], scored.completeness[row]) == pytest.approx(tuple(quality[row]), rel=1e-3, abs=1e-6)
        np.testing.assert_allclose(scored.classes[row], [slow_mean(line, low, high) for line in curves.classes],
                                   atol=1e-5)


def test_no_candidates_no_proposals(rng):
    """Nothing is as long as the shortest candidate."""
    settings = settings_of("alter_window", "deeplab.window_step=15")
    clips, features = windows(rng, 9, settings)
    made = detector("alter_window", "deeplab.window_step=15")
    with torch.no_grad():
        scored, = made.eval().propose(features, clips)
    assert scored.segments.shape == (0, 2) and scored.classes.shape == (0, 3) and scored.curves.shape == (3, 9)
    parts = made.train().losses(features, clips, rng)
    assert float(parts["tiou"].detach()) == float(parts["completeness"].detach()) == 0
    sum(parts.values()).backward()


def test_settings_that_leave_no_candidate_are_refused():
    with pytest.raises(UserError, match=r"deeplab.window_step \(21\) must not be above deeplab.max_duration \(20\)"):
        DETECTORS["deeplab"].fit(settings_of("alter_window", "deeplab.window_step=21"), 12.0)


def test_actions_shorter_than_any_candidate_are_told():
    settings = settings_of("alter_window", "deeplab.window_step=8")
    with pytest.warns(DataWarning, match="1 of the 3 training actions last less than half .*deeplab.window_step to 6"):
        DETECTORS["deeplab"].check(settings, np.array([3.0, 5.0, 12.0]))
    with pytest.raises(UserError, match="deeplab.window_step to 2 or less"):
        DETECTORS["deeplab"].check(settings, np.array([1.0, 2.0, 12.0]))
