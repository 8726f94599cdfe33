"""AR@AN against the definition, one proposal after the other."""

import numpy as np
import pytest

from tad.evaluation.instances import no_instances
from tad.evaluation.recall import average_recall
from tests.evaluation import slow


def slow_average_recall(truth, proposals, thresholds, most):
    """From ActivityNet's description: the same part of each video's proposals, 1 % to 100 % of what is wanted."""
    videos = sorted(set(truth.recordings.tolist()))
    ratio = most * float(len(videos)) / len(proposals.scores)
    ranked = {}
    for video in videos:
        own = [place for place in range(len(proposals.scores)) if proposals.recordings[place] == video]
        own.sort(key=lambda place: -proposals.scores[place])
        ranked[video] = own[:min(int(len(own) * ratio), len(own))]
    retrieved = sum(len(own) for own in ranked.values())
    numbers, recall = [], np.zeros((len(thresholds), 100))
    for point in range(100):
        part = (point + 1) / 100.0 * (most * float(len(videos)) / retrieved)
        numbers.append(part * retrieved / len(videos))
        for row, threshold in enumerate(thresholds):
            for place, video in enumerate(truth.recordings):
                own = ranked[video][:int(len(ranked[video]) * part)]
                recall[row, point] += any(slow.tiou(truth.segments[place], proposals.segments[each]) >= threshold
                                          for each in own)
    return np.array(numbers), recall / len(truth.labels)


@pytest.mark.parametrize("most", [6, 10, 30, 1000])
def test_equals_the_definition(rng, most):
    thresholds = (0.2, 0.5, 0.95)
    truth = slow.random_instances(rng, 12, recordings=4)
    proposals = slow.random_instances(rng, 90, recordings=6)
    proposals = proposals._replace(recordings=proposals.recordings - 1)   # some lie outside, some recordings have none
    numbers, recall = slow_average_recall(truth, proposals, thresholds, most)
    curve = average_recall(truth, proposals, thresholds, most)
    np.testing.assert_allclose(curve.numbers, numbers, rtol=1e-12)
    np.testing.assert_allclose(curve.recall, recall, atol=1e-12)
    average = recall.mean(axis=0)
    assert curve.area == pytest.approx(np.sum((average[1:] + average[:-1]) / 2 * np.diff(numbers)) / numbers[-1])


def test_perfect_proposals_are_found_one_by_one():
    """One recording with 100 instances and 100 proposals, each of them right: recall is the part that is taken."""
    segments = np.arange(100.0)[:, None] + np.array([0, 1])
    truth = no_instances()._replace(recordings=np.zeros(100, int), labels=np.zeros(100, int), segments=segments,
                                    scores=np.arange(100.0))
    curve = average_recall(truth, truth, (0.5, 1.0), 100)
    # 0.29 * 100 is a little less than 29 for a computer; the official evaluator takes 28 then, and so do we
    expected = np.floor(np.arange(1, 101) / 100.0 * 100) / 100
    np.testing.assert_allclose(curve.average, expected)
    assert curve.area == pytest.approx(0.99 * (0.01 + 1) / 2, abs=1e-3)


def test_no_proposals_recall_nothing(rng):
    truth = slow.random_instances(rng, 5)
    for nothing in (no_instances(), truth._replace(recordings=np.full(5, -1))):
        curve = average_recall(truth, nothing, (0.5,), 10)
        assert curve.recall.sum() == 0 and curve.area == 0 and curve.numbers[-1] == pytest.approx(10)
