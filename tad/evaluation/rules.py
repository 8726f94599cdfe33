"""What a scoring leaves out or renames: blocked recordings, ignored labels, class maps."""

import csv
from typing import NamedTuple, Optional, Tuple

from tad.data.annotations import read_json
from tad.errors import UserError


class Rules(NamedTuple):
    """``class_map`` and ``blocked`` are paths or None; ``ignored`` are labels of ambiguous instances."""

    class_map: Optional[str] = None
    blocked: Optional[str] = None
    ignored: Tuple[str, ...] = ()


NO_RULES = Rules()


def read_blocked(path):
    """The ids in a file: a JSON list of them, or one a line.

    :raises UserError: the file holds anything else.
    """
    text = _read_text(path, "blocked recordings")
    if text.lstrip()[:1] in ("[", "{"):
        names = read_json(path, "blocked recordings")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UserError('%s must be a list of ids, as ["id", ...] or one a line' % path)
        return set(names)
    return {line.strip() for line in text.splitlines() if line.strip()}


def read_class_map(path):
    """New labels by the labels of a detections file.

    ``{"from": "to"}``; or names by number, as ``{"name": number}``, ``["name of 0", ...]``, or lines ``number name``
    with a space, comma or tab between.

    :raises UserError: the file holds anything else, or one label twice.
    """
    text = _read_text(path, "class map")
    if text.lstrip()[:1] in ("[", "{"):
        pairs = _json_pairs(path)
    else:
        rows = csv.reader(line.strip().replace("\t", ",", 1) if "," in line or "\t" in line
                          else ",".join(line.split(None, 1)) for line in text.splitlines() if line.strip())
        pairs = [tuple(cell.strip() for cell in row) for row in rows]
    if not pairs or not all(len(pair) == 2 for pair in pairs):
        raise UserError('%s is no class map: it must be {"from": "to"}, {"name": number}, ["name of 0", ...], or lines '
                        '"number name"' % path)
    result = {}
    for before, after in pairs:
        if result.setdefault(before, after) != after:
            raise UserError("%s maps '%s' to both '%s' and '%s'" % (path, before, result[before], after))
    return result


def _json_pairs(path):
    document = read_json(path, "class map")
    named = isinstance(document, dict)
    pairs = list(document.items() if named else enumerate(document))
    if all(isinstance(value, str) for _, value in pairs):
        return [(str(key), value) for key, value in pairs]
    if named and all(isinstance(value, int) and not isinstance(value, bool) for _, value in pairs):
        return [(str(value), key) for key, value in pairs]
    return []


def _read_text(path, what):
    try:
        with open(path, encoding="utf-8-sig") as stream:
            return stream.read()
    except OSError as error:
        raise UserError("cannot read the %s %s: %s" % (what, path, error.strerror))
    except UnicodeDecodeError:
        raise UserError("the %s %s is not UTF-8 text" % (what, path))
