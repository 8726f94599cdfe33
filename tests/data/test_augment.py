"""Training clips: repeatable by number, true to the recording, and varied where settings ask for it."""

import numpy as np
import pytest

from tad.config import AugmentSettings
from tad.data.augment import random_clip, random_piece, random_speed
from tad.data.sources import Source
from tad.data.timegrid import TimeGrid
from tests.helpers import make_source

PLAIN = AugmentSettings(stretch=0.0, noise=0.0, scale=0.0, splice=0.0)
WILD = AugmentSettings(stretch=0.5, noise=0.3, scale=0.3, splice=0.5)


def make_sources(rng, lengths=(50, 33, 8, 1)):
    made = [make_source(rng, length, name="rec_%d" % index) for index, length in enumerate(lengths)]
    features = {source.id: array for source, array in made}
    return [source for source, _ in made], features.__getitem__


@pytest.mark.parametrize("mode", ["windows", "rescale"])
@pytest.mark.parametrize("settings", [PLAIN, WILD])
def test_a_clip_follows_from_seed_and_number_alone(rng, mode, settings):
    sources, read = make_sources(rng)
    numbers = list(range(40))
    first = [random_clip(sources, read, settings, mode, 32, 7, number) for number in numbers]
    again = {number: random_clip(sources, read, settings, mode, 32, 7, number) for number in numbers[::-1]}
    for number, clip in zip(numbers, first):
        np.testing.assert_array_equal(clip.features, again[number].features)
        np.testing.assert_array_equal(clip.segments, again[number].segments)
    other = [random_clip(sources, read, settings, mode, 32, 8, number) for number in numbers]
    assert any(not np.array_equal(a.features, b.features) for a, b in zip(first, other))


@pytest.mark.parametrize("mode", ["windows", "rescale"])
@pytest.mark.parametrize("settings", [PLAIN, WILD])
def test_shape_padding_and_segments_are_sound(rng, mode, settings):
    sources, read = make_sources(rng)
    for number in range(150):
        clip = random_clip(sources, read, settings, mode, 32, 1, number)
        assert clip.features.shape == (4, 32) and clip.features.dtype == np.float32
        assert np.isfinite(clip.features).all() and 1 <= clip.valid <= 32
        assert not clip.features[:, clip.valid:].any(), "padding must stay zero, whatever the noise"
        assert len(clip.segments) == len(clip.classes)
        assert (clip.segments[:, 1] > clip.segments[:, 0]).all()
        assert ((clip.segments[:, 1] > -0.5) & (clip.segments[:, 0] < clip.valid - 0.5)).all()


def test_plain_windows_are_pieces_of_the_recording(rng):
    sources, read = make_sources(rng, (50, 33))
    seen = set()
    for number in range(60):
        clip = random_clip(sources, read, PLAIN, "windows", 32, 2, number)
        whole = read(clip.id)
        starts = [start for start in range(len(whole) - 31) if np.array_equal(whole[start:start + 32].T, clip.features)]
        assert len(starts) == 1
        seen.add((clip.id, starts[0]))
    assert len(seen) > 5


@pytest.mark.parametrize("mode", ["windows", "rescale"])
def test_segments_move_with_the_features(rng, mode):
    """A channel that is high exactly inside the action stays so in every stretched, spliced or rescaled clip."""
    sources, arrays = [], {}
    for index, (start, end) in enumerate(((10, 26), (5, 30))):
        signal = np.full((60, 1), -1.0, np.float32)
        signal[start:end] = 1.0
        sources.append(Source(str(index), TimeGrid(0.5, 1.0), 60, np.array([[start - 0.5, end - 0.5]]),
                              np.zeros(1, np.int64)))
        arrays[str(index)] = signal
    settings = AugmentSettings(stretch=0.5, noise=0.0, scale=0.0, splice=0.5)
    for number in range(80):
        clip = random_clip(sources, arrays.__getitem__, settings, mode, 40, 3, number)
        centres = np.arange(clip.valid)
        inside = np.zeros(clip.valid, bool)
        nearest = np.full(clip.valid, np.inf)
        for start, end in clip.segments:
            inside |= (centres > start) & (centres < end)
            nearest = np.minimum(nearest, np.minimum(abs(centres - start), abs(centres - end)))
        clear = nearest > 1.5  # beside a border the signal is interpolated
        np.testing.assert_array_equal(np.sign(clip.features[0, :clip.valid])[clear], np.where(inside, 1, -1)[clear])


def test_noise_and_gain_have_the_deviation_that_settings_name(rng):
    source = Source("x", TimeGrid(0.5, 1.0), 400, np.zeros((0, 2)), np.zeros(0, np.int64))
    ones = np.ones((400, 200), np.float32)
    noisy = random_clip([source], lambda name: ones, AugmentSettings(stretch=0.0, noise=0.3, scale=0.0), "windows", 400,
                        1, int(rng.randint(10 ** 6)))
    assert float((noisy.features - 1).std()) == pytest.approx(0.3, rel=0.05)
    gained = random_clip([source], lambda name: ones, AugmentSettings(stretch=0.0, noise=0.0, scale=0.3), "windows",
                         400, 1, int(rng.randint(10 ** 6)))
    assert float(gained.features.std(axis=1).max()) < 1e-6
    assert float(gained.features[:, 0].std()) == pytest.approx(0.3, rel=0.3)
    assert (ones == 1).all(), "the store's array must not be written to"


def test_speed_lies_within_the_stretch(rng):
    speeds = [random_speed(AugmentSettings(stretch=0.5), rng) for _ in range(500)]
    assert 1 / 1.5 <= min(speeds) < 0.75 and 1.3 < max(speeds) <= 1.5
    assert random_speed(PLAIN, rng) == 1.0


def test_pieces_begin_and_end_at_cuts(rng):
    source, _ = make_source(rng, 40)
    cuts = set(np.round(source.segments.ravel() + 0.5).clip(0, 40).tolist()) | {0, 40}
    for _ in range(100):
        first, last = random_piece(source, rng)
        assert 0 <= first < last <= 40 and {first, last} <= cuts
