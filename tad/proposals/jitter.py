"""Random segments around actions and between them, for training: numpy only, all from a given generator.

Segments are float64 ``(N, 2)`` in snippet units of a clip whose real part is ``[-0.5, valid - 0.5]``.
"""

import numpy as np

from tad.segments import clip, lengths

LARGEST_MOVE = 0.15     # of a border, as part of the duration: the tIoU stays above 0.7
PIECE = (0.05, 0.3)     # durations of pieces, as part of the action's
HANGING_OUT = 0.2       # part of a piece that may lie outside of its action
SHORTEST = 1.0          # snippets; shorter ones, which TAG cannot give, are left out


def near(segments, count, rng):
    """``count`` copies of actions, drawn with repetition, with both borders moved at random."""
    chosen = _drawn(segments, count, rng)
    moves = rng.uniform(-LARGEST_MOVE, LARGEST_MOVE, chosen.shape)
    return chosen + moves * lengths(chosen)[:, None]


def pieces(segments, count, rng):
    """``count`` short pieces of actions, or as many as last a snippet."""
    chosen = _drawn(segments, count, rng)
    long = lengths(chosen)
    short = long * rng.uniform(PIECE[0], PIECE[1], len(chosen))
    first = -HANGING_OUT * short
    start = chosen[:, 0] + first + (long - short - 2 * first) * rng.random_sample(len(chosen))
    return np.stack([start, start + short], axis=1)[short >= SHORTEST]


def between(segments, valid, count, rng):
    """``count`` segments anywhere between actions, or none where no gap lasts a snippet."""
    gaps = _gaps(segments, valid)
    gaps = gaps[lengths(gaps) >= SHORTEST]
    if len(gaps):
        gaps = gaps[rng.choice(len(gaps), count, p=lengths(gaps) / lengths(gaps).sum())]
    return _inside(gaps, rng)


def anywhere(valid, count, rng):
    """``count`` segments of the real part, at random."""
    return _inside(np.tile([[-0.5, valid - 0.5]], (count, 1)), rng)


def _drawn(segments, count, rng):
    return segments[rng.randint(len(segments), size=count)] if len(segments) else np.zeros((0, 2))


def _gaps(segments, valid):
    """What no action covers of the real part, ``(N, 2)`` in order; some may be empty."""
    covered = clip(segments, -0.5, valid - 0.5)
    covered = covered[np.argsort(covered[:, 0], kind="mergesort")]
    starts = np.maximum.accumulate(np.append(-0.5, covered[:, 1]))
    return np.stack([starts, np.append(covered[:, 0], valid - 0.5)], axis=1)


def _inside(spaces, rng):
    """A segment within each space, no shorter than a snippet: its duration at random, then its place."""
    room = lengths(spaces)
    long = SHORTEST + (room - SHORTEST) * rng.random_sample(len(spaces))
    start = spaces[:, 0] + (room - long) * rng.random_sample(len(spaces))
    return np.stack([start, start + long], axis=1)
