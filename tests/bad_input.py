"""What tests of bad input share: a reader may refuse a file in one sentence that names it, and do nothing else."""

import contextlib
import os
import signal
import warnings

from tad.data.features import FeatureError
from tad.errors import DataWarning, UserError

LONGEST_S = 60
LONGEST_MESSAGE = 3000


@contextlib.contextmanager
def no_hang(seconds=LONGEST_S):
    """Within it, work that takes too long is a failure."""
    def stop(number, frame):
        raise AssertionError("nothing after %d s" % seconds)

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def survives(read, path, *more):
    """What ``read(path, *more)`` gives, or None where it refuses in one sentence with the file's name."""
    with warnings.catch_warnings(), no_hang():
        warnings.simplefilter("ignore", DataWarning)
        try:
            return read(str(path), *more)
        except (UserError, FeatureError) as error:
            text, named = str(error), isinstance(error, FeatureError)  # whose message goes on after a recording's name
    assert named or os.path.basename(str(path)) in text, "the file is not named: %s" % text
    assert len(text) < LONGEST_MESSAGE, "a message of %d letters: %s" % (len(text), text[:200])
    text.encode("utf-8", "backslashreplace")
    return None
