"""CSV and TSV files with one action a row: ``recording,start,end,label``, by whatever names."""

from tad.data.importers import framewise
from tad.data.importers.columns import ACTION_ROLES, Columns, completed, guess_columns, told_columns, unit_of
from tad.data.importers.delimited import looks_like_table, read_table
from tad.data.importers.layout import Layout, label_of, note_facts, recording_of
from tad.data.importers.reading import Reading, Row
from tad.data.importers.times import parse_time, uses_decimal_comma
from tad.data.naming import count, shortened
from tad.errors import UserError

PLAIN = {"recording": "recording", "start": "start", "end": "end", "label": "label"}
OPTIONAL = ("subset", "duration", "fps")


def recognises(file):
    return not file.is_json and looks_like_table(file)


def read(files, options):
    """Actions of some tables; see ``columns.py`` for the names that are understood.

    A table without a column of recordings is about one recording, named like the file.
    """
    layouts = [_layout(file, options) for file in files]
    confirmed = set()
    rows, about, left_out, said = [], {}, [], []
    for file, layout in zip(files, layouts):
        sentence = _description(layout)
        if sentence not in confirmed and not _needs_no_word(layout, options):
            options.confirm(sentence)
        if sentence not in confirmed:
            said.append(sentence)
        confirmed.add(sentence)
        reader = framewise.actions if "frame" in layout.columns.index else _actions
        rows += reader(file, layout, about, left_out, options)
    return Reading("a table of %d lines%s" % (sum(len(layout.table.rows) for layout in layouts),
                                              "" if len(files) == 1 else " in %d files" % len(files)),
                   rows, about, said, left_out)


def _layout(file, options):
    table = read_table(file, options.delimiter)
    if options.columns:
        columns = told_columns(options.columns, table.names, table.path)
        with_names = table
        table, columns = _header_is_data(table, columns)
        if table is with_names:
            columns = completed(columns, table)
    else:
        columns = guess_columns(table.names, ACTION_ROLES)
        if not columns.index:
            table, columns = _without_header(table)
    columns = _settled(columns, table, bool(options.columns))
    _check_complete(columns, table)
    times = [role for role in ("start", "end", "length", "frame") if role in columns.index]
    unit = options.unit or unit_of(columns.names[times[0]]) or _fallback_unit(times[0])
    cells = [(line, columns.cell(row, role)) for line, row in table.rows for role in times]
    return Layout(table, columns, unit, uses_decimal_comma(cells, table.path))


def _fallback_unit(role):
    return "frames" if role == "frame" else "seconds"


def _settled(columns, table, told):
    """Drop guesses that the others make meaningless; beside starts and ends, a duration may be the recording's."""
    index = dict(columns.index)
    if "end" in index and "length" in index and not told:
        place = index.pop("length")
        if "duration" not in index and _lasts_as_long_as_the_recording(columns, table, place):
            index["duration"] = place
    if "start" in index and ("end" in index or "length" in index):
        index.pop("frame", None)
    return Columns(index, {role: table.names[place] if role == "duration" else columns.names[role]
                           for role, place in index.items()}, columns.others)


def _lasts_as_long_as_the_recording(columns, table, place):
    """Whether a column has one value for each recording, and not below the ends of its actions."""
    values, several = {}, False
    for _, cells in table.rows:
        duration, end = (cells[at].strip() if at < len(cells) else "" for at in (place, columns.index["end"]))
        if not (_is_time(duration) and _is_time(end)):
            return False
        if values.setdefault(columns.cell(cells, "recording"), duration) != duration:
            return False
        several = several or duration != columns.cell(cells, "end")
        numbers = [parse_time(text.replace(",", "."), "seconds", "")[0] for text in (end, duration)]
        if numbers[0] > 1.05 * numbers[1]:
            return False
    return several and len(values) < len(table.rows)


