"""Adaptive training sample selection against a loop written out from the paper, and on hand-made cases with ties."""

import math

import numpy as np
import pytest

from tad.assignment.atss import (
    BACKGROUND,
    adaptive_thresholds,
    anchor_targets,
    assign_anchors,
    centerness_of,
    nearest_anchors,
)
from tad.proposals.anchors import Anchors, pyramid_anchors


def slow_tiou(a, b):
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return shared / ((a[1] - a[0]) + (b[1] - b[0]) - shared)


def slow_assignment(anchors, segments, levels, count):
    """Algorithm 1 of the paper, one action after the other."""
    owner, best = [BACKGROUND] * len(anchors), [-1.0] * len(anchors)
    for number, (start, end) in enumerate(segments):
        candidates = []
        for level in sorted(set(levels)):
            members = [i for i in range(len(anchors)) if levels[i] == level]
            members.sort(key=lambda i: (abs((anchors[i][0] + anchors[i][1]) / 2 - (start + end) / 2), i))
            candidates += members[:count]
        found = [slow_tiou(anchors[i], (start, end)) for i in candidates]
        mean = sum(found) / len(found)
        spread = math.sqrt(sum((value - mean) ** 2 for value in found) / (len(found) - 1)) if len(found) > 1 else 0.0
        for i, value in zip(candidates, found):
            centre = (anchors[i][0] + anchors[i][1]) / 2
            if value >= mean + spread - 1e-9 and start < centre < end and value > best[i]:
                owner[i], best[i] = number, value
    return owner


@pytest.mark.parametrize("grid", [None, 0.5, 2.0])
def test_assignment_equals_the_written_out_loop(rng, grid):
    """On a grid many distances and overlaps are equal, and actions repeat."""
    positives = 0
    for _ in range(40):
        length, levels, scale = rng.randint(1, 40), rng.randint(1, 5), float(rng.choice([1, 2, 4, 8]))
        anchors = pyramid_anchors(length, levels, scale)
        segments = np.sort(rng.uniform(-1, length + 1, (rng.randint(1, 7), 2)), axis=1)
        if grid:
            segments = np.round(segments / grid) * grid
        segments[:, 1] = np.maximum(segments[:, 1], segments[:, 0] + 0.5)
        count = rng.randint(1, 12)
        found = assign_anchors(anchors.segments, segments, anchors.levels, count)
        assert found.tolist() == slow_assignment(anchors.segments.tolist(), segments.tolist(),
                                                 anchors.levels.tolist(), count)
        positives += (found != BACKGROUND).sum()
    assert positives > 40


def test_equally_near_anchors_come_in_their_order():
    anchors = np.array([[0.0, 2.0], [2.0, 4.0], [4.0, 6.0], [6.0, 8.0]])
    assert nearest_anchors(anchors, np.array([[3.0, 5.0]]), np.zeros(4, int), 1).tolist() == [[1]]
    assert nearest_anchors(anchors, np.array([[3.0, 5.0]]), np.zeros(4, int), 3).tolist() == [[1, 2, 0]]
    assert nearest_anchors(anchors, np.array([[3.0, 5.0]]), np.array([0, 0, 1, 1]), 1).tolist() == [[1, 2]]
    assert nearest_anchors(anchors, np.array([[3.0, 5.0]]), np.zeros(4, int), 9).tolist() == [[1, 2, 0, 3]]


def test_thresholds_by_hand():
    """Mean 0.4; squared distances 0.04, 0, 0.04 over 2."""
    np.testing.assert_allclose(adaptive_thresholds(np.array([[0.2, 0.4, 0.6]])), [0.6], atol=1e-8)
    np.testing.assert_allclose(adaptive_thresholds(np.array([[0.3], [0.9]])), [0.3, 0.9], atol=1e-8)
    assert adaptive_thresholds(np.zeros((2, 0))).tolist() == [1.0, 1.0]


