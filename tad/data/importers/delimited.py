"""Tables in text files: delimiter, comments and header found by looking."""

import csv
import io
from typing import List, NamedTuple, Tuple

from tad.data.decimals import DECIMAL_COMMA
from tad.errors import UserError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " "}
_LOOK_AT = 50  # lines that tell the delimiter


class Table(NamedTuple):
    """Rows of cells with the line each ends in; ``names`` is the first row."""

    path: str
    names: List[str]
    rows: List[Tuple[int, List[str]]]
    delimiter: str

    def place(self, line):
        """How messages name a line."""
        return "%s, line %d" % (self.path, line)

    @property
    def delimiter_word(self):
        return DELIMITERS.get(self.delimiter, "space")


def looks_like_table(file):
    """Whether a text file has columns."""
    return file.is_text and guess_delimiter(file.text) is not None


def read_table(file, delimiter=None, skip=0):
    """The table in a text file; comment lines (``#``) before the header and empty lines are skipped.

    :param delimiter: one character, or a word of ``WORDS``; None looks for it.
    :param skip: lines before the table.
    :raises UserError: there are no columns, or a row has more cells than the header has names.
    """
    text = "".join(file.text.splitlines(True)[skip:])
    delimiter = WORDS.get(delimiter, delimiter) or guess_delimiter(text)
    if delimiter is None:
        raise UserError("%s has no columns: found neither comma, semicolon, tab nor bar in its lines; give --delimiter"
                        % file.path)
    if len(delimiter) != 1:
        raise UserError("--delimiter must be one character or one of %s, not '%s'" % (", ".join(WORDS), delimiter))
    try:
        rows = [(line + skip, cells) for line, cells in _rows(text, delimiter)]
    except csv.Error as error:
        raise UserError("%s cannot be read as a table: %s" % (file.path, error))
    if not rows:
        raise UserError("%s has no lines" % file.path)
    names = [name.strip() for name in rows[0][1]]
    table = Table(file.path, names, rows[1:], delimiter)
    for line, cells in table.rows:
        if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names):]):
            raise UserError("%s has %d cells where the first line has %d; is a %s missing its quotes?"
                            % (table.place(line), len(cells), len(names), table.delimiter_word))
    return table


def _rows(text, delimiter):
    if delimiter == " ":
        numbered = [(line, words.split()) for line, words in enumerate(text.splitlines(), 1)]
    else:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        numbered = [(reader.line_num, cells) for cells in reader]
    numbered = [(line, cells) for line, cells in numbered if any(cell.strip() for cell in cells)]
    first = next((index for index, (_, cells) in enumerate(numbered) if not cells[0].lstrip().startswith("#")), 0)
    return numbered[first:]


def guess_delimiter(text):
    """The delimiter that gives the first lines two or more columns each, as many as possible; None for none."""
    lines = [line for line in text[:65536].splitlines() if line.strip() and not line.startswith("#")][:_LOOK_AT]
    for delimiter in (";", "\t", "|"):
        if _has_decimal_commas(_split(lines, delimiter)):
            return delimiter
    best, best_score = None, (0.5, 0)
    for delimiter in list(DELIMITERS) + [" "]:
        counts = [len(cells) for cells in _split(lines, delimiter)]
        # A line of prose has blanks too
        if not counts or counts[0] < (3 if delimiter == " " else 2) or (delimiter == " " and len(counts) < 2):
            continue
        agree = counts.count(counts[0]) / float(len(counts))
        # Spaces also stand between the words of one cell: only when nothing else divides the lines
        if (agree, counts[0]) > best_score and not (delimiter == " " and best):
            best, best_score = delimiter, (agree, counts[0])
    return best


def _has_decimal_commas(rows):
    """Whether all rows have as many cells, and commas only in numbers: ``0,5;1,25`` is two cells, not three."""
    commas = [cell for row in rows for cell in row if "," in cell]
    return (len({len(row) for row in rows}) == 1 and len(rows[0]) > 1 and bool(commas)
            and all(DECIMAL_COMMA.match(cell) for cell in commas))


def _split(lines, delimiter):
    if delimiter == " ":
        return [line.split() for line in lines]
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return []
