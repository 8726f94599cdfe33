"""Names of numbered labels."""

from tad.data.importers.delimited import guess_delimiter, read_table
from tad.data.importers.reading import InputFile
from tad.errors import UserError


def read_labels(path):
    """Dict from what stands in annotations to the label's name.

    From lines ``number,name``; from lines with a name only, which count from 0; or from JSON, ``{"3": "Squat"}``,
    ``{"Squat": 3}`` or a list.

    :raises UserError: the file is none of these.
    """
    file = InputFile(path)
    if file.is_json:
        return _from_json(file.document, path)
    if guess_delimiter(file.text) in (None, " "):
        names = [line.strip() for line in file.text.splitlines() if line.strip()]
        return {str(number): name for number, name in enumerate(names)}
    table = read_table(file)
    rows = [table.names] + [cells for _, cells in table.rows]
    pairs = {cells[0].strip(): cells[1].strip() for cells in rows if len(cells) == 2}
    if len(pairs) != len(rows):
        raise UserError("%s must have lines 'number,name', each number once" % path)
    return pairs


def _from_json(document, path):
    if isinstance(document, list):
        return {str(number): str(name) for number, name in enumerate(document)}
    if not isinstance(document, dict) or not document:
        raise UserError("%s must be {number: name}, {name: number} or a list of names" % path)
    if all(isinstance(value, (int, float)) for value in document.values()):
        return {"%g" % number: name for name, number in document.items()}
    return {str(number): str(name) for number, name in document.items()}
