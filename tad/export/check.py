"""Compares an exported model with the detector that it was made from, number by number, on random clips."""

import numpy as np
import torch

from tad.data.clips import Clip
from tad.data.timegrid import TimeGrid
from tad.errors import UserError
from tad.export.convert import INPUTS, OUTPUTS
from tad.postprocess.fusion import ScoredProposals

TOLERANCE = 1e-4     # largest difference, of segments in snippets and of probabilities
CUT_TOLERANCE = 1e-3  # part by which a proposal that only one side has may beat the worst that was taken
MOST_LOST = 0.02     # part of the proposals that only one side may have: near-ties at the cut


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


def compare(runner, detector, channels, lengths, rng):
    """The largest difference between exported model and detector on random clips, batches of one and of three.

    :param runner: :func:`session`; ``detector`` in evaluation mode on the CPU.
    :param rng: :class:`numpy.random.RandomState`
    :raises UserError: they differ by more than :data:`TOLERANCE`.
    """
    largest = 0.0
    for length in lengths:
        for batch in (1, 3):
            clips = [_random_clip(channels, length, rng) for _ in range(batch)]
            features = np.stack([clip.features for clip in clips])
            found = split(runner.run(OUTPUTS, dict(zip(INPUTS, (features, np.array([clip.valid for clip in clips]))))))
            with torch.no_grad():
                expected = detector.propose(torch.from_numpy(features), clips)
            for number, pair in enumerate(zip(found, expected)):
                place = "clip %d of %d with %d of %d snippets valid" % (
                    number + 1, batch, clips[number].valid, length)
                largest = max(largest, difference(pair[0], pair[1], place))
    return largest


def split(outputs):
    """The outputs of a graph as one :class:`tad.postprocess.fusion.ScoredProposals` a clip."""
    counts = outputs[-1]
    return [ScoredProposals(*(values[index, :counts[index]] for values in outputs[:-1])) for index in range(len(counts))]


def difference(found, expected, place):
    """The largest difference between the proposals of one clip, whose order may differ.

    Proposals are chosen by startness x endness. Where the last of two near-ties is chosen by one side and the other by
    the other, rounding decides; those are left out, if they are few.

    :raises UserError: more than :data:`TOLERANCE`, or one side has a proposal that the other should have.
    """
    rows, others = (np.column_stack(values) for values in (found, expected))
    if len(rows) != len(others):
        raise UserError("the exported model gives %d proposals instead of %d in %s; nothing was written"
                        % (len(rows), len(others), place))
    if not len(rows):
        return 0.0
    largest = 0.0
    for one, two, scores in ((rows, others, found.boundaries), (others, rows, expected.boundaries)):
        nearest = np.array([np.abs(two - row).max(axis=1).min() for row in one])
        lost = ~(nearest <= TOLERANCE)
        allowed = lost & (scores <= scores.min() * (1 + CUT_TOLERANCE))
        if (lost & ~allowed).any() or allowed.sum() > max(2, MOST_LOST * len(one)):
            raise UserError("the exported model differs from PyTorch by %.2g in %s, more than %g; nothing was written"
                            % (nearest.max(), place, TOLERANCE))
        largest = max([largest] + nearest[~lost].tolist())
    return largest


def _random_clip(channels, length, rng):
    valid = int(rng.choice([length, rng.randint(1, length + 1)]))
    features = np.zeros((channels, length), np.float32)
    features[:, :valid] = rng.standard_normal((channels, valid))
    return Clip("random", features, valid, TimeGrid(0.0, 1.0), np.zeros((0, 2)), np.zeros(0, np.int64), -np.inf, np.inf)
