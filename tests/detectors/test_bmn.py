"""The detector ``bmn``: every loss equals its equation, decoding equals its formula."""

import numpy as np
import pytest
import torch

from tad.assignment.proposals import generators
from tad.config import Settings
from tad.detectors import build_detector
from tad.detectors.bmn import BMNDetector
from tad.errors import DataWarning, UserError
from tad.settings import replace
from tests.helpers import make_batch, one_clip, tiny_settings

PARTS = {"classes", "boundaries", "tiou", "completeness"}


def settings_of(*assignments):
    return tiny_settings("bmn.max_duration=20", *assignments, detector="bmn")


def detector(*assignments):
    return build_detector(settings_of(*assignments), 4, 3)


def slow_tiou(start, end, segments):
    best = 0.0
    for low, high in segments:
        shared = max(0.0, min(end, high) - max(start, low))
        best = max(best, shared / ((end - start) + (high - low) - shared))
    return best


def test_mask_and_indexed_sampling_give_the_same_detector(rng):
    clips, features = make_batch(rng, settings_of())
    found = []
    for sampling in ("mask", "indexed"):
        torch.manual_seed(3)
        parts = detector("bmn.sampling=" + sampling).losses(features, clips, np.random.RandomState(5))
        found.append([float(parts[name].detach()) for name in sorted(PARTS)])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


@pytest.mark.parametrize("valid", [32, 11, 3])
def test_map_losses_equal_the_equations(rng, valid):
    """Equations 6 and 7 of one clip, cell after cell in float64; all cells of the low range are drawn here."""
    clip, _ = one_clip(rng, valid, settings_of())
    made = detector("bmn.samples=3000", "bmn.complete_tiou=0.6")
    confidences = torch.from_numpy(rng.standard_normal((1, 2, 20, 32)).astype(np.float32))
    found = made._map_losses(confidences, [clip], np.random.RandomState(2))
    _, _, sampled = made._map_targets(clip, 32, generators(np.random.RandomState(2), 1)[0])
    errors, positive, negative = [], [], []
    for row in range(20):
        for start in range(32):
            regression, logit = confidences[0, :, row, start].double().tolist()
            if start + row + 1 > valid - 1:
                assert sampled[row, start] == 0
                continue
            overlap = slow_tiou(start, start + row + 1, clip.segments)
            if sampled[row, start]:
                errors.append((1 / (1 + np.exp(-regression)) - overlap) ** 2)
            side = positive if overlap >= 0.6 else negative
            side.append(np.log1p(np.exp(-logit if overlap >= 0.6 else logit)))
    assert float(found["tiou"]) == pytest.approx(10.0 * np.mean(errors), rel=1e-4)
    if len(positive) and len(positive) / float(len(positive) + len(negative)) < 0.9:
        expected = 0.5 * np.mean(positive) + 0.5 * np.mean(negative)
        assert float(found["completeness"]) == pytest.approx(expected, rel=1e-3)


def test_regression_samples_the_three_ranges_alike(rng):
    """As many cells of high, middle and low tIoU; never more than there are, or than the setting."""
    clip, _ = one_clip(rng, 32, settings_of())
    clip = clip._replace(segments=np.array([[4.0, 16.0]]), classes=np.array([0]))
    overlaps, inside, sampled = detector("bmn.samples=3000")._map_targets(clip, 32, rng)
    high, middle = overlaps >= 0.7, (overlaps >= 0.3) & (overlaps < 0.7)
    low = (overlaps < 0.3) & (inside > 0)
    counts = [int(sampled[mask].sum()) for mask in (high, middle, low)]
    assert counts[0] == counts[1] == counts[2] == int(high.sum()) > 3
    assert detector("bmn.samples=9")._map_targets(clip, 32, rng)[2].sum() == 9


def test_padding_is_not_learned_from(rng):
    clip, features = one_clip(rng, 9, settings_of())
    made = detector()
    valid = (torch.arange(32) < 9).float()[None, None]
    output = made.network(features, valid)
    ends = torch.arange(32)[None, :] + torch.arange(1, 21)[:, None]
    outside, found = (ends > 8).float(), []
    for by in (0.0, 50.0):
        disturbed = output._replace(boundaries=output.boundaries + by * (1 - valid),
                                    confidences=output.confidences + by * outside,
                                    classes=output.classes + by * (1 - valid))
        made.network.forward = lambda features, valid, disturbed=disturbed: disturbed
        parts = made.losses(features, [clip], np.random.RandomState(1))
        found.append({name: float(value.detach()) for name, value in parts.items()})
    assert found[0] == found[1]


