"""What long work says on its way: lines for logs, where a progress bar stays quiet."""

import sys
import time

FIRST_S = 30.0   # shorter work says nothing
LINES = 50       # and long work not more than about so many lines


def tell(text):
    """One line for the user beside the results, which go to standard output."""
    print("tad: " + text, file=sys.stderr, flush=True)


class LogLines:
    """A plain line now and then, where standard error is no terminal: the first after half a minute.

    :param what: ``train`` or ``infer``.
    :param unit: ``step`` or ``recording``.
    :param done: units that were done before.
    :param total: units when all is done.
    :param quiet: say nothing; None for a terminal, which has a progress bar.
    :param clock: function that gives seconds.
    """

    def __init__(self, what, unit, done, total, quiet=None, clock=time.monotonic):
        self.what, self.unit, self.first, self.total, self.clock = what, unit, done, total, clock
        self.quiet = sys.stderr.isatty() if quiet is None else quiet
        self.start = clock()
        self.next = self.start + FIRST_S

    def due(self, done):
        """Whether it is time for a line, with ``done`` units done."""
        return not self.quiet and self.clock() >= self.next and done < self.total

    def say(self, done, details=""):
        """Say how far it is; ``details`` are more words."""
        spent_s = self.clock() - self.start
        left_s = spent_s / max(1, done - self.first) * (self.total - done)
        tell("%s: %s %d of %d%s, about %s left" % (self.what, self.unit, done, self.total, details, spell(left_s)))
        self.next = self.start + spent_s + max(FIRST_S, (spent_s + left_s) / LINES)


def spell(seconds):
    """``2 h 05 min``, ``5 min`` or ``40 s``."""
    minutes = int(round(seconds / 60.0))
    if minutes >= 60:
        return "%d h %02d min" % divmod(minutes, 60)
    return "%d min" % minutes if minutes >= 2 else "%d s" % round(seconds)
