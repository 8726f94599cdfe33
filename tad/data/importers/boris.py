"""BORIS: project files (``.boris``, JSON), and exported events, aggregated or tabular (CSV, TSV)."""

import re
from typing import NamedTuple, Optional

from tad.data.importers.delimited import read_table
from tad.data.importers.reading import Reading, Row, as_list, as_object, recording_name, unite
from tad.data.importers.times import parse_number, parse_time, uses_decimal_comma
from tad.data.naming import shortened
from tad.errors import UserError

STATES = {"STATE": "state", "STATE EVENT": "state", "POINT": "point", "POINT EVENT": "point", "START": "start",
          "STOP": "stop"}
OBSERVATION, BEHAVIOR, SUBJECT, CATEGORY = "Observation id", "Behavior", "Subject", ("Behavior type", "Status")
MEDIA = ("Media file name", "Media file path", "Media file", "Source")
DURATION, RATE = ("Media duration (s)", "Total length"), ("FPS (frame/s)", "FPS")
_SUBJECTLESS = ("", "No focal subject")


class Event(NamedTuple):
    """A coded event: ``kind`` is state (with both times), start, stop, point, or toggle (a start or a stop)."""

    recording: str
    subject: str
    behavior: str
    modifiers: str
    kind: str
    start: float
    end: Optional[float]
    unit: str
    place: str


def recognises(file):
    if file.is_json:
        document = file.document
        return isinstance(document, dict) and {"observations", "behaviors_conf"} <= set(document)
    return file.is_text and _header_line(file) is not None


def read(files, options):
    """State events are actions; START and STOP are paired by subject, behavior and modifiers.

    Point events have no duration: they are left out, or last ``options.points_s`` around their time.
    """
    events, about, said = [], {}, []
    for file in files:
        reader = _project_events if file.is_json else _exported_events
        events += reader(file, about, options, said)
    left_out = []
    rows = [_row(event, options) for event in _paired(_chosen(events, options, left_out), options, left_out)]
    subjects = sorted({event.subject for event in events} - set(_SUBJECTLESS))
    if subjects:
        said.append("subjects: %s%s" % (shortened(subjects), "" if options.tiers else
                                        "; all of them are taken together (--subject NAME chooses)"))
    kinds = "project" if files[0].is_json else "exported events"
    return Reading("BORIS %s: %d events" % (kinds, len(events)), rows, about, said, left_out)


def _chosen(events, options, left_out):
    taken = []
    for event in events:
        if options.tiers and event.subject not in options.tiers:
            left_out.append(("events of other subjects", event.place))
        else:
            taken.append(event)
    missing = sorted(set(options.tiers) - {event.subject for event in events})
    if missing:
        raise UserError("there is no event of subject '%s'; there are: %s"
                        % (missing[0], shortened(sorted({event.subject or "(none)" for event in events}))))
    return taken


def _paired(events, options, left_out):
    """Events with both ends, in the order of their starts."""
    whole, running = [], {}
    for event in sorted(events, key=lambda one: (one.recording, one.start, one.kind != "stop")):
        key = event[:4]
        if event.kind == "state":
            whole.append(event)
        elif event.kind == "point":
            if options.points_s:
                half = options.points_s / 2.0
                whole.append(event._replace(start=max(0.0, event.start - half), end=event.start + half))
            else:
                left_out.append(("point events, which have no duration (--points SECONDS gives them one)",
                                 "%s '%s'" % (event.place, event.behavior)))
        elif key in running and event.kind in ("stop", "toggle"):
            whole.append(running.pop(key)._replace(end=event.start))
        elif event.kind == "stop" or key in running:
            left_out.append(("STOP without START, or START twice", "%s '%s'" % (event.place, event.behavior)))
        else:
            running[key] = event
    left_out += [("START without STOP", "%s '%s'" % (event.place, event.behavior)) for event in running.values()]
    return whole


def _row(event, options):
    label = event.behavior
    if options.modifiers and event.modifiers:
        label += "|" + event.modifiers
    label = (options.labels or {}).get(label, label)
    return Row(event.recording, event.start, event.end, event.unit, label, event.place)


def _project_events(file, about, options, said):
    document = file.document
    behaviors = as_object(document["behaviors_conf"], file.path + ": 'behaviors_conf'")
    kinds = {str(entry.get("code")): "point" if str(entry.get("type", "")).lower().startswith("point") else "toggle"
             for entry in behaviors.values() if isinstance(entry, dict)}
    events, taken, shifted = [], {}, []
    for name, observation in as_object(document["observations"], file.path + ": 'observations'").items():
        if options.observations and name not in options.observations:
            continue
        place = "%s, observation '%s'" % (file.path, name)
        recording = _project_recording(name, as_object(observation, place), about)
        if recording in taken:
            raise UserError("%s and '%s' are both of recording '%s'; choose one with --observation NAME, which may be "
                            "repeated" % (place, taken[recording], recording))
        taken[recording] = name
        if observation.get("time offset"):
            shifted.append("%s: %s s" % (name, observation["time offset"]))
        for index, event in enumerate(as_list(observation.get("events", []), place + ": 'events'")):
            events.append(_project_event(recording, event, "%s, event %d" % (place, index), kinds))
    if shifted:
        said.append("time offsets are not applied, times count from the beginning of the media: " + shortened(shifted))
    return events


