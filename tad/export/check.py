"""Compares an exported model with the detector that it was made from, number by number, on random clips."""

from typing import NamedTuple

import numpy as np
import torch

from tad.data.clips import Clip
from tad.data.timegrid import TimeGrid
from tad.errors import UserError, reason
from tad.export.convert import INPUTS, OUTPUTS
from tad.postprocess.fusion import ScoredProposals

CUT_TOLERANCE = 1e-3  # part by which a proposal that only one side has may beat the worst that was taken
MOST_LOST = 0.02      # part of the proposals that only one side may have: near-ties at the cut


class Difference(NamedTuple):
    """Largest differences: of segments in snippets, and of probabilities."""

    segments: float
    scores: float

    def within(self, other):
        """Whether neither is more than the other's, or NaN."""
        return self.segments <= other.segments and self.scores <= other.scores


# Of every clip. The network divides by deviations: in one that hardly changes, float32's rounding grows on both sides
TOLERANCE = Difference(1e-2, 1e-3)
# Of the better half of the clips of each length
TYPICAL_TOLERANCE = Difference(1e-3, 1e-4)
BATCHES = (1, 3, 3)


def session(model):
    """An ONNX Runtime session on the CPU.

    :param model: serialized model.
    """
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def check_lengths(length, shortest):
    """Lengths to try: the clip's own, and where others are allowed the shortest, and odd ones around."""
    others = {shortest, shortest + 1, length // 2 + 1, length + 7} if length >= shortest else set()
    return [length] + sorted(other for other in others if other >= shortest and other != length)


def compare(runner, detector, rank, channels, lengths, rng):
    """The largest :class:`Difference` of exported model and detector on random clips.

    :param runner: :func:`session`; ``detector`` in evaluation mode on the CPU.
    :param rank: what candidates are chosen by, :meth:`tad.export.base.Graph.rank`.
    :param rng: :class:`numpy.random.RandomState`
    :raises UserError: they differ by more than the tolerances.
    """
    largest = []
    for length in lengths:
        found = [each for batch in BATCHES
                 for each in _compare_batch(runner, detector, rank, _random_clips(batch, channels, length, rng))]
        typical = Difference(*(float(value) for value in np.median(found, axis=0)))
        if not typical.within(TYPICAL_TOLERANCE):
            raise UserError("the exported model differs from PyTorch by %.2g snippets and %.2g in scores in half of "
                            "the clips of %d snippets, more than %g and %g; nothing was written"
                            % (typical + (length,) + TYPICAL_TOLERANCE))
        largest += found
    return Difference(*(float(value) for value in np.max(largest, axis=0)))


def _compare_batch(runner, detector, rank, clips):
    features = np.stack([clip.features for clip in clips])
    found = split(_run(runner, features, np.array([clip.valid for clip in clips], np.int64)))
    with torch.no_grad():
        expected = detector.propose(torch.from_numpy(features), clips)
    return [difference(one, other, rank, "a clip of %d snippets (%d valid, batch of %d)"
                       % (features.shape[2], clip.valid, len(clips)))
            for clip, one, other in zip(clips, found, expected)]


def _run(runner, features, valid):
    try:
        return runner.run(OUTPUTS, dict(zip(INPUTS, (features, valid))))
    except Exception as error:  # ONNX Runtime's own errors have no class in common
        raise UserError("ONNX Runtime cannot run the exported model on %d clips of %d snippets (%s); nothing was "
                        "written" % (len(valid), features.shape[2], reason(error)))


def split(outputs):
    """The outputs of a graph as one :class:`tad.postprocess.fusion.ScoredProposals` a clip."""
    return [ScoredProposals(*(values[index, :count] for values in outputs[:-1]))
            for index, count in enumerate(outputs[-1])]


def difference(found, expected, rank, place):
    """The largest :class:`Difference` between the proposals of one clip, whose order may differ.

    Proposals are the best candidates. Where one side takes the one of two near-ties and the other the other, rounding
    decides; those are left out, if they are few.

    :raises UserError: more than the tolerances, or one side has a proposal that the other should have.
    """
    if len(found.segments) != len(expected.segments):
        raise UserError("the exported model gives %d proposals instead of %d in %s; nothing was written"
                        % (len(found.segments), len(expected.segments), place))
    largest = [Difference(0.0, 0.0)]
    for one, other in ((found, expected), (expected, found)):
        lost, ranks = 0, rank(one)
        for row, nearest in enumerate(_nearest(one, other)):
            if nearest.within(TOLERANCE):
                largest.append(nearest)
                continue
            lost += 1
            at_cut = ranks[row] <= ranks.min() * (1 + CUT_TOLERANCE)
            if not at_cut or lost > max(2, MOST_LOST * len(one.segments)):
                raise UserError("the exported model differs from PyTorch by %.2g snippets and %.2g in scores in %s, "
                                "more than %g and %g; nothing was written" % (nearest + (place,) + TOLERANCE))
    return Difference(*(float(value) for value in np.max(largest, axis=0)))


def _nearest(proposals, others):
    """How far each proposal is from the one of the others that is most like it."""
    # The last field, the snippets' curves, is of no proposal
    rows, columns = (np.column_stack(each[:-1]) for each in (proposals, others))
    scale = np.array([TOLERANCE.segments] * 2 + [TOLERANCE.scores] * (rows.shape[1] - 2))
    for row in rows:
        distance = np.abs(columns - row)
        best = distance[np.argmin((distance / scale).max(axis=1))]
        yield Difference(float(best[:2].max()), float(best[2:].max()))


def _random_clips(count, channels, length, rng):
    return [_random_clip(channels, length, rng) for _ in range(count)]


def _random_clip(channels, length, rng):
    valid = int(rng.choice([length, rng.randint(max(2, length // 4), length + 1)]))
    features = np.zeros((channels, length), np.float32)
    features[:, :valid] = rng.standard_normal((channels, valid))
    return Clip("random", features, valid, TimeGrid(0.0, 1.0), np.zeros((0, 2)), np.zeros(0, np.int64), -np.inf, np.inf)
