"""Refuses, before a training, settings that cannot work on the data, with the number to change."""

import warnings

import numpy as np

from tad.config import TrainSettings
from tad.data.fitting import action_durations, rounded_up
from tad.detectors import DETECTORS
from tad.detectors.base import out_of_reach
from tad.errors import DataWarning, UserError


def check_feasible(settings, sources):
    """Find out whether a training could learn anything.

    A few actions out of reach are a warning with their number; most of them are an error.

    :param settings: resolved :class:`tad.config.Settings` (``tad.planning.fitting.fit_settings``)
    :param sources: list of :class:`tad.data.sources.Source` of the training subset, one action or more among them.
    :raises UserError: one sentence that names the setting and a value that works.
    """
    check_snippets(sources)
    durations = action_durations(sources, settings)
    check_window(settings, durations, sources)
    check_batch(settings, sources)
    DETECTORS[settings.detector].check(settings, durations)


def check_snippets(sources):
    """An action lies between two snippets."""
    longest = max(source.snippets for source in sources)
    if longest < 2:
        raise UserError("every training recording has a single snippet, and an action lies between two; make features "
                        "with a smaller stride, or are they one vector for a whole recording?")


def check_window(settings, durations, sources):
    """Actions that are longer than a window are never seen whole."""
    dataset = settings.dataset
    if dataset.mode != "windows":
        return
    longer = durations > dataset.length
    needed = rounded_up(durations.max())
    step = np.median([source.grid.step_s for source in sources])
    out_of_reach(longer, "are longer than a window (dataset.length: %d, %.4g s)"
                 % (dataset.length, dataset.length * step), durations,
                 "set dataset.length to %d or more, or make features with a larger stride" % needed)
    if np.median(durations) < 0.5:
        warnings.warn("half of the training actions last less than half a snippet (%.4g s); such actions are hard "
                      "to place, and a smaller stride of the features would help" % (0.5 * step), DataWarning,
                      stacklevel=3)


def check_batch(settings, sources):
    """A batch that is larger than the data shows it several times in one step.

    The default batch stays allowed: tiny data sets train with it, on windows that differ by their augmentation.
    """
    count = window_count(settings, sources)
    if settings.train.batch > max(count, TrainSettings().batch):
        raise UserError("train.batch (%d) is larger than the %d different %s of the training recordings; set it to %d "
                        "or less" % (settings.train.batch, count,
                                     "windows" if settings.dataset.mode == "windows" else "clips",
                                     max(count, TrainSettings().batch)))


def window_count(settings, sources):
    """Different places of a window in the training recordings; in mode ``rescale``, recordings."""
    if settings.dataset.mode != "windows":
        return len(sources)
    return sum(max(1, source.snippets - settings.dataset.length + 1) for source in sources)
