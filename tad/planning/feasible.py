"""Refuses, before a training, settings that cannot work on the data, with the number to change."""

import warnings

import numpy as np

from tad.config import DeepLabSettings, TrainSettings
from tad.data.fitting import action_durations, output_stride
from tad.errors import DataWarning, UserError

MOST = 0.5  # part of the actions that must be out of reach before a training is refused instead of warned of


def check_feasible(settings, sources):
    """Find out whether a training could learn anything.

    A few actions out of reach are a warning with their number; most of them are an error.

    :param settings: resolved :class:`tad.config.Settings` (``tad.data.fitting.fit_settings``)
    :param sources: list of :class:`tad.data.sources.Source` of the training subset, one action or more among them.
    :raises UserError: one sentence that names the setting and a value that works.
    """
    check_snippets(sources)
    durations = action_durations(sources, settings)
    check_window(settings, durations, sources)
    check_batch(settings, sources)
    DETECTOR_CHECKS[settings.detector](settings, durations)


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
    needed = _rounded_up(durations.max())
    step = np.median([source.grid.step_s for source in sources])
    _out_of_reach(longer, "are longer than a window (dataset.length: %d, %.4g s)"
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


def check_deeplab(settings, durations):
    """What only the detector ``deeplab`` can get wrong."""
    deeplab, length = settings.deeplab, settings.dataset.length
    # A boundary moves by up to its radius when offsets are added
    reach = deeplab.max_duration + 2 * deeplab.boundary_radius
    limit = min(length - 1, _rounded_up(durations.max()))
    out_of_reach = (durations > reach) & (durations <= length)
    _out_of_reach(out_of_reach, "last longer than any proposal (deeplab.max_duration: %d snippets)"
                  % deeplab.max_duration, durations, "set deeplab.max_duration to %d or more" % limit)
    steps = length // output_stride(settings)
    useless = [rate for rate in deeplab.atrous_rates if rate >= steps]
    chosen = deeplab.atrous_rates != DeepLabSettings().atrous_rates
    if len(useless) == len(deeplab.atrous_rates) or (useless and chosen):
        raise UserError("deeplab.atrous_rates (%s) reach past the window, which is %d steps of the encoder "
                        "(dataset.length %d / strides %d); keep every rate below %d, or set dataset.length to %d or "
                        "more" % (", ".join(map(str, useless)), steps, length, output_stride(settings), steps,
                           (max(useless) + 1) * output_stride(settings)))
    if 2 * deeplab.boundary_radius >= length:
        raise UserError("deeplab.boundary_radius (%g snippets) makes every snippet of a window (dataset.length: %d) a "
                        "boundary; set it below %g" % (deeplab.boundary_radius, length, length / 8.0))


DETECTOR_CHECKS = {"deeplab": check_deeplab}


def _out_of_reach(mask, what, durations, fix):
    """Warn of some actions, refuse most."""
    count = int(mask.sum())
    if not count:
        return
    message = "%d of the %d training actions %s; the longest lasts %.4g snippets; %s" % (
        count, len(durations), what, durations.max(), fix)
    if count > MOST * len(durations):
        raise UserError(message)
    warnings.warn(message, DataWarning, stacklevel=4)


def _rounded_up(snippets):
    return int(np.ceil(snippets / 8.0)) * 8
