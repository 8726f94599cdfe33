"""From what an importer has read to the package's annotation file, with a summary of what was done."""

from collections import Counter, OrderedDict
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from tad.data.check.names import difference, respelled, similar
from tad.data.importers.columns import guess_columns
from tad.data.importers.delimited import read_table
from tad.data.importers.reading import About, InputFile, recording_name, unite
from tad.data.importers.subsets import TRAINING, listed_ids, split
from tad.data.importers.times import in_seconds, parse_number, parse_time, uses_decimal_comma
from tad.data.naming import count, shortened
from tad.errors import UserError

DEFAULT_SPLIT = 0.2


class Wishes(NamedTuple):
    """What a user wants of the annotation file, beside what the annotations say.

    ``subset`` names the subset of every recording that has none; ``subset_files`` are ``(name, path)``; ``split`` is
    the part of the recordings that is held out. ``recordings`` is a table of durations, rates and subsets.
    ``lengths`` holds durations by recording, from features. ``background_recordings`` adds recordings of that table,
    of the files of ids and of ``lengths`` that have no annotation.
    """

    fps: Optional[float] = None
    subset: Optional[str] = None
    subset_files: Tuple[Tuple[str, str], ...] = ()
    split: Optional[float] = None
    seed: int = 0
    recordings: Optional[str] = None
    lengths: Optional[Dict[str, float]] = None
    background_recordings: bool = False
    keep_fps: bool = True


class Imported(NamedTuple):
    """The annotation document, and sentences on how it came about."""

    document: Dict[str, Any]
    said: List[str]


def make_database(reading, wishes):
    """The annotation document of a :class:`tad.data.importers.reading.Reading`.

    :raises UserError: a duration, rate or subset is missing or contradicts another.
    """
    about, said = dict(reading.about), []  # type: Any
    for row in reading.rows:
        about.setdefault(row.recording, About())
    if not about:
        raise UserError("found no recording in the annotations (read as %s)" % reading.title)
    if not reading.rows:
        said.append("no action was found; the recordings are background only")
    _add_facts(about, wishes, said)
    actions = OrderedDict((name, []) for name in about)
    for row in reading.rows:
        actions[row.recording].append(_action(row, about[row.recording], wishes.fps))
    _add_subsets(about, actions, wishes, said)
    entries = OrderedDict((name, _entry(about[name], actions[name], wishes)) for name in about)
    return Imported({"version": "tad 1", "database": entries}, said)


def summary(imported, reading):
    """The lines that tell what was imported, for a terminal."""
    database = imported.document["database"]
    instances = [action for entry in database.values() for action in entry["annotations"]]
    labels = Counter(action["label"] for action in instances)
    lines = ["%s, %s, %s" % (count(len(database), "recording"), count(len(instances), "action"),
                             count(len(labels), "label"))]
    lines.append("labels: " + shortened(("%s (%d)" % pair for pair in labels.most_common()), 12))
    per_subset = OrderedDict()
    for entry in database.values():
        per_subset.setdefault(entry["subset"], []).append(len(entry["annotations"]))
    lines += ["subset '%s': %s, %s" % (subset, count(len(counts), "recording"), count(sum(counts), "action"))
              for subset, counts in per_subset.items()]
    without = [name for name, entry in database.items() if "duration" not in entry]
    if without:
        lines.append("no duration is known of %s (%s); --durations FILE, or --features with --fps, gives it"
                     % (count(len(without), "recording"), shortened(without, 3)))
    beyond = [name for name, entry in database.items()
              if any(action["segment"][0] >= entry.get("duration", action["segment"][0] + 1)
                     for action in entry["annotations"])]
    if beyond:
        lines.append("actions of %s begin after its duration (%s); are times or durations in another unit (--unit)?"
                     % (count(len(beyond), "recording"), shortened(beyond, 3)))
    alike = similar(database)
    if alike:
        lines.append("ids that differ only in case, ending or Unicode form: %s; are they one recording?"
                     % shortened((" and ".join("'%s'" % name for name in group) for group in alike), 3))
    reasons = OrderedDict()
    for reason, place in reading.left_out:
        reasons.setdefault(reason, []).append(place)
    lines += ["left out: %d %s: %s" % (len(places), reason, shortened(places, 3)) for reason, places in reasons.items()]
    return lines


def read_recordings(path, encoding="utf-8-sig"):
    """Durations, rates and subsets from a table with a row for each recording, or a JSON of durations.

    :returns: dict id -> :class:`tad.data.importers.reading.About`
    :raises UserError: it cannot be understood.
    """
    file, about = InputFile(path, encoding), {}
    if file.is_json:
        values = file.document
        if not isinstance(values, dict):
            raise UserError("%s must be {recording: seconds}" % path)
        for name, value in values.items():
            about[name] = About(duration_s=_positive(value, "%s, recording '%s'" % (path, name)))
        return about
    table = read_table(file)
    roles = ("recording", "duration", "fps", "subset", "frames")
    columns = guess_columns(table.names, roles)
    if "recording" not in columns.index or len(columns.index) < 2:
        raise UserError("%s needs a column named 'recording' and one named 'duration' (or fps, subset, frames); it "
                        "has: %s" % (path, ", ".join(table.names)))
    cells = [(line, columns.cell(row, role)) for line, row in table.rows for role in ("duration", "fps", "frames")]
    comma = uses_decimal_comma(cells, path)
    for line, row in table.rows:
        place, facts = table.place(line), {"subset": columns.cell(row, "subset") or None}
        for role, key in (("duration", "duration_s"), ("fps", "fps"), ("frames", "frames")):
            text = columns.cell(row, role)
            if text:
                facts[key] = _positive(parse_time(text, "seconds", place, comma)[0], place)
        unite(about, recording_name(columns.cell(row, "recording")), **facts)
    return about


