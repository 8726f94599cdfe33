"""ActivityNet-style JSON in its variants: with or without ``database``, numbers as text, ``label_id``."""

from tad.data.importers.reading import Reading, Row, unite
from tad.data.importers.times import parse_number
from tad.errors import UserError

DURATIONS = ("duration", "duration_second", "duration_seconds", "video_duration", "duration_s")
FRAMES = ("duration_frame", "duration_frames", "num_frames", "frames", "numf")
ENTRY_KEYS = ("annotations", "subset") + DURATIONS + FRAMES


def recognises(file):
    if not file.is_json or not isinstance(file.document, dict):
        return False
    database = file.document.get("database", file.document)
    entries = list(database.values())[:5] if isinstance(database, dict) else []
    return "database" in file.document or bool(entries) and all(
        isinstance(entry, dict) and "annotations" in entry for entry in entries)


def read(files, options):
    """Recordings with their subsets, durations and rates; ``taxonomy`` and other keys mean nothing here."""
    rows, about, said = [], {}, []
    for file in files:
        database = _database(file)
        for name, entry in database.items():
            place = "%s, recording '%s'" % (file.path, name)
            if not isinstance(entry, dict):
                raise UserError("%s must be an object with 'annotations'" % place)
            _about(name, entry, place, about)
            rows += _actions(name, entry, place, options)
    numbered = sum(1 for row in rows if row.label.isdigit())
    if rows and numbered == len(rows) and not options.labels:
        said.append("labels are numbers; --labels FILE (lines 'number,name' or a JSON of names) gives them names")
    return Reading("ActivityNet-style JSON: %d recordings" % len(about), rows, about, said, [])


def _database(file):
    document = file.document
    database = document.get("database", document) if isinstance(document, dict) else None
    if not isinstance(database, dict) or not database:
        raise UserError('%s has no "database": {recording: {...}} with a recording in it' % file.path)
    return database


def _about(name, entry, place, about):
    facts = {}
    for key, names in (("duration_s", DURATIONS), ("frames", FRAMES), ("fps", ("fps", "frame_rate"))):
        used = next((word for word in names if entry.get(word) is not None), None)
        if used is not None:
            facts[key] = parse_number(entry[used], "%s: '%s'" % (place, used))
            if facts[key] <= 0:
                raise UserError("%s: '%s' must be above 0, not %g" % (place, used, facts[key]))
    subset = entry.get("subset")
    unite(about, name, subset=None if subset is None else str(subset), **facts)


def _actions(name, entry, place, options):
    annotations = entry.get("annotations", [])
    if not isinstance(annotations, list):
        raise UserError("%s: 'annotations' must be a list" % place)
    return [_action(name, annotation, "%s, annotation %d" % (place, index), options)
            for index, annotation in enumerate(annotations)]


def _action(name, annotation, place, options):
    segment = annotation.get("segment") if isinstance(annotation, dict) else None
    if not isinstance(segment, list) or len(segment) != 2:
        raise UserError("%s must have \"segment\": [start, end]" % place)
    label = annotation.get("label", annotation.get("label_id"))
    if label is None or isinstance(label, (dict, list)):
        raise UserError("%s must have a 'label' or a 'label_id'" % place)
    start, end = (parse_number(value, place + ": 'segment'") for value in segment)
    label = (options.labels or {}).get(str(label), str(label))
    return Row(name, start, end, options.unit or "seconds", label, place)