def test_candidates_with_equal_overlaps_are_all_positive():
    """Three anchors of 0.1 each: their mean is not 0.1 in binary numbers, and must not exclude them."""
    anchors = np.array([[4.0, 5.0], [5.0, 6.0], [3.0, 4.0], [2.0, 3.0], [6.0, 7.0], [7.0, 8.0], [1.0, 2.0]])
    found = assign_anchors(anchors, np.array([[0.0, 10.0]]), np.zeros(7, int), 7)
    assert found.tolist() == [0] * 7


def test_a_contested_anchor_goes_to_the_higher_overlap_and_then_to_the_first():
    anchor, level = np.array([[2.0, 6.0]]), np.zeros(1, int)
    assert assign_anchors(anchor, np.array([[0.0, 8.0], [2.0, 7.0]]), level, 1).tolist() == [1]
    assert assign_anchors(anchor, np.array([[2.0, 7.0], [0.0, 8.0]]), level, 1).tolist() == [0]
    assert assign_anchors(anchor, np.array([[1.0, 6.0], [2.0, 7.0], [2.0, 7.0]]), level, 1).tolist() == [0]


def test_the_centre_must_lie_inside_and_not_on_an_end():
    anchor, level = np.array([[2.0, 6.0]]), np.zeros(1, int)
    for segment, expected in (([4.0, 8.0], BACKGROUND), ([0.0, 4.0], BACKGROUND), ([3.99, 8.0], 0), ([4.01, 6.0], -1)):
        assert assign_anchors(anchor, np.array([segment]), level, 1).tolist() == [expected]


@pytest.mark.parametrize("anchors, segments", [(0, 0), (0, 2), (3, 0)])
def test_nothing_to_assign(anchors, segments):
    found = assign_anchors(np.zeros((anchors, 2)), np.ones((segments, 2)), np.zeros(anchors, int), 3)
    assert found.tolist() == [BACKGROUND] * anchors and found.dtype == np.int64


def test_centerness_by_hand():
    np.testing.assert_allclose(centerness_of(np.array([5.0, 2.0]), np.array([[0.0, 10.0], [0.0, 10.0]])), [1.0, 0.5])


def one_level(*segments):
    return Anchors(np.array(segments, dtype=np.float64), np.zeros(len(segments), int))


def test_targets_by_hand():
    """An action that reaches past the valid part is learned as far as it is seen; padding is not judged."""
    anchors = one_level([0.0, 4.0], [6.0, 10.0], [10.0, 14.0])
    targets = anchor_targets(anchors, np.array([[6.0, 20.0]]), np.array([1]), 2, 10, 1)
    assert targets.positive.tolist() == [0, 1, 0] and targets.judged.tolist() == [1, 1, 0]
    assert targets.classes.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert targets.segments.tolist() == [[0, 4], [6, 9.5], [10, 14]]
    np.testing.assert_allclose(targets.centerness, [0, math.sqrt(1.5 / 2), 0], rtol=1e-6)
    assert all(part.dtype == np.float32 for part in targets)


def test_actions_at_the_same_place_name_their_classes_together():
    segments = np.array([[0.0, 4.0], [0.0, 4.0], [0.0, 5.0]])
    targets = anchor_targets(one_level([0.0, 4.0]), segments, np.array([2, 0, 1]), 3, 20, 1)
    assert targets.classes[:, 0].tolist() == [1, 0, 1]


def test_an_unknown_label_gives_a_segment_and_no_class():
    targets = anchor_targets(one_level([0.0, 4.0], [9.0, 13.0]), np.array([[0.0, 4.0]]), np.array([-1]), 2, 20, 1)
    assert targets.positive.tolist() == [1, 0] and targets.judged.tolist() == [0, 1]
    assert targets.classes.sum() == 0 and targets.segments[0].tolist() == [0, 4]


def test_actions_outside_the_valid_part_are_not_learned():
    anchors = pyramid_anchors(16, 2, 4)
    targets = anchor_targets(anchors, np.array([[9.6, 15.0], [-5.0, -0.6]]), np.array([0, 0]), 1, 10, 3)
    assert targets.positive.sum() == 0 and targets.judged.sum() == 10 + 5
