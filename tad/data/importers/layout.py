"""What the columns of a table mean, and what its rows tell of recordings."""

from typing import NamedTuple

from tad.data.importers.columns import Columns
from tad.data.importers.delimited import Table
from tad.data.importers.reading import recording_name, unite
from tad.data.importers.times import parse_number
from tad.errors import UserError


class Layout(NamedTuple):
    """A table and the meaning of its columns; ``unit`` of the times, ``named`` if the header names the recordings."""

    table: Table
    columns: Columns
    unit: str
    decimal_comma: bool


def recording_of(cells, layout, file):
    """The id of a row's recording."""
    if "recording" not in layout.columns.index:
        return file.stem
    return recording_name(layout.columns.cell(cells, "recording"))


def label_of(cells, layout, options):
    """The label of a row, by name where ``--labels`` has one."""
    text = layout.columns.cell(cells, "label")
    return (options.labels or {}).get(text, text)


def note_facts(cells, layout, name, about, place):
    """Remember what a row tells of its recording: subset, duration, fps.

    :raises UserError: a duration or rate is no number above 0, or differs from an earlier row's.
    """
    facts = {"subset": layout.columns.cell(cells, "subset") or None}
    for role, key in (("duration", "duration_s"), ("fps", "fps")):
        text = layout.columns.cell(cells, role)
        if text:
            facts[key] = parse_number(text, place, layout.decimal_comma)
            if facts[key] <= 0:
                raise UserError("%s: the %s '%s' is not above 0" % (place, role, text))
    old = about.get(name)
    for key, value in facts.items():
        before = getattr(old, key) if old else None
        if value is not None and before is not None and value != before:
            raise UserError("%s: recording '%s' has %s '%s' here and '%s' before"
                            % (place, name, key.replace("_s", ""), value, before))
    unite(about, name, **facts)
