"""Derives the settings that were left open (``None``) from the training data."""

import math

import numpy as np

from tad.errors import UserError
from tad.settings import replace

RESCALED_LENGTH = 100  # ActivityNet's usual number of snippets (BSN, section 4.1)
WINDOW_ACTIONS = 2.5  # longest actions in a window
SHORTEST_WINDOW = 64
LONGEST_WINDOW = 2048


def fit_settings(settings, sources):
    """Settings with ``dataset.length`` and ``deeplab.max_duration`` filled in.

    A window holds the longest training action twice, so that with the default overlap every action lies whole in the
    part of some window that the window answers for; proposals may be a quarter longer than that action.

    :param sources: list of :class:`tad.data.sources.Source` of the training subset.
    :raises UserError: a proposal could be longer than the clip it lies in.
    """
    length = settings.dataset.length or FITTING[settings.dataset.mode](sources, settings)
    settings = replace(settings, dataset__length=length)
    shrink = output_stride(settings)
    if length < 2 * shrink:
        raise UserError("deeplab.strides shrink a clip %d times, so dataset.length must be at least %d, not %d"
                        % (shrink, 2 * shrink, length))
    longest = longest_action(sources, settings)
    duration = settings.deeplab.max_duration or max(1, min(length - 1, int(math.ceil(1.25 * longest)) + 1))
    if duration >= length:
        raise UserError("deeplab.max_duration (%d) must be below dataset.length (%d): a proposal lies inside its clip"
                        % (duration, length))
    return replace(settings, deeplab__max_duration=duration)


def output_stride(settings):
    """Snippets to one step of the encoder."""
    return int(np.prod(settings.deeplab.strides))


def longest_action(sources, settings):
    """Duration of the longest training action, in snippets of a clip; at least 1."""
    return float(np.max(np.append(action_durations(sources, settings), 1.0)))


def action_durations(sources, settings):
    """Durations of all training actions, float64 ``(N,)``, in snippets of a clip; none exceeds its recording.

    :param settings: with ``dataset.length`` set if ``dataset.mode`` is ``rescale``.
    """
    durations = [np.zeros(0)]
    for source in sources:
        scale = 1.0
        if settings.dataset.mode == "rescale":
            scale = settings.dataset.length / float(source.snippets)
        seen = np.minimum(source.segments[:, 1] - source.segments[:, 0], source.snippets)
        durations.append(scale * seen)
    return np.concatenate(durations)


def fitting_window(sources, settings):
    """Snippets of a window."""
    wanted = WINDOW_ACTIONS * longest_action(sources, settings)
    available = max(source.snippets for source in sources)
    bounded = min(max(wanted, SHORTEST_WINDOW), LONGEST_WINDOW, max(available, 16))
    return int(math.ceil(bounded / 8.0) * 8)


def fitting_rescale(sources, settings):
    """Snippets that every recording is rescaled to."""
    return RESCALED_LENGTH


FITTING = {"windows": fitting_window, "rescale": fitting_rescale}
