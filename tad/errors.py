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


def report_problem(message, strict):
    """Tell of a problem in the data: a ``DataWarning``, or a ``UserError`` when ``strict``.

    :param message: one sentence that names the recording and what was done about it.
    :param strict: raise instead of warn.
    """
    if strict:
        raise UserError(message + " (--strict)")
    warnings.warn(message, DataWarning, stacklevel=2)
