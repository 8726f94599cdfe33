"""Where snippets lie in time: the exact line between seconds and snippet units.

In snippet units the centre of snippet ``i`` is at ``i``. A snippet covers ``window`` frames and the next one starts
``stride`` frames later, so its centre is at ``(i * stride + window / 2) / fps`` seconds.
"""

from typing import NamedTuple


class TimeGrid(NamedTuple):
    """Centre of snippet 0 and distance between snippets, in seconds."""

    origin_s: float
    step_s: float

    @classmethod
    def from_frames(cls, fps, stride, window):
        """The grid of features computed from frames."""
        return cls(window / 2.0 / fps, stride / float(fps))

    @classmethod
    def spanning(cls, duration_s, snippets):
        """The grid of ``snippets`` steps that share a recording evenly."""
        step = duration_s / float(snippets)
        return cls(step / 2.0, step)

    def to_snippets(self, seconds):
        """Seconds (number or array) to snippet units."""
        return (seconds - self.origin_s) / self.step_s

    def to_seconds(self, snippets):
        """Snippet units (number or array) to seconds; the inverse of :meth:`to_snippets`."""
        return self.origin_s + snippets * self.step_s

    def end_s(self, snippets):
        """Where the last of ``snippets`` snippets ends, halfway to the one after it."""
        return self.to_seconds(snippets - 0.5)
