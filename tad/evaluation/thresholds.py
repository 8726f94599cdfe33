"""tIoU thresholds as text: ``0.3:0.1:0.7`` or ``0.5,0.75``."""

from tad.errors import UserError

MOST = 1000  # thresholds in one range; a finer step is a slip of the pen


def parse_thresholds(text):
    """A tuple of thresholds.

    :param text: ``first:step:last`` with both ends included, or values separated by commas; each in (0, 1].
    :raises UserError: anything else.
    """
    try:
        if ":" in text:
            first, step, last = (float(part) for part in text.split(":"))
            if not (step > 0 and last >= first and (last - first) / step < MOST):
                raise ValueError
            # The multiples are rounded so that 0.1 + 0.2 is written 0.3
            values = tuple(round(first + index * step, 6) for index in range(int((last - first) / step + 1e-6) + 1))
        else:
            values = tuple(float(part) for part in text.split(","))
    except (ValueError, OverflowError):
        raise UserError("tIoU thresholds must look like 0.3:0.1:0.7 or 0.5,0.75, not '%s'" % text)
    if not all(0 < value <= 1 for value in values):
        raise UserError("tIoU thresholds must lie above 0 and up to 1, not '%s'" % text)
    return values


def threshold_name(value):
    """How a threshold is written in tables and files: ``0.3``, ``0.75``."""
    return "%g" % value
