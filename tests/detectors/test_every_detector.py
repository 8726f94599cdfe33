"""What the package asks of every detector: it learns, repeats, decodes sanely, and survives the borders."""

import dataclasses

import numpy as np
import pytest
import torch

from tad.config.fields import has_effect
from tad.data.clips import cut_windows
from tad.detectors import build_detector
from tad.engine.stages import spans
from tad.engine.training import start, train_step
from tad.settings import replace
from tests.helpers import VARIANTS, make_batch, make_source, one_clip, tiny_settings, with_variants

CLASSES, WIDTH, LENGTH = 3, 4, 32

every = pytest.mark.parametrize("kind", with_variants(VARIANTS), ids="-".join)
# Other weights, or another way from them to the losses
LEARNING = {
    "deeplab": VARIANTS["deeplab"],
    "bmn": (("bmn.sampling=mask",), ("bmn.sampling=align1d",), ("bmn.class_head=false",)),
    "atss": (("atss.refine=false",), ("atss.refine=false", "atss.quality=tiou")),
    "ssn": (("ssn.actionness=binary",),),
    "bsn": (("bsn.curves=all",), ("bsn.class_head=false",)),
}
learning = pytest.mark.parametrize("kind", with_variants(LEARNING), ids="-".join)


def settings_of(kind, *assignments):
    """Of a detector's name, followed by settings that make a variant of it."""
    from tad.detectors import DETECTORS as KINDS
    return KINDS[kind[0]].fit(tiny_settings(*(kind[1:] + assignments), detector=kind[0]), 12.0)


def stirred(detector):
    """The detector with outputs all over their range, as after some training."""
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return detector


@every
def test_the_loss_falls_and_stays_finite(kind, rng):
    """In the first stage, where there are several: what later ones can learn hangs on it, on random data not much."""
    steps = 30 * len(build_detector(settings_of(kind), WIDTH, CLASSES).stages())
    settings = settings_of(kind, "train.steps=%d" % steps, "train.learning_rate=0.01")
    torch.manual_seed(0)
    progress = start(build_detector(settings, WIDTH, CLASSES), settings)
    clips, _ = make_batch(rng, settings)
    totals = [float(train_step(progress._replace(step=step), clips, settings, "cpu")["total"]) for step in range(steps)]
    assert np.isfinite(totals).all()
    first = totals[:spans(progress.detector.stages(), steps)[0].end]
    assert np.mean(first[-5:]) < 0.9 * np.mean(first[:5])


@learning
def test_every_parameter_gets_a_gradient(kind, rng):
    settings = settings_of(kind)
    clips, features = make_batch(rng, settings)
    missing = None
    # Eight channels behind rectifiers can die by chance; every parameter must learn in one of some draws
    for _ in range(8):
        detector = stirred(build_detector(settings, WIDTH, CLASSES).train())
        sum(detector.losses(features, clips, rng).values()).backward()
        without = {name for name, value in detector.named_parameters()
                   if value.grad is None or not value.grad.abs().sum()}
        missing = without if missing is None else missing & without
        if not missing:
            return
    assert missing == set()


@learning
def test_each_weight_scales_its_own_part_and_no_other(kind, rng):
    """And every part has a weight, by whose name it goes."""
    settings = settings_of(kind)
    section = getattr(settings, kind[0])
    weights = {field.name: getattr(section, field.name) for field in dataclasses.fields(section)
               if field.name.endswith("_weight")
               and has_effect(section, field.metadata["needs"])}
    clips, features = make_batch(rng, settings)

    def parts_of(changed):
        torch.manual_seed(3)
        detector = stirred(build_detector(changed, WIDTH, CLASSES).train())
        return {name.replace("refined", "refine") + "_weight": float(value.detach())
                for name, value in detector.losses(features, clips, np.random.RandomState(5)).items()}

    plain = parts_of(settings)
    assert set(plain) == set(weights) and min(plain.values()) > 0
    for weight, value in weights.items():
        expected = dict(plain, **{weight: 3 * plain[weight]})
        assert parts_of(replace(settings, **{kind[0] + "__" + weight: 3 * value})) == pytest.approx(expected, rel=1e-5)


