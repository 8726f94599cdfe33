"""What is said to be wrong with each detection."""

import numpy as np

from tad.evaluation.average_precision import rank
from tad.evaluation.diagnosis.errors import (
    BACKGROUND,
    CONFUSION,
    DOUBLE,
    LOCALIZATION,
    TRUE,
    TYPES,
    WRONG_LABEL,
    classify,
    top_detections,
)
from tad.evaluation.diagnosis.errors import profile as diagnosed_profile
from tad.evaluation.instances import Instances, best_first
from tad.report.kinds import NONE, UNCOUNTED, kinds_of, profile
from tad.segments import tiou


def table(*rows):
    """Rows ``(recording, label, start, end, score)``, best first for each label."""
    values = np.array(rows, dtype=float).reshape(-1, 5)
    return best_first(Instances(values[:, 0].astype(np.int64), values[:, 1].astype(np.int64), values[:, 2:4],
                                values[:, 4]))


def judged(truth, found, threshold=0.5, counted=3):
    ranking = rank(truth, found.take(found.labels < counted), counted, (threshold,))
    kind, partner = kinds_of(truth, found, ranking.matchings[0], threshold, counted)
    return kind.tolist(), partner.tolist()


def test_each_kind_of_error_is_told():
    truth = table((0, 0, 0, 10, 0), (1, 0, 0, 10, 0), (0, 1, 20, 30, 0))
    found = table((0, 0, 0, 9, 0.9),     # takes the first instance
                  (0, 0, 1, 10, 0.8),    # would, if it were free
                  (0, 0, 6, 16, 0.6),    # tIoU 0.25 with its label
                  (0, 0, 27, 35, 0.5),   # tIoU 0.2 with another label
                  (0, 0, 40, 50, 0.4),   # nothing there
                  (2, 0, 0, 10, 0.2),    # a recording of no annotation
                  (0, 2, 0, 10, 0.7),    # right time, another label
                  (1, 3, 0, 10, 0.3))    # a label of no annotation
    kind, partner = judged(truth, found)
    assert kind == [TRUE, DOUBLE, LOCALIZATION, CONFUSION, BACKGROUND, BACKGROUND, WRONG_LABEL, UNCOUNTED]
    assert partner == [0, 0, 0, 2, NONE, NONE, 0, 1]


def test_no_detections_and_no_instances():
    nothing, one = table(), table((0, 0, 0, 10, 0.5))
    assert judged(one, nothing) == ([], [])
    assert judged(nothing, one) == ([BACKGROUND], [NONE])


def drawn(rng, size, low=0.0):
    start = rng.uniform(0, 60, size)
    return table(*zip(rng.randint(0, 4, size), rng.randint(0, 3, size), start, start + rng.uniform(low, 12, size),
                      rng.uniform(size=size)))


def test_kinds_and_profile_are_those_of_the_diagnosis(rng):
    truth, found = drawn(rng, 40, 1.0), drawn(rng, 600)
    threshold = rng.choice([0.05, 0.3, 0.5, 0.75])
    ranking = rank(truth, found, 3, (threshold,))
    kind, partner = kinds_of(truth, found, ranking.matchings[0], threshold, 3)
    errors = classify(ranking, truth)
    np.testing.assert_array_equal(kind, errors.types[0])
    shares = [[entry["share"][name] for name in TYPES] for entry in diagnosed_profile(errors, top_detections(ranking))]
    counts = profile(ranking, kind)
    np.testing.assert_allclose(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), shares)
    apart = partner != NONE
    overlap = tiou(found.segments, truth.segments)[np.flatnonzero(apart), partner[apart]]
    assert (overlap >= min(0.1, threshold)).all()
    assert (truth.recordings[partner[apart]] == found.recordings[apart]).all()
    same = truth.labels[partner[apart]] == found.labels[apart]
    assert (same == np.isin(kind[apart], (TRUE, DOUBLE, LOCALIZATION))).all()
