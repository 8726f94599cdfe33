"""Average precision against a literal loop over detections, and by hand."""

import numpy as np
import pytest

from tad.evaluation.average_precision import (
    average_precisions,
    interpolated_area,
    precision_at_recalls,
    rank,
)
from tad.evaluation.instances import Instances, no_instances
from tests.evaluation import slow


def segments_of_one(segments, scores=None):
    count = len(segments)
    return Instances(np.zeros(count, int), np.zeros(count, int), np.array(segments, float).reshape(-1, 2),
                     np.array(scores if scores is not None else np.zeros(count), float))


def score(truth, found, thresholds, ignored=None):
    return average_precisions(rank(truth, found, truth.labels.max() + 1, thresholds, ignored))


@pytest.mark.parametrize("count", [0, 1, 30, 200])
@pytest.mark.parametrize("ties", [False, True])
def test_equals_the_loop(rng, count, ties):
    thresholds = (0.1, 0.3, 0.5, 0.75, 0.999)
    for _ in range(4):
        truth, found = slow.random_instances(rng, 25, ties=ties), slow.random_instances(rng, count, 4, ties=ties)
        if count > 20:
            found = found._replace(**{name: np.concatenate([getattr(truth, name)[:10], getattr(found, name)[10:]])
                                      for name in ("recordings", "labels", "segments")})
        expected = [[slow.class_average_precision(truth, found, label, threshold) for threshold in thresholds]
                    for label in range(2)]
        np.testing.assert_allclose(score(truth, found, thresholds), expected, atol=1e-12)


def test_the_order_of_thresholds_and_of_ground_truth_does_not_matter(rng):
    truth, found = slow.random_instances(rng, 25), slow.random_instances(rng, 60)
    rising = score(truth, found, (0.2, 0.5, 0.8))
    np.testing.assert_array_equal(score(truth, found, (0.8, 0.5, 0.2)), rising[:, ::-1])
    assert (np.diff(rising, axis=1) <= 1e-12).all()
    np.testing.assert_allclose(score(truth.take(rng.permutation(25)), found, (0.2, 0.5, 0.8)), rising)


def test_perfect_and_empty_detections(rng):
    truth = slow.random_instances(rng, 25, labels=1)
    np.testing.assert_array_equal(score(truth, truth, (0.5, 1.0)), [[1.0, 1.0]])
    np.testing.assert_array_equal(score(truth, no_instances(), (0.5, 1.0)), [[0.0, 0.0]])


def test_a_second_detection_of_an_instance_takes_the_next_best_or_is_wrong():
    truth = segments_of_one([[0, 10], [2, 12]])
    twice = segments_of_one([[0, 10], [0, 10]], [2, 1])
    assert score(truth, twice, (0.6,)).tolist() == [[1.0]]
    assert score(truth, twice, (0.7,)).tolist() == [[0.5]]


def test_of_instances_of_equal_tiou_the_later_is_taken():
    """As the official evaluator, whose sorted tIoU is walked through from the end."""
    truth, found = segments_of_one([[0, 4], [2, 6]]), segments_of_one([[1, 5], [2, 6]], [2, 1])
    assert score(truth, found, (0.6,)).tolist() == [[0.5]]
    assert score(truth.take([1, 0]), found, (0.6,)).tolist() == [[0.5 + 0.5]]


def test_detections_on_ambiguous_instances_are_dropped_unless_they_are_right():
    truth, ambiguous = segments_of_one([[0, 10]]), segments_of_one([[8, 30]])
    found = segments_of_one([[20, 29], [29.9, 40], [31, 40], [0, 10]], [4, 3, 2, 1])
    assert score(truth, found, (0.5,)).tolist() == [[0.25]]
    assert score(truth, found, (0.5,), ambiguous).tolist() == [[0.5]]
    assert score(truth, found, (0.5,), ambiguous._replace(recordings=np.ones(1, int))).tolist() == [[0.25]]


def test_precision_at_recalls_is_the_envelope(rng):
    truth, found = slow.random_instances(rng, 40, labels=1), slow.random_instances(rng, 100, labels=1)
    ranking = rank(truth, found, 1, (0.2,))
    curve = precision_at_recalls(ranking, np.linspace(0, 1, 401))[0, 0]
    assert (np.diff(curve) <= 0).all()
    # 40 instances: every tenth recall is that of an instance, and the area is the sum over these
    assert np.mean(curve[10::10]) == pytest.approx(average_precisions(ranking)[0, 0])
    assert curve[0] == curve[1] == curve[10] and curve[11] == curve[20]


def test_interpolated_area_by_hand():
    recall, precision = np.array([0.25, 0.25, 0.5, 0.75]), np.array([1.0, 0.5, 2 / 3.0, 0.75])
    assert interpolated_area(recall, precision) == pytest.approx(0.25 * 1 + 0.25 * 0.75 + 0.25 * 0.75)
    assert interpolated_area(np.zeros(0), np.zeros(0)) == 0.0