def _project_recording(name, observation, about):
    """The only medium of the first player, else the observation's own name."""
    players = observation.get("file")
    media = players.get("1", []) if isinstance(players, dict) else players
    media = [str(path) for path in media] if isinstance(media, list) else []
    recording = recording_name(media[0]) if len(media) == 1 else name
    information = observation.get("media_info")
    facts = {}
    for key, word in (("duration_s", "length"), ("fps", "fps")):
        values = information.get(word) if isinstance(information, dict) else None
        numbers = [values.get(path) for path in media] if isinstance(values, dict) else []
        # BORIS stores 0 or nothing where it could not look into the medium
        if numbers and all(isinstance(number, (int, float)) and 0 < number < 1e9 for number in numbers):
            facts[key] = sum(numbers) if key == "duration_s" else numbers[0]
    unite(about, recording, **facts)
    return recording


def _project_event(recording, event, place, kinds):
    if not isinstance(event, list) or len(event) < 3:
        raise UserError("%s must be [time, subject, behavior, modifiers, comment]" % place)
    behavior = str(event[2])
    if behavior not in kinds:
        raise UserError("%s has behavior '%s', which the ethogram (behaviors_conf) does not have" % (place, behavior))
    modifiers = str(event[3]) if len(event) > 3 else ""
    return Event(recording, str(event[1] or ""), behavior, modifiers, kinds[behavior],
                 parse_number(event[0], place, wanted="a time in seconds"), None, "seconds", place)


def _header_line(file):
    """Number of the line with the names of an export's columns, from 0; older exports begin with other lines."""
    for number, line in enumerate(file.text[:65536].splitlines()[:200]):
        words = {word.strip().strip('"') for word in re.split("[\t,;]", line)}
        if BEHAVIOR in words and ("Start (s)" in words or ("Time" in words and words & set(CATEGORY))):
            return number
    return None


def _exported_events(file, about, options, said):
    table = read_table(file, options.delimiter, skip=_header_line(file))
    head = file.text.splitlines()[:_header_line(file)]
    known = dict(re.split("[\t,;]", line.replace('"', ""), maxsplit=1) for line in head if re.search("[\t,;]", line))
    aggregated = "Start (s)" in table.names
    comma = uses_decimal_comma([(line, _cell(table, cells, word)) for line, cells in table.rows
                                for word in ("Time", "Start (s)", "Stop (s)")], table.path)
    events, observed, skipped = [], {}, 0
    for line, cells in table.rows:
        place = table.place(line)
        observation = _cell(table, cells, OBSERVATION) or known.get(OBSERVATION, "").strip() or file.stem
        if options.observations and observation not in options.observations:
            skipped += 1
            continue
        recording = _exported_recording(table, cells, observation)
        other = observed.setdefault(recording, observation)
        if other != observation:
            raise UserError("%s: observations '%s' and '%s' are both of recording '%s'; choose one with --observation "
                            "NAME" % (place, other, observation, recording))
        _note_facts(table, cells, recording, about, place, comma)
        events.append(_exported_event(table, cells, recording, aggregated, place, comma))
    if skipped:
        said.append("%s: %d lines are of other observations" % (file.path, skipped))
    return events


def _exported_recording(table, cells, observation):
    media = next((text for text in (_cell(table, cells, word) for word in MEDIA) if text), "")
    # Several media are written one after the other: "player #1:a.mp4;player #2:b.mp4"
    media = re.sub(r"^player #1:\s*", "", media)
    return observation if not media or ";" in media or "player #" in media else recording_name(media)


def _note_facts(table, cells, recording, about, place, comma):
    facts = {}
    for key, words in (("duration_s", DURATION), ("fps", RATE)):
        text = next((text for text in (_cell(table, cells, word) for word in words) if text), "")
        if text and text.upper() not in ("NA", "N/A"):
            value = parse_time(text, "seconds", place, comma)[0]
            facts[key] = value if value > 0 else None
    unite(about, recording, **facts)


def _exported_event(table, cells, recording, aggregated, place, comma):
    kind_text = next((text for text in (_cell(table, cells, word) for word in CATEGORY) if text), "")
    kind = STATES.get(kind_text.upper())
    allowed = ("state", "point") if aggregated else ("start", "stop", "point")
    if kind not in allowed:
        raise UserError("%s: the event is of kind '%s', which should be one of %s"
                        % (place, kind_text, ", ".join(allowed).upper()))
    start = parse_time(_cell(table, cells, "Start (s)" if aggregated else "Time"), "seconds", place, comma)[0]
    end = parse_time(_cell(table, cells, "Stop (s)"), "seconds", place, comma)[0] if kind == "state" else None
    modifiers = [_cell(table, cells, name) for name in table.names if name.startswith("Modifier")]
    return Event(recording, _cell(table, cells, SUBJECT), _cell(table, cells, BEHAVIOR),
                 "|".join(one for one in modifiers if one), kind, start, end, "seconds", place)


def _cell(table, cells, name):
    place = table.names.index(name) if name in table.names else len(cells)
    return cells[place].strip() if place < len(cells) else ""