def _check_complete(columns, table):
    has = columns.index
    complete = "label" in has and ("frame" in has or ("start" in has and ("end" in has or "length" in has)))
    if not complete:
        missing = [role for role in ("start", "end", "label") if role not in has]
        raise UserError("%s: found no column for %s among: %s; name them, for example --columns "
                        "recording=NAME,start=NAME,end=NAME,label=NAME"
                        % (table.path, ", ".join(missing), ", ".join(table.names)))


def _header_is_data(table, columns):
    """With columns told by number, a first line that holds times is a row, not names."""
    start = columns.index.get("start", columns.index.get("frame"))
    if start is None or not _is_time(table.names[start]):
        return table, columns
    return _numbered(table), Columns(columns.index, {role: "column %d" % (place + 1)
                                                     for role, place in columns.index.items()}, {})


def _without_header(table):
    """A table of bare rows: ``recording, start, end, label`` or, in files of one recording, ``start, end, label``."""
    kinds = [_is_time(cell) for cell in table.names]
    roles = {(False, True, True, False): ("recording", "start", "end", "label"),
             (True, True, False): ("start", "end", "label")}.get(tuple(kinds))
    if roles is None:
        return table, Columns({}, {}, {})
    index = {role: place for place, role in enumerate(roles)}
    return _numbered(table), Columns(index, {role: "column %d" % (index[role] + 1) for role in roles}, {})


def _numbered(table):
    return table._replace(rows=[(1, table.names)] + table.rows)


def _is_time(text):
    try:
        parse_time(text.replace(",", "."), "seconds", "")
    except UserError:
        return False
    return True


def _needs_no_word(layout, options):
    """Told columns, and a header with the very words, need no confirmation."""
    names = {role: name for role, name in layout.columns.names.items() if role in PLAIN}
    if options.columns:
        return all(name == PLAIN[role] for role, name in names.items() if role not in options.columns)
    return names == PLAIN and "frame" not in layout.columns.index


def _description(layout):
    columns = layout.columns
    text = "columns: %s; times in %s" % (columns.described(ACTION_ROLES), layout.unit)
    if "recording" not in columns.index:
        text += "; each file is one recording, named like the file"
    if "frame" in columns.index:
        text += "; one frame a row, whose runs become actions"
    return text + "; %s between columns%s" % (layout.table.delimiter_word,
                                              ", decimal comma" if layout.decimal_comma else "")


def _actions(file, layout, about, left_out, options):
    rows, faults = [], []
    for line, cells in layout.table.rows:
        try:
            rows += _action(cells, layout.table.place(line), file, layout, about, left_out, options)
        except UserError as error:
            faults.append((line, str(error)))
    if len(faults) > 1:
        # All at once: a table with ten slips would otherwise be mended in ten rounds
        raise UserError("%s; %s cannot be read either: %s" % (
            faults[0][1], count(len(faults) - 1, "more line"), shortened((line for line, _ in faults[1:]), 20)))
    if faults:
        raise UserError(faults[0][1])
    return rows


def _action(cells, place, file, layout, about, left_out, options):
    """The action of a row in a list, which is empty for a row that is none."""
    name, label = recording_of(cells, layout, file), label_of(cells, layout, options)
    if not name:
        raise UserError("%s: the recording (column %s) is empty" % (place, layout.columns.names["recording"]))
    note_facts(cells, layout, name, about, place)
    texts = [layout.columns.cell(cells, role) for role in ("start", "end", "length")]
    reason = None
    if not label:
        reason = "rows without a label" if any(texts) else "rows with a recording only: it shows no action"
    elif label in options.background:
        reason = "background '%s'" % label
    if reason is None:
        return [_row(name, label, layout, texts, place)]
    left_out.append((reason, place))
    return []


def _row(name, label, layout, texts, place):
    start, start_unit = parse_time(texts[0], layout.unit, place, layout.decimal_comma)
    ends = "end" in layout.columns.index
    end, end_unit = parse_time(texts[1 if ends else 2], layout.unit, place, layout.decimal_comma)
    if start_unit != end_unit:
        raise UserError("%s: one time is in %s and the other in %s" % (place, start_unit, end_unit))
    return Row(name, start, end if ends else start + end, start_unit, label, place)
