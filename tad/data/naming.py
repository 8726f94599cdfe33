"""Names in messages: a list of thousands stays readable."""

SHOWN = 5


def shortened(names, shown=SHOWN):
    """``a, b, c, d, e and 995 more``."""
    names = list(names)
    text = ", ".join(str(name) for name in names[:shown])
    return text if len(names) <= shown else "%s and %d more" % (text, len(names) - shown)


def count(number, noun):
    """``1 recording``, ``2 recordings``."""
    return "%d %s%s" % (number, noun, "" if number == 1 else "s")