def test_the_class_head_has_the_dilations_of_the_settings():
    for dilations in ((1,), (1, 2, 4, 8)):
        head = detector("bmn.class_dilations=%s" % list(dilations)).network.class_head
        assert [layer.dilation for layer in head.branch.modules() if isinstance(layer, torch.nn.Conv1d)] == [
            (dilation,) for dilation in dilations]


@pytest.mark.parametrize("valid", [32, 11, 2, 1])
def test_decoding_equals_its_formula(rng, valid):
    clip, features = one_clip(rng, valid, settings_of())
    made = detector("bmn.candidates=40").eval()
    with torch.no_grad():
        for layer in (made.network.boundaries, made.network.class_head.classes):
            layer.weight.add_(0.5 * torch.randn_like(layer.weight))
        scored, = made.propose(features, [clip])
        output = made.network(features, (torch.arange(32) < valid).float()[None, None])
    boundaries, confidences, classes = (torch.sigmoid(values)[0].double().numpy() for values in output)
    expected = {}
    for start in range(valid):
        for end in range(start + 1, min(start + 20, valid - 1) + 1):
            expected[start, end] = boundaries[0, start] * boundaries[1, end]
    found = [tuple(int(edge) for edge in segment) for segment in scored.segments]
    assert len(set(found)) == len(found) == min(40, len(expected)) and set(found) <= set(expected)
    np.testing.assert_allclose(scored.boundaries, sorted(expected.values(), reverse=True)[:40], rtol=1e-5)
    for row, (start, end) in enumerate(found):
        assert scored.boundaries[row] == pytest.approx(expected[start, end], rel=1e-5)
        cell = confidences[:, end - start - 1, start]
        assert (scored.tiou[row], scored.completeness[row]) == pytest.approx(tuple(cell), rel=1e-4)
        inside = classes[:, start:end + 1].copy()
        inside[:, [0, -1]] *= 0.5  # half of the first and of the last snippet lies inside
        np.testing.assert_allclose(scored.classes[row], inside.sum(axis=1) / (end - start), rtol=1e-4)


def test_without_a_class_head_external_scores_decide(rng):
    clip, features = one_clip(rng, 20, settings_of())
    made = detector("bmn.class_head=false")
    assert set(made.losses(features, [clip], rng)) == PARTS - {"classes"}
    with torch.no_grad():
        scored, = made.eval().propose(features, [clip])
    assert scored.classes.shape == (len(scored.segments), 3) and (scored.classes == 1).all()


def test_settings_that_cannot_work_are_refused():
    fitted = BMNDetector.fit(replace(tiny_settings(detector="bmn"), dataset__length=32), 12.0)
    assert fitted.bmn.max_duration == 16
    with pytest.raises(UserError, match="below dataset.length"):
        BMNDetector.fit(tiny_settings("bmn.max_duration=32", detector="bmn"), 12.0)
    with pytest.raises(UserError, match="dataset.length to 2"):
        BMNDetector.fit(replace(Settings(), dataset__length=1), 1.0)
    with pytest.raises(UserError, match="bmn.max_duration to"):
        BMNDetector.check(settings_of("bmn.max_duration=2"), np.array([20.0, 21.0]))
    with pytest.warns(DataWarning, match="1 of the 3"):
        BMNDetector.check(settings_of("bmn.max_duration=10"), np.array([5.0, 6.0, 21.0]))
    with pytest.raises(UserError, match="boundary_radius"):
        BMNDetector.check(settings_of("bmn.boundary_radius=16"), np.array([5.0]))


@pytest.mark.parametrize("sampling, length, fits", [("mask", 400, False), ("indexed", 400, True),
                                                    ("indexed", 40000, False)])
def test_a_checkpoint_cannot_ask_for_more_than_memory(sampling, length, fits):
    settings = replace(Settings(), dataset__length=length, bmn__max_duration=length - 1, bmn__sampling=sampling,
                       bmn__proposal_samples=40)
    if fits:
        BMNDetector.check_stored(settings, 10, "x.ckpt")
    else:
        with pytest.raises(UserError, match="x.ckpt.*boundary map"):
            BMNDetector.check_stored(settings, 10, "x.ckpt")
