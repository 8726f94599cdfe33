"""Lengths of actions and of windows, in snippets."""

import math

import numpy as np

RESCALED_LENGTH = 100  # ActivityNet's usual number of snippets (BSN, section 4.1)
WINDOW_ACTIONS = 2.5  # longest actions in a window
SHORTEST_WINDOW = 64
LONGEST_WINDOW = 2048


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
    return rounded_up(bounded)


def fitting_rescale(sources, settings):
    """Snippets that every recording is rescaled to."""
    return RESCALED_LENGTH


FITTING = {"windows": fitting_window, "rescale": fitting_rescale}


def rounded_up(snippets):
    """The next multiple of 8."""
    return int(math.ceil(snippets / 8.0)) * 8
