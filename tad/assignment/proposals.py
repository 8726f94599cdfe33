"""Training targets of proposals, and which proposals a step learns from."""

import numpy as np

from tad.segments import tiou

POSITIVE = 0.7  # BMN, section 3.4: positive above, negative below 0.3, the rest in between
NEGATIVE = 0.3


def best_tiou(proposals, segments):
    """Highest tIoU of each proposal with any action: ``(N, 2), (M, 2) -> (N,)``; 0 without actions."""
    if len(segments) == 0:
        return np.zeros(len(proposals))
    best = np.zeros(len(proposals))
    for segment in segments:
        np.maximum(best, tiou(proposals, segment[None])[:, 0], out=best)
    return best


def generators(rng, count):
    """A :class:`numpy.random.RandomState` for each of ``count`` clips: what one draws does not depend on the others.

    They are all that a detector takes from the ``rng`` of a step: a rank of a distributed training leaves out those of
    the ranks before it, and so draws for its clips what one process would.
    """
    return [np.random.RandomState(seed) for seed in rng.randint(2 ** 31 - 1, size=count)]


def balanced_sample(overlaps, count, rng, parts=(1, 1, 1)):
    """Indices of about ``count`` proposals with high, middle and low tIoU, a third each (BMN, section 3.4) or in other
    ``parts``.

    Where a range has too few, all of it is taken and the low range fills the rest.

    :param overlaps: tIoU ``(N,)``.
    :param parts: whole numbers, how many of each range come on one another.
    :param rng: :class:`numpy.random.RandomState`
    :returns: int64 ``(min(count, N),)`` without repetition.
    """
    positive = np.flatnonzero(overlaps >= POSITIVE)
    middle = np.flatnonzero((overlaps >= NEGATIVE) & (overlaps < POSITIVE))
    negative = np.flatnonzero(overlaps < NEGATIVE)
    chosen = [_draw(positive, count * parts[0] // sum(parts), rng), _draw(middle, count * parts[1] // sum(parts), rng)]
    rest = count - sum(len(part) for part in chosen)
    return np.concatenate(chosen + [_draw(negative, rest, rng)])


def two_way_sample(complete, count, rng):
    """Indices of up to ``count`` proposals, half of them complete; where those are fewer, the others fill the rest.

    :param complete: bool ``(N,)``. :param rng: :class:`numpy.random.RandomState`
    :returns: int64 ``(S,)`` without repetition; fewer than ``count`` where the others are fewer than a half.
    """
    foreground = _draw(np.flatnonzero(complete), count // 2, rng)
    return np.concatenate([foreground, _draw(np.flatnonzero(~complete), count - len(foreground), rng)])


# By the names of ``deeplab.sampling``: (tIoU, whether complete, count, rng) -> indices
SAMPLINGS = {
    "none": lambda overlaps, complete, count, rng: _draw(np.arange(len(overlaps)), count, rng),
    "two_way": lambda overlaps, complete, count, rng: two_way_sample(complete, count, rng),
    "three_way": lambda overlaps, complete, count, rng: balanced_sample(overlaps, count, rng),
}


def _draw(indices, count, rng):
    if len(indices) <= count:
        return indices
    return indices[rng.choice(len(indices), count, replace=False)]
