"""Numbers with a decimal comma, as spreadsheets write them in half of the world."""

import re

DECIMAL_COMMA = re.compile(r"^\s*[+-]?\d*,\d+(?:[eE][+-]?\d+)?\s*$")


def with_points(table):
    """A table of text where ``0,5`` is ``0.5`` in every column whose commas are all decimal ones.

    :param table: data frame of text, from a file whose columns are not divided by commas.
    """
    return table.apply(_column_with_points)


def _column_with_points(column):
    commas = column[column.str.contains(",", regex=False, na=False)]
    if not len(commas) or not commas.str.match(DECIMAL_COMMA.pattern).all():
        return column
    return column.str.replace(",", ".", regex=False)
