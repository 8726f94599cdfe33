"""Reads CSV files of public data sets: known columns, one sentence for whatever is wrong with them."""

import csv
import os

from tad.data.annotations import number
from tad.errors import UserError

MOST_BYTES = 2 ** 28  # of one table; the largest there is has one MiB


class Row:
    """Cells by column; ``place`` is file and line, for messages."""

    # No NamedTuple: before Python 3.8 its fields are read through __getitem__
    def __init__(self, place, cells):
        self.place = place
        self.cells = cells

    def __getitem__(self, column):
        return self.cells[column]

    def number(self, column):
        """The cell as a finite float."""
        return number(self.cells[column], "%s: '%s'" % (self.place, column))


def read_rows(path, columns):
    """The rows of a CSV file with one line of column names, blank lines left out.

    :param columns: names that must be there; others are kept too.
    :returns: list of :class:`Row`
    :raises UserError: the file cannot be read, is no such table, or has no row.
    """
    try:
        if os.path.getsize(path) > MOST_BYTES:
            raise UserError("%s is larger than %d MiB, which no list of videos is" % (path, MOST_BYTES // 2 ** 20))
        with open(path, encoding="utf-8-sig", newline="") as stream:
            rows = _rows(path, csv.reader(stream, strict=True), columns)
    except OSError as error:
        raise UserError("cannot read %s: %s" % (path, error.strerror))
    except UnicodeDecodeError as error:
        raise UserError("%s is not UTF-8 text (byte %d)" % (path, error.start))
    except csv.Error as error:
        raise UserError("%s is no CSV table: %s" % (path, error))
    if not rows:
        raise UserError("%s has no row" % path)
    return rows


def _rows(path, reader, columns):
    names = [name.strip() for name in next(reader, [])]
    missing = [column for column in columns if column not in names]
    if missing:
        raise UserError("%s has no column '%s'; its first line must name %s" % (path, missing[0], ", ".join(columns)))
    rows = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        place = "%s, line %d" % (path, reader.line_num)
        if len(cells) != len(names):
            raise UserError("%s has %d cells where %d are named" % (place, len(cells), len(names)))
        rows.append(Row(place, {name: cell.strip() for name, cell in zip(names, cells)}))
    return rows
