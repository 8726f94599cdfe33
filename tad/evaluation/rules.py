"""What a scoring leaves out or renames: blocked recordings, ignored labels, class maps."""

import csv
from typing import FrozenSet, Mapping, NamedTuple, Optional, Tuple

from tad.data.annotations import read_json
from tad.errors import UserError


class Rules(NamedTuple):
    """``class_map``: new labels by the labels of a detections file, or None; ``blocked``: ids of recordings;
    ``ignored``: labels of ambiguous instances; ``class_map_path``: where the map stands, for messages."""

    class_map: Optional[Mapping[str, str]] = None
    blocked: FrozenSet[str] = frozenset()
    ignored: Tuple[str, ...] = ()
    class_map_path: Optional[str] = None

    def recorded(self):
        """Plain values for JSON, from which :func:`recorded_rules` makes the same rules without any file."""
        return {"class_map": self.class_map, "class_map_path": self.class_map_path, "blocked": sorted(self.blocked),
                "ignored": sorted(self.ignored)}


NO_RULES = Rules()


def read_rules(class_map=None, blocked=None, ignored=()):
    """The rules that files and labels stand for.

    :param class_map: path, or None; so ``blocked``.
    :param ignored: labels.
    :raises UserError: a file cannot be understood.
    """
    return Rules(read_class_map(class_map) if class_map else None,
                 frozenset(read_blocked(blocked) if blocked else ()), tuple(sorted(set(ignored))), class_map)


def recorded_rules(value, path):
    """The rules in a ``metrics.json``, as :meth:`Rules.recorded` gives them.

    :raises UserError: they are others than ``tad eval`` writes; the message names ``path``.
    """
    found = value if isinstance(value, dict) else {}
    names, place, blocked, ignored = (found.get(key) for key in ("class_map", "class_map_path", "blocked", "ignored"))
    sound = ((names is None or isinstance(names, dict) and _all_text(list(names.values())))
             and (place is None or isinstance(place, str)) and _all_text(blocked) and _all_text(ignored))
    if not sound:
        raise UserError("%s: its 'rules' are not as tad eval writes them; score the detections again" % path)
    return Rules(names, frozenset(blocked), tuple(ignored), place)


def _all_text(values):
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def read_blocked(path):
    """The ids in a file: a JSON list of them, or one a line.

    :raises UserError: the file holds anything else.
    """
    text = _read_text(path, "blocked recordings")
    if text.lstrip()[:1] in ("[", "{"):
        names = read_json(path, "blocked recordings")
        if not _all_text(names):
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
