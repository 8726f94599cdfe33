"""Which detections are right, and what is said to be wrong with the others."""

import numpy as np

from tad.report.matching import (
    BACKGROUND,
    CONFUSION,
    DOUBLE,
    LOCALIZATION,
    NONE,
    TRUE_POSITIVE,
    UNCOUNTED,
    WRONG_LABEL,
    Table,
    by_score,
    kinds,
    match,
    overlapping,
    profile,
    rank_in_group,
    same_label,
)


def table(*rows):
    """Rows ``(recording, label, start, end, score)``."""
    values = np.array(rows, dtype=float).reshape(-1, 5)
    return Table(values[:, 0].astype(np.int64), values[:, 1].astype(np.int64), values[:, 2:4], values[:, 4])


def judged(truth, found, threshold=0.5, counted=3):
    pairs = overlapping(truth, found)
    matched = match(same_label(pairs, truth, found), threshold, len(found.scores))
    return matched.tolist(), [values.tolist() for values in kinds(pairs, truth, found, matched, threshold, counted)]


def test_each_kind_of_error_is_told():
    truth = table((0, 0, 0, 10, 0), (0, 1, 20, 30, 0), (1, 0, 0, 10, 0))
    found = table((0, 0, 0, 9, 0.9),     # takes the first instance
                  (0, 0, 1, 10, 0.8),    # would, if it were free
                  (0, 2, 0, 10, 0.7),    # right time, another label
                  (0, 0, 6, 16, 0.6),    # tIoU 0.25 with its label
                  (0, 0, 27, 35, 0.5),   # tIoU 0.2 with another label
                  (0, 0, 40, 50, 0.4),   # nothing there
                  (1, 3, 0, 10, 0.3),    # a label of no annotation
                  (2, 0, 0, 10, 0.2))    # a recording of no annotation
    matched, (kind, partner) = judged(truth, found)
    assert kind == [TRUE_POSITIVE, DOUBLE, WRONG_LABEL, LOCALIZATION, CONFUSION, BACKGROUND, UNCOUNTED, BACKGROUND]
    assert partner == [0, 0, 0, 0, 1, NONE, 2, NONE]
    assert matched == [0] + [NONE] * 7


def test_the_surer_detection_takes_the_instance_and_a_free_one_is_better_than_none():
    truth = table((0, 0, 0, 10, 0), (0, 0, 2, 12, 0))
    found = by_score(table((0, 0, 0, 10, 0.1), (0, 0, 1, 11, 0.9), (0, 0, 2, 12, 0.5)))
    matched, (kind, _) = judged(truth, found)
    # Both are as near to the surest; it takes the later one in the file, the second makes do with the other
    assert matched == [1, 0, NONE] and kind == [TRUE_POSITIVE, TRUE_POSITIVE, DOUBLE]


def test_no_detections_and_no_instances():
    nothing, one = table(), table((0, 0, 0, 10, 0.5))
    assert judged(one, nothing) == ([], [[], []])
    assert judged(nothing, one) == ([NONE], [[BACKGROUND], [NONE]])
    assert profile(nothing, np.zeros(0, np.uint8), [1]).sum() == 0


def test_ranks_within_groups():
    assert rank_in_group(np.array([5, 2, 5, 5, 2])).tolist() == [0, 0, 1, 2, 1]


def test_a_profile_counts_each_class_by_its_own_instances():
    found = table(*[(0, 0, 0, 1, 0.9 - 0.01 * index) for index in range(25)] + [(0, 1, 0, 1, 0.1)])
    kind = np.full(26, BACKGROUND, np.uint8)
    kind[[0, 25]] = TRUE_POSITIVE, UNCOUNTED
    bars = profile(found, kind, [2, 1])
    assert bars.sum(axis=1).tolist() == [2] * 10
    assert bars[0].tolist() == [1, 0, 0, 0, 0, 1]