def _positive(value, place):
    value = parse_number(value, place, wanted="a number above 0")
    if value <= 0:
        raise UserError("%s: %g is not above 0" % (place, value))
    return value


def _add_facts(about, wishes, said):
    """Put durations, rates and subsets of the table and the features beside what the annotations say."""
    extra = read_recordings(wishes.recordings) if wishes.recordings else {}
    lengths = _as_annotated(wishes.lengths or {}, about, said)
    for name in lengths:
        extra.setdefault(name, About())
    alone = [name for name in extra if name not in about]
    if alone and not wishes.background_recordings:
        said.append("%s without annotations left out: %s; --background-recordings takes them as background"
                    % (count(len(alone), "recording"), shortened(alone)))
    for name, facts in extra.items():
        if name in about or wishes.background_recordings:
            unite(about, name, **facts._asdict())
    for name, facts in list(about.items()):
        duration = facts.duration_s
        fps = facts.fps or wishes.fps
        if duration is None and facts.frames is not None and fps:
            duration = facts.frames / fps
        if duration is None:
            duration = lengths.get(name)
        unite(about, name, duration_s=duration, fps=wishes.fps if facts.fps is None else None)


def _as_annotated(lengths, about, said):
    """Durations from features by the annotations' ids, where the two are spelled differently."""
    spelling = respelled(lengths, about)
    if spelling:
        said.append("the features of %s are named otherwise: %s; import them with --annotations too, which names them "
                    "as the annotations do"
                    % (count(len(spelling), "recording"), shortened("'%s' for '%s' (%s)" % (
                        name, spelling[name], difference(name, spelling[name])) for name in sorted(spelling))))
    return {spelling.get(name, name): seconds for name, seconds in lengths.items()}


def _action(row, facts, fps):
    fps = facts.fps or fps
    if fps is None and row.unit == "frames" and facts.frames and facts.duration_s:
        fps = facts.frames / facts.duration_s
    if fps is None and row.unit == "frames":
        raise UserError("%s: the times count frames, and the frame rate of '%s' is not known; give --fps (or --unit "
                        "seconds if they are seconds)" % (row.place, row.recording))
    start, end = (round(in_seconds(value, row.unit, fps), 6) for value in (row.start, row.end))
    return {"segment": [start, end], "label": row.label}


def _add_subsets(about, actions, wishes, said):
    """Give every recording a subset: listed ones first, then the annotations' own, then the one that was named."""
    for subset, path in wishes.subset_files:
        ids = listed_ids(path)
        unknown = [name for name in ids if name not in about]
        if unknown:
            said.append("%s lists %s without annotations, left out: %s"
                        % (path, count(len(unknown), "recording"), shortened(unknown)))
        for name in ids:
            if name in about:
                about[name] = about[name]._replace(subset=subset)
    open_ones = [name for name, facts in about.items() if facts.subset is None]
    if wishes.split is not None and len(open_ones) < len(about):
        raise UserError("--split is for annotations without subsets, and %d of the %d recordings have one already"
                        % (len(about) - len(open_ones), len(about)))
    if not open_ones:
        return
    if wishes.subset is None and len(open_ones) < len(about):
        raise UserError("%s in no subset: %s; --subset NAME gives them one"
                        % (count(len(open_ones), "recording") + (" is" if len(open_ones) == 1 else " are"),
                           shortened(open_ones)))
    if wishes.subset is not None:
        given = {name: wishes.subset for name in open_ones}
    elif len(open_ones) == 1 and wishes.split is None:
        given = {open_ones[0]: TRAINING}
        said.append("the only recording is in subset '%s'; --subset NAME chooses another" % TRAINING)
    else:
        fraction = DEFAULT_SPLIT if wishes.split is None else wishes.split
        labels = {name: [action["label"] for action in actions[name]] for name in open_ones}
        given = split(labels, fraction, wishes.seed)
        said.append("%s: a random %g of the recordings is held out as 'validation' (--split %g --seed %d), with "
                    "classes spread evenly" % ("no subsets were given" if wishes.split is None else "split", fraction,
                                               fraction, wishes.seed))
    for name, subset in given.items():
        about[name] = about[name]._replace(subset=subset)


def _entry(facts, actions, wishes):
    entry = OrderedDict(subset=facts.subset)
    if facts.duration_s is not None:
        entry["duration"] = round(facts.duration_s, 6)
    if facts.fps is not None and wishes.keep_fps:
        entry["fps"] = facts.fps
    entry["annotations"] = sorted(actions, key=lambda action: action["segment"])
    return entry
