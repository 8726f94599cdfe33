"""NMS and soft-NMS against slow loops over pairs of detections."""

import math

import numpy as np
import pytest

from tad.config import PostprocessSettings
from tad.postprocess import nms
from tad.postprocess.fusion import NOTHING, Detections
from tad.postprocess.nms import suppress


def random_detections(rng, count, classes=3):
    segments = np.sort(rng.uniform(0, 60, (count, 2)), axis=1)
    return Detections(segments, rng.randint(0, classes, count), rng.permutation(count) / (count + 1.0) + 1e-3)


def overlap(a, b):
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = a[1] - a[0] + b[1] - b[0] - shared
    return shared / union if union > 0 else 0.0


def rows(detections):
    return [(tuple(segment), int(label), float(score)) for segment, label, score in zip(*detections)]


def slow_nms(found, settings):
    kept = []
    for segment, label, score in sorted(rows(found), key=lambda row: -row[2]):
        rivals = [row for row in kept if row[1] == label or not settings.per_class]
        if all(overlap(segment, rival[0]) <= settings.tiou_threshold for rival in rivals):
            kept.append((segment, label, score))
    return kept[:settings.top_k]


def slow_soft_nms(found, settings):
    """Within each class (or all): take the best, lower the rest, until top_k or min_score."""
    everything = rows(found)
    groups = sorted({row[1] for row in everything}) if settings.per_class else [None]
    result = []
    for group in groups:
        left = [list(row) for row in everything if group is None or row[1] == group]
        chosen = []
        while left and len(chosen) < settings.top_k:
            best = max(left, key=lambda row: row[2])
            if best[2] < settings.min_score:
                break
            left.remove(best)
            chosen.append(tuple(best))
            for row in left:
                if overlap(best[0], row[0]) > settings.soft_threshold:
                    row[2] *= math.exp(-overlap(best[0], row[0]) ** 2 / settings.sigma)
        result += chosen
    return sorted(result, key=lambda row: -row[2])[:settings.top_k]


def assert_same(found, expected):
    found = rows(found)
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    np.testing.assert_allclose([row[2] for row in found], [row[2] for row in expected], rtol=1e-9)


@pytest.mark.parametrize("per_class", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 60])
@pytest.mark.parametrize("top_k", [1, 10, 500])
def test_both_equal_the_slow_loops(rng, count, per_class, top_k):
    found = random_detections(rng, count)
    hard = PostprocessSettings(method="nms", per_class=per_class, top_k=top_k, tiou_threshold=float(rng.uniform(0, 1)))
    assert_same(suppress(found, hard), slow_nms(found, hard))
    soft = PostprocessSettings(method="soft_nms", per_class=per_class, top_k=top_k, sigma=float(rng.uniform(0.05, 2)),
                               min_score=float(rng.choice([0.0, 0.2])),
                               soft_threshold=float(rng.choice([0.0, rng.uniform(0, 1)])))
    assert_same(suppress(found, soft), slow_soft_nms(found, soft))


def test_an_overlap_just_at_the_threshold_stays():
    found = Detections(np.array([[0.0, 10.0], [0.0, 5.0]]), np.zeros(2, np.int64), np.array([0.9, 0.8]))
    assert len(suppress(found, PostprocessSettings(method="nms", tiou_threshold=0.5)).scores) == 2
    assert len(suppress(found, PostprocessSettings(method="nms", tiou_threshold=0.499)).scores) == 1


def test_none_keeps_all_but_top_k(rng):
    found = random_detections(rng, 30)
    kept = suppress(found, PostprocessSettings(method="none", top_k=20))
    assert_same(kept, sorted(rows(found), key=lambda row: -row[2])[:20])


def test_input_is_not_changed(rng):
    found = random_detections(rng, 20)
    copy = Detections(*(values.copy() for values in found))
    for method in nms.METHODS:
        suppress(found, PostprocessSettings(method=method))
    for before, after in zip(copy, found):
        np.testing.assert_array_equal(before, after)


def test_equal_scores_keep_the_order_they_came_in():
    segments = np.array([[10.0 * index, 10.0 * index + 5] for index in range(6)])
    found = Detections(segments, np.zeros(6, np.int64), np.full(6, 0.5))
    for method in nms.METHODS:
        np.testing.assert_array_equal(suppress(found, PostprocessSettings(method=method)).segments, segments)


def test_more_than_the_bound_are_compared_when_top_k_asks(rng, monkeypatch):
    monkeypatch.setattr(nms, "MOST_COMPARED", 10)
    found = random_detections(rng, 50)
    assert len(suppress(found, PostprocessSettings(method="none", per_class=False, top_k=40)).scores) == 40
    assert len(suppress(found, PostprocessSettings(method="none", per_class=False, top_k=5)).scores) == 5


def test_nothing_stays_nothing():
    for method in nms.METHODS:
        kept = suppress(NOTHING, PostprocessSettings(method=method))
        assert kept.segments.shape == (0, 2) and kept.labels.dtype == np.int64


def test_up_to_the_soft_threshold_a_detection_keeps_its_score():
    """tIoU with the best one: 0.8, exactly 0.5, 0.25."""
    found = Detections(np.array([[0.0, 10], [0, 8], [0, 5], [0, 2.5]]), np.zeros(4, np.int64),
                       np.array([0.9, 0.8, 0.7, 0.6]))
    kept = suppress(found.take([0, 1]), PostprocessSettings(soft_threshold=0.5, sigma=0.4))
    np.testing.assert_allclose(kept.scores, [0.9, 0.8 * math.exp(-0.64 / 0.4)])
    kept = suppress(found.take([0, 2, 3]), PostprocessSettings(soft_threshold=0.5, sigma=0.4))
    np.testing.assert_allclose(kept.scores, [0.9, 0.7, 0.6])
