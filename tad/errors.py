"""Errors that a user can mend, told in one sentence; and problems found in data, told by name."""

import warnings


class UserError(Exception):
    """Something outside the program is wrong (a path, a file, a setting); the message says what to change.

    The command line prints the message without a traceback and exits with code 2.
    """


class DataWarning(UserWarning):
    """A recording or a segment was left out or repaired; the message names it."""


def report_problem(message, strict, done=None):
    """Tell of a problem in the data: a ``DataWarning``, or a ``UserError`` when ``strict``.

    :param message: one sentence that names the recording and the problem.
    :param strict: raise instead of warn.
    :param done: what is done about it, such as "left out"; when ``strict``, nothing is.
    """
    if strict:
        raise UserError("%s; stopped by --strict%s" % (message, ", without it: " + done if done else ""))
    warnings.warn(message + ("; " + done if done else ""), DataWarning, stacklevel=2)
