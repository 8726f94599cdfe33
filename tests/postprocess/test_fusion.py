"""Fusion and pooling against sums written out."""

import numpy as np
import pytest

from tad.config import PostprocessSettings
from tad.postprocess.fusion import NOTHING, ScoredProposals, concatenate, fuse, mean_inside


def random_proposals(rng, count, classes):
    return ScoredProposals(np.sort(rng.uniform(0, 50, (count, 2)), axis=1), rng.random_sample((count, classes)),
                           *(rng.random_sample(count) for _ in range(3)))


@pytest.mark.parametrize("count", [0, 1, 25])
@pytest.mark.parametrize("classes, most", [(1, 3), (5, 1), (5, 3)])
def test_fuse_equals_the_product(rng, count, classes, most):
    given = random_proposals(rng, count, classes)
    powers = rng.choice([0.0, 0.5, 1.0, 2.0], 4)
    settings = PostprocessSettings(class_power=powers[0], boundary_power=powers[1], tiou_power=powers[2],
                                   completeness_power=powers[3], classes_per_proposal=most, min_score=0.05)
    expected = []
    for index in range(count):
        common = given.boundaries[index] ** powers[1] * given.tiou[index] ** powers[2] \
            * given.completeness[index] ** powers[3]
        for label in sorted(range(classes), key=lambda k: -given.classes[index, k])[:most]:
            score = given.classes[index, label] ** powers[0] * common
            if score >= 0.05:
                expected.append((tuple(given.segments[index]), label, score))
    found = fuse(given, settings)
    assert [(tuple(segment), label) for segment, label, _ in zip(*found)] == [row[:2] for row in expected]
    np.testing.assert_allclose(found.scores, [row[2] for row in expected], rtol=1e-12)


@pytest.mark.parametrize("length", [1, 2, 30])
def test_mean_inside_equals_a_loop(rng, length):
    scores = rng.random_sample((3, length))
    segments = np.sort(rng.uniform(-5, length + 5, (40, 2)), axis=1)
    segments[0] = [-0.5, length - 0.5]
    expected = [[sum(line[i] * max(0.0, min(end, i + 0.5) - max(start, i - 0.5)) for i in range(length)) / (end - start)
                 for line in scores] for start, end in segments]
    found = mean_inside(scores, segments)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(found[0], scores.mean(axis=1), atol=1e-12)


def test_mean_inside_never_leaves_0_to_1(rng):
    """Tiny scores after large ones must not turn negative by rounding: their square root would be NaN."""
    scores = np.concatenate([rng.random_sample((1, 500)), 1e-18 * rng.random_sample((1, 500))], axis=1)
    segments = np.sort(rng.uniform(-1, 1001, (3000, 2)), axis=1)
    found = mean_inside(scores, segments)
    assert found.min() >= 0 and found.max() <= 1 + 1e-12
    assert mean_inside(scores, np.zeros((0, 2))).shape == (0, 1)
    assert np.isfinite(mean_inside(scores, np.array([[5.0, 5.0], [2000.0, 3000.0]]))).all()


def test_concatenate_nothing():
    joined = concatenate([])
    assert joined.segments.shape == (0, 2) and joined.labels.dtype == np.int64
    assert len(concatenate([NOTHING, NOTHING]).scores) == 0


@pytest.mark.parametrize("classes, best", [(1, 1), (6, 1), (6, 2), (6, 6), (6, 9)])
def test_only_the_best_classes_of_a_recording_are_detected(rng, classes, best):
    given, external = random_proposals(rng, 30, classes), rng.random_sample(classes)
    everything = PostprocessSettings(classes_per_proposal=classes, min_score=0)
    chosen = PostprocessSettings(classes_per_proposal=classes, min_score=0, classes_per_recording=best)
    wanted = sorted(range(classes), key=lambda k: -external[k])[:best]
    whole, part = fuse(given, everything, external), fuse(given, chosen, external)
    kept = whole.take(np.isin(whole.labels, wanted))
    for one, other in zip(part, kept):
        np.testing.assert_array_equal(one, other)
    assert set(part.labels) == set(wanted)
    for one, other in zip(fuse(given, chosen), fuse(given, everything)):
        np.testing.assert_array_equal(one, other, err_msg="without external scores there is nothing to choose by")


def test_a_proposal_gives_its_labels_from_the_best_classes_alone(rng):
    given = random_proposals(rng, 20, 4)._replace(classes=np.tile([0.9, 0.8, 0.2, 0.1], (20, 1)))
    found = fuse(given, PostprocessSettings(classes_per_proposal=1, classes_per_recording=2, min_score=0),
                 np.array([0.1, 0.1, 0.6, 0.1]))
    assert set(found.labels) == {2}
    ties = fuse(given, PostprocessSettings(classes_per_recording=2, min_score=0), np.full(4, 0.25))
    assert set(ties.labels) == {0, 1}, "of equal classes the first ones"