@every
def test_the_same_seed_gives_the_same_losses(kind, rng):
    settings = settings_of(kind)
    clips, features = make_batch(rng, settings)
    found = []
    for _ in range(2):
        torch.manual_seed(4)
        detector = build_detector(settings, WIDTH, CLASSES).train()
        found.append({part: float(value.detach())
                      for part, value in detector.losses(features, clips, np.random.RandomState(5)).items()})
    assert found[0] == found[1]


@every
@pytest.mark.parametrize("lengths, actions", [((60, 20), 0), ((1, 2), 1), ((2,), 0), ((500,), 40)])
def test_borders_of_training(kind, rng, lengths, actions):
    """No action, one snippet, more actions than snippets of a window."""
    settings = settings_of(kind)
    clips, features = make_batch(rng, settings, lengths, actions)
    detector = build_detector(settings, WIDTH, CLASSES).train()
    parts = detector.losses(features, clips, rng)
    total = sum(parts.values())
    total.backward()
    assert np.isfinite(float(total.detach()))
    assert all(parameter.grad is None or bool(torch.isfinite(parameter.grad).all())
               for parameter in detector.parameters())


@every
@pytest.mark.parametrize("snippets", [1, 2, 3, 20, 32, 75])
def test_proposals_are_segments_with_probabilities(kind, rng, snippets):
    settings = settings_of(kind)
    source, features = make_source(rng, snippets, actions=0, classes=CLASSES)
    clips = list(cut_windows(source, features, settings.dataset, LENGTH))
    detector = build_detector(settings, WIDTH, CLASSES).eval()
    with torch.no_grad():
        found = detector.propose(torch.stack([torch.from_numpy(clip.features) for clip in clips]), clips)
    assert len(found) == len(clips)
    for scored in found:
        count = len(scored.segments)
        assert scored.segments.dtype == np.float64 and scored.segments.shape == (count, 2)
        assert (scored.segments[:, 1] > scored.segments[:, 0]).all()
        assert scored.classes.shape == (count, CLASSES)
        for values in (scored.classes, scored.boundaries, scored.tiou, scored.completeness):
            assert len(values) == count and np.isfinite(values).all() and (0 <= values).all() and (values <= 1).all()


@every
def test_what_padding_holds_changes_no_proposal(kind, rng):
    settings = settings_of(kind)
    clip, features = one_clip(rng, 12, settings)
    noisy = features.clone()
    noisy[:, :, 12:] = 100.0
    # Curves may have no start before an end by chance
    for _ in range(8):
        detector = stirred(build_detector(settings, WIDTH, CLASSES)).eval()
        with torch.no_grad():
            (plain,), (disturbed,) = detector.propose(features, [clip]), detector.propose(noisy, [clip])
        for first, second in zip(plain, disturbed):
            np.testing.assert_array_equal(first, second)
        if len(plain.segments):
            return
    raise AssertionError("no proposal in eight draws")


@every
def test_a_clip_is_judged_alone(kind, rng):
    """What else lies in the batch changes nothing but the last bits."""
    settings = settings_of(kind)
    clips, features = make_batch(rng, settings)
    torch.manual_seed(1)
    detector = build_detector(settings, WIDTH, CLASSES).eval()
    with torch.no_grad():
        together = detector.propose(features, clips)
        alone = [detector.propose(features[index:index + 1], [clip])[0] for index, clip in enumerate(clips)]
    for first, second in zip(together, alone):
        order, other = (np.lexsort(scored.segments.round(3).T) for scored in (first, second))
        np.testing.assert_allclose(first.segments[order], second.segments[other], atol=1e-4)
        np.testing.assert_allclose(first.classes[order], second.classes[other], atol=1e-4)
