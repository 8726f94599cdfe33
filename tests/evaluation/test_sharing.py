"""Matching in parts, by recordings, gives the ranking of the whole; no process is needed for that."""

import numpy as np
import pytest

from tad.engine.ranks import Ranks
from tad.evaluation.average_precision import average_precisions, rank
from tad.evaluation.instances import Instances, no_instances


class Collecting(Ranks):
    """A rank that keeps what it gives, or gets what others have given."""

    def __init__(self, rank, count, given):
        super(Collecting, self).__init__(rank, count)
        self.given = given

    def collect(self, arrays):
        if not self.leads:
            self.given.append(arrays)
            return [arrays]
        return [arrays] + self.given


def draw(rng, count, recordings, labels):
    starts = rng.randint(0, 20, count)
    segments = np.stack([starts, starts + rng.randint(0, 8, count)], axis=1).astype(np.float64)
    return Instances(rng.randint(-1, recordings, count), rng.randint(0, labels, count), segments,
                     rng.randint(0, 5, count) / 4.0)


def inside(instances):
    return instances.take(instances.recordings >= 0)


@pytest.mark.parametrize("count", [2, 3, 20])
@pytest.mark.parametrize("ambiguous", [0, 30])
def test_parts_make_the_whole(rng, count, ambiguous):
    truth, found = inside(draw(rng, 60, 12, 4)), draw(rng, 400, 12, 4)
    ignored, thresholds, given = inside(draw(rng, ambiguous, 12, 1)), (0.3, 0.5, 0.9), []
    alone = rank(truth, found, 4, thresholds, ignored)
    shared = [rank(truth, found, 4, thresholds, ignored, Collecting(number, count, given))
              for number in reversed(range(count))][-1]
    assert len(alone.matchings[0].detection) > 0
    for one, other in zip(alone.matchings, shared.matchings):
        np.testing.assert_array_equal(one.detection, other.detection)
        np.testing.assert_array_equal(one.instance, other.instance)
    np.testing.assert_array_equal(alone.droppable, shared.droppable)
    np.testing.assert_array_equal(average_precisions(alone), average_precisions(shared))


def test_nothing_to_match(rng):
    truth, given = inside(draw(rng, 6, 3, 2)), []
    for found in (no_instances(), draw(rng, 5, 3, 2)._replace(recordings=np.full(5, -1))):
        shared = [rank(truth, found, 2, (0.5,), None, Collecting(number, 2, given)) for number in (1, 0)][-1]
        assert len(shared.matchings[0].detection) == 0
        given.clear()
