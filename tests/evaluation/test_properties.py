"""What must hold for every detections file, searched for counterexamples by hypothesis."""

import numpy as np
import pytest

from tad.evaluation.average_precision import average_precisions, rank
from tad.evaluation.instances import Instances
from tad.evaluation.recall import average_recall

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies
THRESHOLDS = (0.1, 0.5, 0.9)
NUMBER = st.integers(0, 40)
SEGMENT = st.tuples(NUMBER, st.integers(1, 20)).map(lambda pair: (pair[0] / 2.0, (pair[0] + pair[1]) / 2.0))
ROWS = st.tuples(st.integers(0, 2), st.integers(0, 1), SEGMENT)
examples = hypothesis.settings(max_examples=150, deadline=None)


def instances(rows, scores=None):
    recordings, labels, segments = zip(*rows) if rows else ((), (), ())
    return Instances(np.array(recordings, np.int64), np.array(labels, np.int64),
                     np.array(segments, float).reshape(-1, 2), np.array(scores if scores is not None
                                                                         else np.zeros(len(rows)), float))


@st.composite
def cases(draw):
    """Ground truth with an instance of each class, and detections without ties."""
    truth = draw(st.lists(ROWS, min_size=1, max_size=12)) + [(0, 0, (0.0, 1.0)), (1, 1, (0.0, 2.0))]
    found = draw(st.lists(ROWS, max_size=25))
    return instances(truth), instances(found, draw(st.permutations(range(len(found)))))


def precision(truth, found):
    return average_precisions(rank(truth, found, 2, THRESHOLDS))


@examples
@hypothesis.given(cases(), st.randoms())
def test_the_order_of_detections_does_not_matter_without_ties(case, random):
    truth, found = case
    order = list(range(len(found.scores)))
    random.shuffle(order)
    np.testing.assert_array_equal(precision(truth, found), precision(truth, found.take(np.array(order, int))))


@examples
@hypothesis.given(cases(), SEGMENT, st.integers(0, 1))
def test_a_worst_scored_false_positive_never_raises_ap(case, segment, label):
    truth, found = case
    worse = instances([(9, label, segment)], [-1.0])   # no instance is in recording 9
    more = Instances(*(np.concatenate(columns) for columns in zip(found, worse)))
    assert (precision(truth, more) <= precision(truth, found) + 1e-12).all()


@examples
@hypothesis.given(cases(), st.permutations(range(30)))
def test_perfect_detections_give_1(case, scores):
    truth = case[0]
    found = truth._replace(scores=np.array(scores[:len(truth.labels)], float))
    np.testing.assert_allclose(precision(truth, found), 1.0)


@examples
@hypothesis.given(cases())
def test_ap_lies_between_0_and_1_and_falls_with_the_threshold(case):
    values = precision(*case)
    assert (values >= 0).all() and (values <= 1).all()


@examples
@hypothesis.given(cases(), st.integers(1, 30))
def test_recall_rises_with_the_number_of_proposals(case, most):
    curve = average_recall(case[0], case[1], THRESHOLDS, most)
    assert (np.diff(curve.recall, axis=1) >= 0).all() and (np.diff(curve.recall, axis=0) <= 0).all()
    assert 0 <= curve.area <= 1
