"""Average precision against a literal loop over detections, and by hand."""

import numpy as np
import pytest

from tad.evaluation.average_precision import (
    Instances,
    average_precision,
    interpolated_area,
    mean_average_precision,
)


def slow_average_precision(truth, detections, threshold):
    """One detection after the other, best first, as the official evaluators' documentation tells it."""
    order = sorted(range(len(detections.scores)), key=lambda index: -detections.scores[index])
    taken, hits, points = set(), 0, []
    for rank, index in enumerate(order):
        start, end = detections.segments[index]
        best = None
        for place in range(len(truth.recordings)):
            if truth.recordings[place] == detections.recordings[index] and place not in taken:
                low, high = truth.segments[place]
                shared = max(0.0, min(end, high) - max(start, low))
                overlap = shared / (end - start + high - low - shared)
                if overlap >= threshold and (best is None or overlap > best[0]):
                    best = (overlap, place)
        if best:
            taken.add(best[1])
            hits += 1
        points.append((hits / float(len(truth.recordings)), hits / float(rank + 1)))
    area, before = 0.0, 0.0
    for rank, (recall, _) in enumerate(points):
        area += (recall - before) * max(precision for _, precision in points[rank:])
        before = recall
    return area


def random_instances(rng, count, recordings):
    segments = np.sort(rng.uniform(0, 30, (count, 2)), axis=1) + np.array([0, 0.1])
    return Instances(rng.randint(0, recordings, count), segments, rng.permutation(count).astype(float))


@pytest.mark.parametrize("count", [0, 1, 30, 200])
def test_equals_the_loop(rng, count):
    thresholds = (0.1, 0.3, 0.5, 0.75, 0.999)
    for _ in range(5):
        truth, found = random_instances(rng, 25, 3), random_instances(rng, count, 4)
        if count > 20:
            found.segments[:10] = truth.segments[:10]
            found.recordings[:10] = truth.recordings[:10]
        expected = [slow_average_precision(truth, found, threshold) for threshold in thresholds]
        np.testing.assert_allclose(average_precision(truth, found, thresholds), expected, atol=1e-12)


def test_the_order_of_thresholds_and_of_ground_truth_does_not_matter(rng):
    truth, found = random_instances(rng, 25, 3), random_instances(rng, 60, 3)
    rising = average_precision(truth, found, (0.2, 0.5, 0.8))
    np.testing.assert_array_equal(average_precision(truth, found, (0.8, 0.5, 0.2)), rising[::-1])
    assert (np.diff(rising) <= 1e-12).all()
    order = rng.permutation(25)
    np.testing.assert_allclose(average_precision(Instances(*(v[order] for v in truth)), found, (0.2, 0.5, 0.8)), rising)


def test_perfect_and_empty_detections(rng):
    truth = random_instances(rng, 25, 3)
    np.testing.assert_array_equal(average_precision(truth, truth, (0.5, 1.0)), [1.0, 1.0])
    result = mean_average_precision({"x": truth, "y": truth}, {"x": truth}, (0.5,))
    assert result.per_class["y"].tolist() == [0.0] and result.mean.tolist() == [0.5]


def test_a_second_detection_of_an_instance_takes_the_next_best_or_is_wrong():
    truth = Instances(np.zeros(2, int), np.array([[0.0, 10.0], [2.0, 12.0]]), np.zeros(2))
    twice = Instances(np.zeros(2, int), np.array([[0.0, 10.0], [0.0, 10.0]]), np.array([2.0, 1.0]))
    assert average_precision(truth, twice, (0.6,)).tolist() == [1.0]
    assert average_precision(truth, twice, (0.7,)).tolist() == [0.5]


def test_interpolated_area_by_hand():
    recall, precision = np.array([0.25, 0.25, 0.5, 0.75]), np.array([1.0, 0.5, 2 / 3.0, 0.75])
    assert interpolated_area(recall, precision) == pytest.approx(0.25 * 1 + 0.25 * 0.75 + 0.25 * 0.75)
    assert interpolated_area(np.zeros(0), np.zeros(0)) == 0.0
