"""What stands between a wrong model and its users: the comparison must pass what is equal and stop what is not."""

import numpy as np
import pytest

from tad.errors import UserError
from tad.export.base import Graph
from tad.export.check import check_lengths, compare, difference, split
from tad.postprocess.fusion import ScoredProposals

RANK = Graph().rank


def proposals(rng, count=50):
    return ScoredProposals(rng.uniform(0, 30, (count, 2)), rng.uniform(size=(count, 3)),
                           np.sort(rng.uniform(0.1, 1, count))[::-1].copy(), rng.uniform(size=count),
                           rng.uniform(size=count))


def test_equal_proposals_in_another_order(rng):
    one = proposals(rng)
    order = rng.permutation(50)
    other = ScoredProposals(*(values[order] for values in one[:-1]))
    assert difference(one, other, RANK, "here") == (0, 0)
    moved = other._replace(segments=other.segments + 5e-3, tiou=other.tiou - 5e-4)
    assert difference(one, moved, RANK, "here") == pytest.approx((5e-3, 5e-4))


@pytest.mark.parametrize("field, by", [("segments", 2e-2), ("classes", 2e-3), ("boundaries", 2e-3), ("tiou", -2e-3),
                                       ("completeness", 2e-3), ("tiou", np.nan)])
def test_one_wrong_number_is_found_on_either_side(rng, field, by):
    one = proposals(rng)
    values = getattr(one, field).copy()
    values[rng.randint(40)] += by
    other = one._replace(**{field: values})
    for pair in ((one, other), (other, one)):
        with pytest.raises(UserError, match="differs from PyTorch by .* in here.*nothing was written"):
            difference(*pair, rank=RANK, place="here")


def test_only_a_few_near_ties_at_the_cut_may_be_exchanged(rng):
    one = proposals(rng)
    other = ScoredProposals(*(values.copy() for values in one[:-1]))
    other.segments[-1] += 7
    other.boundaries[-1] *= 1 + 1e-5
    assert difference(one, other, RANK, "here") == (0, 0)
    other.segments[:] += 7
    other.boundaries[:] = one.boundaries[:] = 0.5
    with pytest.raises(UserError, match="differs"):
        difference(one, other, RANK, "here")


def test_a_missing_proposal_is_found(rng):
    one = proposals(rng)
    with pytest.raises(UserError, match="49 proposals instead of 50"):
        difference(ScoredProposals(*(values[:-1] for values in one[:-1])), one, RANK, "here")
    nothing = ScoredProposals(*(values[:0] for values in one[:-1]))
    assert difference(nothing, nothing, RANK, "here") == (0, 0)


def test_split_takes_away_the_rows_that_are_no_proposals(rng):
    rows = [rng.uniform(size=(2, 7) + more) for more in ((2,), (3,), (), (), ())]
    first, second = split(rows + [np.array([7, 0])])
    assert first.segments.shape == (7, 2) and second.classes.shape == (0, 3) and second.tiou.shape == (0,)


def test_lengths_to_try():
    assert check_lengths(32, 16) == [32, 16, 17, 39]
    assert check_lengths(16, 16) == [16, 17, 23]
    assert check_lengths(12, 16) == [12]


class Detector(object):
    """Gives the same proposals for every clip."""

    def __init__(self, one):
        self.one = one

    def propose(self, features, clips):
        return [self.one for _ in clips]


class Runner(object):
    """An exported model that moves the segments of each clip by the next of some numbers."""

    def __init__(self, one, moves):
        self.one, self.moves = one, list(moves)

    def run(self, names, inputs):
        count = len(inputs["valid"])
        moved = [self.one._replace(segments=self.one.segments + self.moves.pop()) for _ in range(count)]
        columns = zip(*(each[:-1] for each in moved))
        return [np.stack(values) for values in columns] + [np.full(count, len(self.one.segments))]


def test_half_of_the_clips_must_agree_far_better_than_the_worst(rng):
    one = proposals(rng)
    found = compare(Runner(one, [5e-3] * 3 + [1e-5] * 4), Detector(one), RANK, 2, [20], rng)
    assert found == pytest.approx((5e-3, 0))
    with pytest.raises(UserError, match="0.005 snippets .* in half of the clips of 20"):
        compare(Runner(one, [5e-3] * 4 + [1e-5] * 3), Detector(one), RANK, 2, [20], rng)


def test_what_onnx_runtime_cannot_run_is_told_in_one_sentence(rng):
    class Broken(object):
        def run(self, names, inputs):
            raise IndexError("not enough memory\nand more")
    with pytest.raises(UserError, match=r"on 1 clips of 20 snippets \(not enough memory\); nothing was written"):
        compare(Broken(), Detector(proposals(rng)), RANK, 2, [20], rng)
