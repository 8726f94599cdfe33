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
