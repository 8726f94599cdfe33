"""The curves of a recording are those of the windows that answer for each place."""

import numpy as np
import pytest

from tad.data.clips import CUTTERS
from tad.data.timegrid import TimeGrid
from tad.postprocess import curves as curves_module
from tad.postprocess.curves import CurveJoiner
from tests.helpers import make_source, tiny_settings


def joined(source, features, settings, curves_of):
    """What a detector with ``curves_of(clip)`` gives for a recording."""
    dataset = settings.dataset
    joiner = CurveJoiner(dataset.length if dataset.mode == "rescale" else source.snippets)
    for clip in CUTTERS[dataset.mode](source, features, dataset, dataset.length):
        joiner.add(clip, curves_of(clip))
    return joiner.joined()


def of_features(clip):
    """Curves that are the clip's first three channels, between 0 and 1."""
    return 1 / (1 + np.exp(-clip.features[:3, :clip.valid]))


@pytest.mark.parametrize("overlap", [0, 0.5, 0.9])
@pytest.mark.parametrize("snippets", [1, 5, 31, 32, 33, 100, 257])
def test_each_snippet_has_its_own_value_at_its_own_time(rng, snippets, overlap):
    source, features = make_source(rng, snippets, grid=TimeGrid(float(rng.uniform(0, 2)), float(rng.uniform(0.1, 2))))
    found = joined(source, features, tiny_settings("dataset.overlap=%g" % overlap), of_features)
    np.testing.assert_allclose(found.times, source.grid.to_seconds(np.arange(snippets)))
    np.testing.assert_allclose(found.values, 1 / (1 + np.exp(-features[:, :3].T)), atol=1e-6)


def test_windows_speak_only_for_what_is_theirs(rng):
    """Beyond its part each window says 1, which must not be seen."""
    source, features = make_source(rng, 100)

    def loud_elsewhere(clip):
        own = np.arange(clip.valid)
        return np.tile(np.where((own >= clip.owned_from) & (own < clip.owned_to), 0.25, 1.0), (3, 1))

    found = joined(source, features, tiny_settings(), loud_elsewhere)
    np.testing.assert_array_equal(found.values, np.full((3, 100), 0.25))


def test_a_rescaled_recording_has_the_points_of_its_clip(rng):
    source, features = make_source(rng, 75, grid=TimeGrid(0.5, 1.0))
    found = joined(source, features, tiny_settings("dataset.mode=rescale"), of_features)
    assert found.values.shape == (3, 32)
    np.testing.assert_allclose(found.times, (np.arange(32) + 0.5) * 75 / 32.0)


def test_longer_ones_keep_their_peaks(rng, monkeypatch):
    monkeypatch.setattr(curves_module, "MOST_POINTS", 40)
    source, features = make_source(rng, 100)
    found = joined(source, features, tiny_settings(), of_features)
    whole = 1 / (1 + np.exp(-features[:, :3].T))
    expected = [[row[start:start + 3].max() for start in range(0, 100, 3)] for row in whole]
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    np.testing.assert_allclose(found.times, source.grid.to_seconds(np.arange(34) * 3 + 1))


def test_a_detector_without_curves_has_none(rng):
    source, features = make_source(rng, 40)
    assert joined(source, features, tiny_settings(), lambda clip: None) is None


def test_a_detector_may_have_actionness_alone(rng):
    source, features = make_source(rng, 70)
    alone, all_three = (joined(source, features, tiny_settings(), lambda clip, rows=rows: of_features(clip)[:rows])
                        for rows in (1, 3))
    np.testing.assert_array_equal(alone.values, all_three.values[:1])
    np.testing.assert_array_equal(alone.times, all_three.times)
