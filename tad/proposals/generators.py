"""Where the candidates of ``deeplab`` come from: one function for each name of ``deeplab.generator``.

All take ``(valid, curves, settings, rng)``: snippets of the clip that are no padding, its :class:`Curves`, the settings
:class:`tad.config.DeepLabSettings`, and a :class:`numpy.random.RandomState`. They give segments ``(N, 2)`` in snippet
units inside ``[-0.5, valid - 0.5]``, at most ``max_duration`` long; N may be 0.
"""

from typing import NamedTuple

import numpy as np

from tad.proposals.boundaries import boundary_snippets, pairs
from tad.proposals.grid import all_proposals
from tad.proposals.tag import fractions, tag_proposals
from tad.proposals.windows import alternate_steps, random_segments, sliding_steps, stepped_cells
from tad.segments import lengths


class Curves(NamedTuple):
    """Probabilities of one clip's snippets, float64.

    ``classes (K, valid)`` of each class; ``actionness``, ``starts``, ``ends (valid,)`` of any action; ``grouped
    (R, valid)`` what ``thr_action`` groups.
    """

    classes: np.ndarray
    grouped: np.ndarray
    actionness: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def every_cell(valid, curves, settings, rng):
    """All durations at all starts (BMN, section 3.1)."""
    return all_proposals(valid, settings.max_duration)


def some_cells(valid, curves, settings, rng):
    """See :func:`tad.proposals.windows.stepped_cells`."""
    return stepped_cells(valid, STEPS[settings.generator](settings))


def start_end(valid, curves, settings, rng):
    """Pairs of probable starts and ends (BSN, section 3.3)."""
    starts, ends = (boundary_snippets(scores, settings.peak_fraction) for scores in (curves.starts, curves.ends))
    return pairs(starts, ends, settings.max_duration)


def thr_action(valid, curves, settings, rng):
    """Groups of high actionness at many thresholds (TAG; SSN, section 5).

    Thresholds are parts of the highest value of each curve, as BSN's of boundaries are: a rare class and the first
    steps of a training have proposals too.
    """
    highest = curves.grouped.max(axis=1, keepdims=True)
    steps = fractions(settings.threshold_step)
    found = tag_proposals(curves.grouped / np.maximum(highest, np.finfo(np.float64).tiny), steps, steps)
    return found[lengths(found) <= settings.max_duration]


def unif_rand(valid, curves, settings, rng):
    """See :func:`tad.proposals.windows.random_segments`."""
    return random_segments(valid, settings.max_duration, settings.random_candidates, rng)


# Starts of each duration, where candidates are a part of the grid
STEPS = {
    "alter_window": lambda settings: alternate_steps(settings.max_duration, settings.window_step),
    "sliding_window": lambda settings: sliding_steps(settings.max_duration, settings.window_ratio,
                                                     settings.window_overlap),
}
GENERATORS = {"all": every_cell, "alter_window": some_cells, "sliding_window": some_cells,
              "start_end": start_end, "thr_action": thr_action, "unif_rand": unif_rand}
FROM_CURVES = ("start_end", "thr_action")  # those that look at the curves; the others take None for them
