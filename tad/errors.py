"""Errors that a user can mend, told in one sentence; and problems found in data, told by name."""

import warnings


class UserError(Exception):
    """Something outside the program is wrong (a path, a file, a setting); the message says what to change.

    The command line prints the message without a traceback and exits with code 2.
    """


class DataWarning(UserWarning):
    """A recording or a segment was left out or repaired; the message names it."""


class DataNote(DataWarning):
    """Nothing is wrong, but something was taken from the data that the user did not say."""


LONGEST_REASON = 300


def reason(error):
    """What an exception of a library says, for a sentence of ours: one line, not too long, never empty.

    Libraries quote what a broken file holds (zipfile does whole members), or say nothing (EOFError).
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= LONGEST_REASON else lines[0][:LONGEST_REASON] + "..."


NEVER_AN_ERROR = ("unknown label",)  # kinds of problems that --strict does not stop at


def reporter(strict):
    """What tells of problems in the data: ``tell(kind, recording, text, done)`` warns, or raises when ``strict``.

    ``kind`` groups problems (:mod:`tad.data.check`), ``text`` is a sentence; ``done`` says what is done about it, such
    as "left out". When ``strict``, nothing is.
    """
    def tell(kind, recording, text, done):
        message = "%s: %s" % (recording, text)
        if strict and kind not in NEVER_AN_ERROR:
            raise UserError("%s; stopped by --strict, without it: %s" % (message, done))
        warnings.warn("%s; %s" % (message, done), DataWarning, stacklevel=2)

    return tell
