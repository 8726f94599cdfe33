"""Windows cover everything, rescaling keeps time, and a clip's snippets and segments stay together."""

import numpy as np
import pytest

from tad.data.clips import cut_windows, interpolate, rescale, sample_clip, window_starts
from tad.data.sources import Source
from tad.data.timegrid import TimeGrid
from tests.helpers import make_source, tiny_settings


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.9])
def test_windows_cover_every_snippet_and_stay_inside(rng, overlap):
    for snippets in [1, 7, 8, 9, 15, 16, 17] + rng.randint(1, 2000, 20).tolist():
        starts = window_starts(snippets, 8, overlap)
        covered = np.zeros(snippets, dtype=int)
        for start in starts:
            covered[start:start + 8] += 1
        assert covered.min() >= 1
        assert starts == sorted(set(starts)) and starts[0] == 0
        assert snippets <= 8 or starts[-1] == snippets - 8
        assert all(later - earlier <= max(1, round(8 * (1 - overlap))) for earlier, later in zip(starts, starts[1:]))


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("snippets", [5, 32, 33, 100, 517])
def test_every_moment_is_reported_by_some_window_that_holds_it(rng, snippets, overlap):
    source, features = make_source(rng, snippets)
    clips = list(cut_windows(source, features, tiny_settings("dataset.overlap=%g" % overlap).dataset, 32))
    for moment in np.concatenate([rng.uniform(-0.5, snippets - 0.5, 200), [0, snippets - 1, snippets - 0.5]]):
        places = [(clip, moment - start) for clip, start in zip(clips, window_starts(snippets, 32, overlap))]
        owners = [place for clip, place in places if clip.owned_from <= place < clip.owned_to]
        assert any(-0.5 <= place <= 31.5 for place in owners)
        assert overlap == 0 or len(owners) < len(clips) or len(clips) <= 3


def test_windows_hold_the_recording_unchanged(rng):
    source, features = make_source(rng, 77)
    settings = tiny_settings().dataset
    clips = list(cut_windows(source, features, settings, 32))
    for clip, start in zip(clips, window_starts(77, 32, settings.overlap)):
        np.testing.assert_array_equal(clip.features, features[start:start + 32].T)
        assert clip.valid == 32
        assert clip.features.dtype == np.float32 and clip.features.flags["C_CONTIGUOUS"]
        whole = [(s - start, e - start, k) for (s, e), k in zip(source.segments, source.classes)
                 if e > start - 0.5 and s < start + 31.5]
        np.testing.assert_allclose(clip.segments, [row[:2] for row in whole] or np.zeros((0, 2)), atol=1e-12)
        assert clip.classes.tolist() == [row[2] for row in whole]
        assert clip.grid.to_seconds(3) == pytest.approx(source.grid.to_seconds(start + 3))


def test_a_short_recording_is_padded(rng):
    source, features = make_source(rng, 5)
    clip, = cut_windows(source, features, tiny_settings().dataset, 32)
    assert clip.valid == 5
    np.testing.assert_array_equal(clip.features[:, :5], features.T)
    assert not clip.features[:, 5:].any()
    assert (clip.owned_from, clip.owned_to) == (-np.inf, np.inf)


@pytest.mark.parametrize("snippets", [1, 2, 16, 31, 32, 33, 500])
def test_rescaling_keeps_time(rng, snippets):
    """Both ends of the rescaled clip lie where the recording's ends lie, and segments keep their seconds."""
    grid = TimeGrid(float(rng.uniform(0, 2)), float(rng.uniform(0.1, 3)))
    source, features = make_source(rng, snippets, grid=grid)
    clip, = rescale(source, features, tiny_settings().dataset, 32)
    assert clip.valid == 32 and clip.features.shape == (4, 32)
    assert clip.grid.to_seconds(-0.5) == pytest.approx(grid.to_seconds(-0.5))
    assert clip.grid.end_s(32) == pytest.approx(grid.end_s(snippets))
    np.testing.assert_allclose(clip.grid.to_seconds(clip.segments), grid.to_seconds(source.segments), atol=1e-9)


def test_rescaling_interpolates(rng):
    """A line stays a line, and the same length changes nothing."""
    line = np.arange(50, dtype=np.float32)[:, None]
    source = Source("x", TimeGrid(0.5, 1.0), 50, np.zeros((0, 2)), np.zeros(0, np.int64))
    clip, = rescale(source, line, None, 20)
    np.testing.assert_allclose(clip.features[0], (np.arange(20) + 0.5) * 2.5 - 0.5, rtol=1e-5)
    same, = rescale(source, line, None, 50)
    np.testing.assert_array_equal(same.features[0], line[:, 0])


def test_interpolate_equals_numpy(rng):
    for length in (1, 2, 9):
        features = rng.standard_normal((length, 3)).astype(np.float32)
        positions = rng.uniform(-3, length + 3, 40)
        expected = [np.interp(positions, np.arange(length), column) for column in features.T]
        np.testing.assert_allclose(interpolate(features, positions), np.transpose(expected), atol=1e-5)


def test_segments_that_only_touch_a_clip_are_left_out():
    source = Source("x", TimeGrid(0.5, 1.0), 60, np.array([[-0.5, 9.5], [9.5, 20.0], [41.0, 41.5], [41.4, 45.0]]),
                    np.arange(4))
    clip = sample_clip(source, np.zeros((60, 2), np.float32), 10.0, 1.0, 32)
    assert clip.classes.tolist() == [1, 2, 3]
    assert sample_clip(source, np.zeros((60, 2), np.float32), 10.0, 1.0, 31).classes.tolist() == [1]
