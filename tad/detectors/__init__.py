"""Detectors by name; each joins a network, its targets and losses, and its decoding."""

from tad.detectors.atss import ATSSDetector
from tad.detectors.bmn import BMNDetector
from tad.detectors.bsn import BSNDetector
from tad.detectors.deeplab import DeepLabDetector
from tad.detectors.ssn import SSNDetector

DETECTORS = {"deeplab": DeepLabDetector, "bmn": BMNDetector, "atss": ATSSDetector, "ssn": SSNDetector,
             "bsn": BSNDetector}


def build_detector(settings, channels, classes):
    """A detector with fresh weights.

    :param settings: resolved :class:`tad.config.Settings`
    :param channels: width of the features.
    :param classes: number of classes.
    """
    return DETECTORS[settings.detector](channels, classes, settings)
