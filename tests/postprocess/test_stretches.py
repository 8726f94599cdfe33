"""Long recordings: thinned in stretches, with the result of thinning all at once wherever a stretch can give it."""

import numpy as np
import pytest

from tad.config import PostprocessSettings
from tad.postprocess import stretches
from tad.postprocess.fusion import NOTHING, Detections, concatenate
from tad.postprocess.nms import suppress

HOP = 4.0


def random_parts(rng, clips, each=12, longest=6.0):
    """What clips every ``HOP`` seconds give: detections whose centre lies in [from_s, from_s + 1.25 HOP)."""
    parts = []
    for number in range(clips):
        centres = HOP * number + rng.uniform(0, 1.25 * HOP, each)
        halves = rng.uniform(0.2, longest / 2, each)
        found = Detections(np.stack([centres - halves, centres + halves], axis=1), rng.randint(0, 3, each),
                           rng.uniform(0.01, 1, each))
        parts.append((-np.inf if number == 0 else HOP * number, found))
    return parts


@pytest.mark.parametrize("method", ["soft_nms", "nms", "none"])
@pytest.mark.parametrize("clips", [0, 1, 2, 128])
def test_a_recording_of_one_stretch_is_thinned_at_once(rng, clips, method):
    parts = random_parts(rng, clips)
    settings = PostprocessSettings(method=method, top_k=40)
    found = stretches.thin_as_they_come(iter(parts), 6.0, settings)
    expected = suppress(concatenate([part for _, part in parts]), settings)
    for mine, theirs in zip(found, expected):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("method", ["nms", "none"])
def test_many_stretches_give_what_one_would(rng, method, monkeypatch):
    """Groups of detections far from each other, so that nothing can reach from one stretch over the next."""
    monkeypatch.setattr(stretches, "STRETCH_CLIPS", 7)
    parts = []
    for number, (from_s, found) in enumerate(random_parts(rng, 100, longest=2.0)):
        parts.append((from_s, found if number % 5 else NOTHING))
    settings = PostprocessSettings(method=method, top_k=10000)
    found = stretches.thin_as_they_come(iter(parts), 6.0, settings)
    expected = suppress(concatenate([part for _, part in parts]), settings)
    assert len(found.scores) == len(expected.scores) > 100
    for mine, theirs in zip(found, expected):
        np.testing.assert_array_equal(mine, theirs)


def test_a_border_neither_loses_nor_doubles_an_action(rng, monkeypatch):
    """The same action seen by two windows, one on either side of every border."""
    monkeypatch.setattr(stretches, "STRETCH_CLIPS", 5)
    parts = []
    for number in range(60):
        edge, wide = HOP * number + HOP, rng.uniform(1, 2)
        rows = [[edge - wide - 0.05, edge + wide], [edge - wide, edge + wide + 0.05]]
        mine = [rows[0]] + ([[HOP * number - wide + 1e-3, HOP * number + wide + 0.1]] if number else [])
        parts.append((HOP * number if number else -np.inf,
                      Detections(np.array(mine), np.zeros(len(mine), np.int64), rng.uniform(0.5, 1, len(mine)))))
    settings = PostprocessSettings(method="nms", tiou_threshold=0.3, top_k=1000)
    found = stretches.thin_as_they_come(iter(parts), 8.0, settings)
    expected = suppress(concatenate([part for _, part in parts]), settings)
    assert sorted(found.segments.tolist()) == sorted(expected.segments.tolist())


def test_no_pool_grows_with_the_recording(rng, monkeypatch):
    """Bounded memory: never more than a stretch with its halo is held, and parts are taken as they come."""
    monkeypatch.setattr(stretches, "STRETCH_CLIPS", 10)
    sizes, taken = [], []
    thin = stretches.suppress
    monkeypatch.setattr(stretches, "suppress", lambda found, settings: sizes.append(len(found.scores)) or thin(
        found, settings))

    def parts():
        for part in random_parts(rng, 300):
            taken.append(len(sizes))
            yield part

    found = stretches.thin_as_they_come(parts(), 6.0, PostprocessSettings(top_k=5))
    assert len(sizes) >= 29 and max(sizes) <= 12 * (10 + 6)
    assert taken[-1] >= 28, "stretches are thinned while the parts come in"
    assert 5 * 10 < len(found.scores) <= 5 * len(sizes)
    assert (np.diff(found.scores) <= 0).all()
