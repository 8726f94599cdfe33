"""Tables with one frame (or sensor sample) a row and its label: runs of one label become actions."""

from collections import OrderedDict

from tad.data.importers.layout import label_of, note_facts, recording_of
from tad.data.importers.reading import Row
from tad.data.importers.times import parse_time
from tad.errors import UserError


def actions(file, layout, about, left_out, options):
    """Runs of rows with one label; the last row of a run lasts as long as the step from row to row.

    Rows must stand in the order of time within a recording. A gap in time ends a run.
    """
    frames = OrderedDict()
    for line, cells in layout.table.rows:
        place = layout.table.place(line)
        name = recording_of(cells, layout, file)
        note_facts(cells, layout, name, about, place)
        time, unit = parse_time(layout.columns.cell(cells, "frame"), layout.unit, place, layout.decimal_comma)
        frames.setdefault(name, []).append((time, unit, label_of(cells, layout, options), place))
    rows = []
    for name, listed in frames.items():
        rows += _runs(name, listed, left_out, options.background)
    return rows


def _runs(name, listed, left_out, background):
    step = _step(name, listed)
    rows, first = [], 0
    for index in range(1, len(listed) + 1):
        ended = index == len(listed) or listed[index][2] != listed[first][2] \
            or listed[index][0] - listed[index - 1][0] > 1.5 * step
        if ended:
            start, unit, label, place = listed[first]
            if not label or label in background:
                left_out.append(("background '%s'" % label if label else "frames without a label", place))
            else:
                rows.append(Row(name, start, listed[index - 1][0] + step, unit, label, place))
            first = index
    return rows


def _step(name, listed):
    """The commonest distance from row to row."""
    steps = [later[0] - earlier[0] for earlier, later in zip(listed, listed[1:])]
    backward = next((index for index, value in enumerate(steps) if value <= 0), None)
    if backward is not None:
        raise UserError("%s: frame %g of '%s' comes after frame %g; frames must stand in the order of time, once each"
                        % (listed[backward + 1][3], listed[backward + 1][0], name, listed[backward][0]))
    return sorted(steps)[len(steps) // 2] if steps else 1.0
