"""Names in messages, where a list of thousands stays readable, and names of files, which stay in their folder."""

import hashlib
import re

from tad.errors import UserError

SHOWN = 5
LONGEST_BYTES = 200  # of a file's name before its ending: systems take 255, and files are written under longer ones
_NO_PART_OF_NAMES = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff]|^\.")


def shortened(names, shown=SHOWN):
    """``a, b, c, d, e and 995 more``."""
    names = list(names)
    text = ", ".join(str(name) for name in names[:shown])
    return text if len(names) <= shown else "%s and %d more" % (text, len(names) - shown)


def count(number, noun):
    """``1 recording``, ``2 recordings``."""
    return "%d %s%s" % (number, noun, "" if number == 1 else "s")


def file_name(name):
    """An id as the name of a file: itself where that is harmless, else a like name that no other id has."""
    if _is_harmless(name):
        return name
    encoded = name.encode("utf-8", "surrogatepass")
    start = _NO_PART_OF_NAMES.sub("_", name)[:LONGEST_BYTES // 4 - 10]
    return "%s-%s" % (start, hashlib.sha256(encoded).hexdigest()[:8])


def check_file_name(name, output):
    """Refuse an id that cannot itself name a file, where one is looked up by it later.

    :raises UserError: it holds a path, begins with a dot, or is too long; the message names ``output``.
    """
    if not _is_harmless(name):
        raise UserError("the recording '%s' cannot name features in %s; rename it: no / or \\, no control characters, "
                        "no dot in front, at most %d bytes"
                        % (name[:60].encode("utf-8", "backslashreplace").decode("utf-8"), output, LONGEST_BYTES))


def _is_harmless(name):
    return bool(name) and not _NO_PART_OF_NAMES.search(name) and len(name.encode("utf-8")) <= LONGEST_BYTES
