"""THUMOS14's text files: ``CLASS_val.txt`` with lines ``video_validation_0000051  67.5 75.9``."""

import re

from tad.data.importers.reading import Reading, Row, unite
from tad.data.importers.times import parse_time
from tad.errors import UserError

_NAME = re.compile(r"^(.+)_(val|validation|test|train|training)$")
_LINE = re.compile(r"^\s*\S+\s+-?[\d.,:]+\s+-?[\d.,:]+\s*$")
SUBSETS = {"val": "validation", "validation": "validation", "test": "test", "train": "training", "training": "training"}
AMBIGUOUS = "Ambiguous"


def recognises(file):
    if file.suffix != ".txt" or not _NAME.match(file.stem) or not file.is_text:
        return False
    lines = [line for line in file.text.splitlines() if line.strip()]
    return bool(lines) and all(_LINE.match(line) for line in lines[:20])


def read(files, options):
    """Classes are in the names of the files; ``Ambiguous_*.txt`` are actions that the challenge does not score."""
    rows, about, left_out, classes = [], {}, [], set()
    for file in files:
        found = _NAME.match(file.stem)
        label, subset = (found.group(1), SUBSETS[found.group(2)]) if found else (file.stem, None)
        for number, line in enumerate(file.text.splitlines(), 1):
            place = "%s, line %d" % (file.path, number)
            words = line.split()
            if not words:
                continue
            if len(words) != 3:
                raise UserError("%s must be 'recording start end', not '%s'" % (place, line.strip()[:60]))
            unite(about, words[0], subset=subset)
            if label == AMBIGUOUS:
                left_out.append(("ambiguous actions (%s), as the challenge's evaluation does" % file.stem, place))
                continue
            classes.add(label)
            start, unit = parse_time(words[1], options.unit or "seconds", place)
            rows.append(Row(words[0], start, parse_time(words[2], unit, place)[0], unit, label, place))
    return Reading("THUMOS text files: %d files, %d classes" % (len(files), len(classes)), rows, about, [], left_out)
