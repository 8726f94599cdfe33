"""Which proposals the detector ``ssn`` learns from, and what (Zhao et al., 2017, sections 3.3, 3.4 and 4.1)."""

from typing import NamedTuple

import numpy as np

from tad.proposals import jitter
from tad.segments import clip, intersection, lengths, tiou

NEITHER, POSITIVE, INCOMPLETE, BACKGROUND = -1, 0, 1, 2


class LabelledProposals(NamedTuple):
    """N proposals of one clip.

    ``segments`` float64 ``(N, 2)``; ``kinds`` int64 ``(N,)``; ``classes`` int64 ``(N,)`` of the action that a positive
    or incomplete one belongs to, -1 for background; ``moves`` float64 ``(N, 2)`` from a positive one to its action:
    of the centre in durations of the proposal, and the logarithm of the durations' ratio; 0 for others.
    """

    segments: np.ndarray
    kinds: np.ndarray
    classes: np.ndarray
    moves: np.ndarray

    def take(self, chosen):
        """The proposals at some indices."""
        return LabelledProposals(*(values[chosen] for values in self))


NOTHING_TO_LEARN = LabelledProposals(np.array([[-0.5, 0.5]]), np.array([NEITHER]), np.array([-1]), np.zeros((1, 2)))


def label(proposals, segments, classes, settings):
    """Kind and action of each proposal.

    Positive: the highest tIoU with an action is at least ``positive_tiou``. Incomplete: the highest tIoU is below
    ``incomplete_tiou``, and ``incomplete_share`` of the proposal lies in the action that it shares most with.
    Background: the highest tIoU is below ``background_tiou``, and it is not incomplete. All others, and those of an
    action of unknown class (below 0), are of neither kind. Of actions alike the first counts.

    :param proposals: float64 ``(N, 2)``; ``segments`` float64 ``(M, 2)``, ``classes`` int64 ``(M,)`` of the actions.
    :param settings: :class:`tad.config.SSNSettings`
    """
    count = len(proposals)
    kinds, found = np.full(count, BACKGROUND), np.full(count, -1)
    moves = np.zeros((count, 2))
    if not len(segments) or not count:
        return LabelledProposals(proposals, kinds, found, moves)
    overlap, shared = tiou(proposals, segments), intersection(proposals, segments)
    highest, closest, most = overlap.max(axis=1), overlap.argmax(axis=1), shared.argmax(axis=1)
    share = shared.max(axis=1) / np.maximum(lengths(proposals), 1e-9)
    kinds[highest >= settings.background_tiou] = NEITHER
    incomplete = (highest < settings.incomplete_tiou) & (share >= settings.incomplete_share) & (share > 0)
    kinds[incomplete] = INCOMPLETE
    positive = highest >= settings.positive_tiou
    kinds[positive] = POSITIVE
    action = np.where(positive, closest, most)
    labelled = positive | incomplete
    found[labelled] = classes[action[labelled]]
    kinds[labelled & (found < 0)] = NEITHER
    moves[positive] = moves_to(proposals[positive], segments[closest[positive]])
    return LabelledProposals(proposals, kinds, found, moves)


def moves_to(proposals, actions):
    """From proposals ``(N, 2)`` to actions ``(N, 2)``: centre and duration as of :class:`LabelledProposals`."""
    durations = np.maximum(lengths(proposals), 1e-9)
    centres = (actions.mean(axis=1) - proposals.mean(axis=1)) / durations
    return np.stack([centres, np.log(np.maximum(lengths(actions), 1e-9) / durations)], axis=1)


def sample(proposals, segments, classes, valid, settings, rng):
    """About ``settings.samples`` proposals of a clip: 1 positive to ``incomplete_ratio`` incomplete to 1 background.

    Of a kind that is rare here it is fewer.

    :param proposals: of TAG, float64 ``(N, 2)`` on the real part of the clip; the actions themselves join them.
    :param valid: number of real snippets.
    :param settings: :class:`tad.config.SSNSettings`
    :param rng: :class:`numpy.random.RandomState`
    :returns: :class:`LabelledProposals` without those of neither kind; where nothing else is left, one of those, since
        PyTorch 1.1 and 1.4 cannot learn from no rows.
    """
    some = settings.samples
    whole = clip(segments, -0.5, valid - 0.5)
    grouped = label(np.concatenate([whole, proposals]), segments, classes, settings)
    made = np.concatenate([
        jitter.near(segments, some, rng), jitter.pieces(segments, some, rng),
        jitter.between(segments, valid, some, rng), jitter.anywhere(valid, some, rng)])
    made = clip(made, -0.5, valid - 0.5)
    made = label(made[lengths(made) > 0], segments, classes, settings)
    parts = []
    for kind, weight in ((POSITIVE, 1.0), (INCOMPLETE, settings.incomplete_ratio), (BACKGROUND, 1.0)):
        count = max(1, int(round(some * weight / (2.0 + settings.incomplete_ratio))))
        own, other = (np.flatnonzero(pool.kinds == kind) for pool in (grouped, made))
        jittered = min(len(other), max(count - len(own), int(round(settings.jittered * count))))
        parts += [grouped.take(_drawn(own, count - jittered, rng)), made.take(_drawn(other, jittered, rng))]
    if not any(len(part.kinds) for part in parts):
        parts = [NOTHING_TO_LEARN]
    return LabelledProposals(*(np.concatenate(values) for values in zip(*parts)))


def _drawn(indices, count, rng):
    return rng.permutation(indices)[:count]
