"""Windows of samples to feature vectors."""

import numpy as np
import pytest

from tad.data import windowing
from tad.data.windowing import KINDS, STATISTICS, Windowing, feature_blocks


def features(samples, plan):
    return np.concatenate(list(feature_blocks(samples, plan)))


def test_flat_windows_are_the_samples_themselves(rng):
    samples = rng.standard_normal((rng.randint(40, 200), 3))
    plan = Windowing(50.0, 7, 3)
    found = features(samples, plan)
    assert found.dtype == np.float32 and found.shape == (plan.snippets(len(samples)), plan.width(3)) \
        == ((len(samples) - 7) // 3 + 1, 21)
    for index in range(len(found)):
        np.testing.assert_array_equal(found[index], samples[3 * index:3 * index + 7].ravel().astype(np.float32))


@pytest.mark.parametrize("samples, expected", [(6, 0), (7, 1), (9, 1), (10, 2)])
def test_only_whole_windows_count(samples, expected):
    assert Windowing(1.0, 7, 3).snippets(samples) == expected
    assert sum(len(block) for block in feature_blocks(np.zeros((samples, 1)), Windowing(1.0, 7, 3))) == expected


def test_blocks_do_not_change_the_features(rng, monkeypatch):
    samples = rng.standard_normal((300, 2))
    plan = Windowing(50.0, 20, 5, tuple(sorted(KINDS)), 4)
    whole = features(samples, plan)
    monkeypatch.setattr(windowing, "BLOCK_BYTES", 1)
    assert len(list(feature_blocks(samples, plan))) == len(whole) > 1
    np.testing.assert_array_equal(features(samples, plan), whole)


def test_statistics_are_those_of_each_channel(rng):
    samples = rng.standard_normal((30, 2))
    row = features(samples, Windowing(1.0, 30, 1, ("statistics",)))[0].reshape(len(STATISTICS), 2)
    steps = np.abs(np.diff(samples, axis=0)).mean(axis=0)
    spread = np.percentile(samples, 75, axis=0) - np.percentile(samples, 25, axis=0)
    expected = [samples.mean(0), samples.std(0), samples.min(0), samples.max(0), np.median(samples, 0), spread, steps]
    np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-6)


def test_a_tone_is_in_its_own_band_and_an_offset_in_none(rng):
    rate, bands = 64.0, 8
    time = np.arange(64) / rate
    for band in range(bands):
        frequency = (band + 0.6) * rate / 2 / bands
        samples = np.stack([100 + np.sin(2 * np.pi * frequency * time), np.full(64, 5.0)], axis=1)
        power = features(samples, Windowing(rate, 64, 64, ("spectrum",), bands))[0].reshape(bands, 2)
        assert power[:, 0].argmax() == band
        np.testing.assert_allclose(power[:, 1], 0, atol=1e-6)


def test_one_sample_windows_have_every_statistic():
    found = features(np.array([[2.0], [3.0]]), Windowing(1.0, 1, 1, ("flat", "statistics")))
    np.testing.assert_array_equal(found, [[2, 2, 0, 2, 2, 2, 0, 0], [3, 3, 0, 3, 3, 3, 0, 0]])
