"""Candidates of every generator: inside the clip, as long as they may be, where the curves say."""

import dataclasses

import numpy as np
import pytest

from tad.config import DeepLabSettings
from tad.proposals.generators import FROM_CURVES, GENERATORS, Curves
from tad.proposals.grid import all_proposals

every = pytest.mark.parametrize("name", sorted(GENERATORS))


def settings_of(**changes):
    return dataclasses.replace(DeepLabSettings(), **dict({"max_duration": 8}, **changes))


def random_curves(rng, valid):
    return Curves(rng.random_sample((3, valid)), rng.random_sample((2, valid)), *rng.random_sample((3, valid)))


def candidates(name, valid, curves=None, **changes):
    return GENERATORS[name](valid, curves, settings_of(generator=name, **changes), np.random.RandomState(0))


def test_the_setting_offers_each_generator():
    field, = (field for field in dataclasses.fields(DeepLabSettings) if field.name == "generator")
    assert set(field.metadata["choices"]) == set(GENERATORS) >= set(FROM_CURVES)


@every
@pytest.mark.parametrize("valid", [1, 2, 3, 20])
@pytest.mark.parametrize("longest", [1, 8, 50])
def test_candidates_are_segments_of_the_clip(name, rng, valid, longest):
    found = candidates(name, valid, random_curves(rng, valid), max_duration=longest)
    assert found.ndim == 2 and found.shape[1] == 2
    durations = found[:, 1] - found[:, 0]
    assert (durations > 0.99).all() and (durations < longest + 0.01).all()
    assert (found > -0.51).all() and (found < valid - 0.49).all()


@every
def test_only_those_from_curves_look_at_them(name, rng):
    if name in FROM_CURVES:
        found = [candidates(name, 30, random_curves(rng, 30)) for _ in range(4)]
        assert any(one.shape != found[0].shape or (one != found[0]).any() for one in found)
    else:
        assert len(candidates(name, 30)) > 0


def test_all_is_the_grid():
    assert candidates("all", 20).tolist() == all_proposals(20, 8).tolist()


def test_start_end_pairs_peaks_and_high_scores():
    starts, ends = np.full((2, 20), 0.1)
    starts[[3, 11]] = 0.9, 0.3   # the second is a peak, though below half of the highest
    ends[[6, 7, 15]] = 0.5, 0.9, 0.2
    found = candidates("start_end", 20, Curves(None, None, None, starts, ends))
    assert [3, 6] in found.tolist() and [3, 7] in found.tolist() and [11, 15] in found.tolist()
    assert [3, 15] not in found.tolist(), "longer than max_duration"
    peaks = candidates("start_end", 20, Curves(None, None, None, starts, ends), peak_fraction=1.0)
    assert [3, 6] not in peaks.tolist() and [3, 7] in peaks.tolist()


def test_thr_action_groups_each_class_and_finds_weak_ones():
    """Two actions that touch, of two classes, one of them never above 0.2."""
    classes = np.full((2, 20), 0.01)
    classes[0, 2:7], classes[1, 7:12] = 0.9, 0.2
    grouped = np.concatenate([classes, classes.max(axis=0)[None]])
    found = candidates("thr_action", 20, Curves(None, grouped, None, None, None)).tolist()
    assert [1.5, 6.5] in found and [6.5, 11.5] in found
    assert [1.5, 11.5] not in found, "longer than max_duration"
    together = candidates("thr_action", 20, Curves(None, grouped, None, None, None), max_duration=10).tolist()
    assert [1.5, 11.5] in together


def test_thr_action_of_curves_without_height():
    flat = np.zeros((1, 6))
    assert len(candidates("thr_action", 6, Curves(None, flat, None, None, None))) == 0


def test_unif_rand_gives_as_many_as_asked():
    assert candidates("unif_rand", 20, random_candidates=17).shape == (17, 2)
