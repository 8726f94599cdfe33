"""What detectors share whose proposals are cells of a grid of durations and starts (``tad.proposals.grid``)."""

import math

from tad.data.fitting import rounded_up
from tad.detectors.base import Detector, out_of_reach
from tad.errors import UserError
from tad.settings import replace


class GridDetector(Detector):
    """A detector with the settings ``max_duration`` and ``boundary_radius`` in the section ``SECTION``."""

    SECTION = None
    OPEN = ("max_duration",)

    @classmethod
    def fit(cls, settings, longest):
        """Proposals may be a quarter longer than the longest training action."""
        length = settings.dataset.length
        duration = getattr(settings, cls.SECTION).max_duration or max(
            1, min(length - 1, int(math.ceil(1.25 * longest)) + 1))
        if duration >= length:
            raise UserError("%s.max_duration (%d) must be below dataset.length (%d): a proposal lies inside its clip"
                            % (cls.SECTION, duration, length))
        return replace(settings, **{cls.SECTION + "__max_duration": duration})

    @classmethod
    def check(cls, settings, durations):
        """Actions longer than any proposal, boundaries everywhere."""
        own, length = getattr(settings, cls.SECTION), settings.dataset.length
        # A boundary is learned, or moved by offsets, up to its radius away
        reach = own.max_duration + 2 * own.boundary_radius
        limit = min(length - 1, rounded_up(durations.max()))
        out_of_reach((durations > reach) & (durations <= length),
                     "last longer than any proposal (%s.max_duration: %d snippets)" % (cls.SECTION, own.max_duration),
                     durations, "set %s.max_duration to %d or more" % (cls.SECTION, limit))
        if 2 * own.boundary_radius >= length:
            raise UserError("%s.boundary_radius (%g snippets) makes every snippet of a window (dataset.length: %d) a "
                            "boundary; set it below %g" % (cls.SECTION, own.boundary_radius, length, length / 8.0))
