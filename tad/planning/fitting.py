"""Derives the settings that were left open (``None``) from the training data."""

from tad.data.fitting import FITTING, longest_action
from tad.detectors import DETECTORS
from tad.settings import replace


def fit_settings(settings, sources):
    """Settings with ``dataset.length`` and the open ones of the detector filled in.

    A window holds the longest training action twice, so that with the default overlap every action lies whole in the
    part of some window that the window answers for.

    :param sources: list of :class:`tad.data.sources.Source` of the training subset.
    :raises UserError: the detector cannot work with clips of that length.
    """
    length = settings.dataset.length or FITTING[settings.dataset.mode](sources, settings)
    settings = replace(settings, dataset__length=length)
    return DETECTORS[settings.detector].fit(settings, longest_action(sources, settings))
