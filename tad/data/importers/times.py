"""Times as people write them: ``12.5``, ``12,5``, ``1:02:03.250``."""

import math
import re

from tad.data.decimals import DECIMAL_COMMA
from tad.errors import UserError

_CLOCK = re.compile(r"^(-?)(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)$")
_POINT = re.compile(r"^[+-]?\d*\.\d+")


def uses_decimal_comma(cells, path):
    """Whether numbers have a decimal comma.

    :param cells: list of ``(line, text)``.
    :raises UserError: some have a comma and some a point.
    """
    commas = [line for line, text in cells if DECIMAL_COMMA.match(text)]
    points = [line for line, text in cells if _POINT.match(text.strip())]
    if commas and points:
        raise UserError("%s has a decimal comma in line %d and a decimal point in line %d; use one of them"
                        % (path, commas[0], points[0]))
    return bool(commas)


def parse_time(text, unit, place, decimal_comma=False):
    """A time and its unit; ``hh:mm:ss`` and ``mm:ss`` are seconds whatever ``unit`` says.

    :raises UserError: it is no time; the message begins with ``place``.
    """
    text = text.strip()
    clock = _CLOCK.match(text)
    if clock:
        sign, hours, minutes, seconds = clock.groups()
        value = int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
        return (-value if sign else value), "seconds"
    return parse_number(text, place, decimal_comma, "a time like 12.5 or 0:00:12.5"), unit


def parse_number(text, place, decimal_comma=False, wanted="a number"):
    """A finite float.

    :raises UserError: it is none; the message begins with ``place``.
    """
    text = str(text).strip()
    try:
        value = float(text.replace(",", ".") if decimal_comma else text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError("%s: '%s' is not %s" % (place, text, wanted))
    return value


def in_seconds(value, unit, fps):
    """A time in seconds; ``fps`` is needed for frames only."""
    if unit == "frames":
        return value / float(fps)
    return value / 1000.0 if unit == "milliseconds" else value
