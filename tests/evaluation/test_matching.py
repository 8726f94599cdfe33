"""The matching in rounds gives what one turn after the other gives."""

import numpy as np
import pytest

from tad.evaluation import matching
from tad.evaluation.instances import Instances, best_first, no_instances
from tad.evaluation.matching import match, overlapping_pairs
from tests.evaluation import slow


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("instances, count", [(1, 1), (1, 40), (30, 1), (40, 60), (6, 200)])
def test_equals_one_turn_after_the_other(rng, instances, count, ties):
    for _ in range(4):
        truth = slow.random_instances(rng, instances, ties=ties)
        found = best_first(slow.random_instances(rng, count, recordings=4, labels=3, ties=ties))
        pairs = overlapping_pairs(truth, found, 0.1)
        for threshold in (0.1, 0.3, 0.5, 0.9):
            by_label = {}
            for label in range(3):
                mine, theirs = np.flatnonzero(truth.labels == label), np.flatnonzero(found.labels == label)
                for place, taken in slow.greedy(truth.take(mine), found.take(theirs), threshold).items():
                    if taken is not None:
                        by_label[theirs[place]] = mine[taken]
            result = match(pairs, threshold, instances)
            assert dict(zip(result.detection.tolist(), result.instance.tolist())) == by_label
            assert (np.diff(result.detection) > 0).all()


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_pieces_change_nothing(rng, monkeypatch, at_once):
    truth, found = slow.random_instances(rng, 30, ties=True), best_first(slow.random_instances(rng, 80, ties=True))
    whole = overlapping_pairs(truth, found, 0.2)
    monkeypatch.setattr(matching, "PAIRS_AT_ONCE", at_once)
    for before, after in zip(whole, overlapping_pairs(truth, found, 0.2)):
        np.testing.assert_array_equal(before, after)
    assert len(whole.tiou) > 20


def test_other_labels_pair_only_when_asked(rng):
    truth, found = slow.random_instances(rng, 30), slow.random_instances(rng, 80, recordings=4)
    wanted = {(d, i) for d in range(80) for i in range(30) if truth.recordings[i] == found.recordings[d]
              and slow.tiou(truth.segments[i], found.segments[d]) >= 0.3}
    pairs = overlapping_pairs(truth, found, 0.3, same_label=False)
    assert set(zip(pairs.detection.tolist(), pairs.instance.tolist())) == wanted
    own = overlapping_pairs(truth, found, 0.3)
    assert set(zip(own.detection.tolist(), own.instance.tolist())) == \
        {(d, i) for d, i in wanted if truth.labels[i] == found.labels[d]}


def test_a_chain_of_displaced_detections():
    """Each detection is pushed on to the next instance by the one before it."""
    count = 50
    truth = Instances(np.zeros(count, int), np.zeros(count, int), np.arange(count)[:, None] + np.array([0.0, 100.0]),
                      np.zeros(count))
    found = truth._replace(segments=np.repeat([[-1.0, 99.0]], count, axis=0), scores=-np.arange(float(count)))
    result = match(overlapping_pairs(truth, found, 0.3), 0.3, count)
    assert result.instance.tolist() == result.detection.tolist() == list(range(count))


def test_nothing_matches_nothing(rng):
    truth, nothing = slow.random_instances(rng, 5), no_instances()
    elsewhere = truth._replace(recordings=np.full(5, -1))
    for some, other in ((truth, nothing), (nothing, truth), (truth, elsewhere)):
        assert len(match(overlapping_pairs(some, other, 0.5), 0.5, len(some.labels)).detection) == 0
