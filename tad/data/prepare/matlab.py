"""Reads structs of text and numbers from MATLAB files (level 5, what ``save -v7`` writes), and nothing else of them.

A file is data here, never code: objects, function handles and Java or Python things are refused, every length is
checked against the bytes that are there, and what is unpacked is bounded. scipy's reader has none of these bounds: it
takes whatever memory a header declares, and crashes on cells nested deeply enough. Format: MathWorks, "MAT-File Level 5
File Format".
"""

import os
import struct
import zlib

from tad.errors import UserError

MOST_BYTES = 2 ** 26  # of a file, and of what it unpacks to; THUMOS14's have one
DEEPEST = 8           # cells and structs in one another

_NUMBERS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
_MATRIX, _COMPRESSED = 14, 15
_TEXT = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)
_REFUSED = {3: "an object", 5: "a sparse matrix", 16: "a function handle", 17: "an opaque object"}


def read_struct(path, variable):
    """A struct array of a MATLAB file.

    :param variable: its name in the file.
    :returns: list of dicts, one an element, by field: text is ``str``, a single number a number, any other array and
        any cell a flat tuple, an inner struct a list of dicts.
    :raises UserError: the file cannot be read, holds more than text and numbers, or has no such struct.
    """
    try:
        size = os.path.getsize(path)
        if size > MOST_BYTES:
            raise UserError("the MATLAB file %s is larger than %d MiB, which no list of videos is"
                            % (path, MOST_BYTES // 2 ** 20))
        with open(path, "rb") as stream:
            content = stream.read(size)
    except OSError as error:
        raise UserError("cannot read the MATLAB file %s: %s" % (path, error.strerror))
    try:
        found = _variable(content, variable)
    except (ValueError, struct.error, zlib.error) as error:
        raise UserError("cannot read the MATLAB file %s: it %s" % (path, error))
    return found


def _variable(content, wanted):
    names = []
    for elements in _top_level(content):
        name, value = _matrix(elements, 0, wanted)
        if name == wanted:
            if not isinstance(value, list):
                raise ValueError("has '%s', but it is no struct" % wanted)
            return value
        names.append(name)
    raise ValueError("has no variable '%s'; it has %s" % (wanted, ", ".join("'%.40s'" % name for name in names) or
                                                          "none"))


def _top_level(content):
    """The elements of each variable of a file."""
    if content[:8] == b"\x89HDF\r\n\x1a\n" or content[124:128] in (b"\x00\x02IM", b"\x02\x00MI"):
        raise ValueError("is of MATLAB 7.3; save it again with save -v7")
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("is no MATLAB 5 file (save -v7 makes one)")
    elements = _Elements(content, order, 128)
    while elements.left():
        kind, inside = elements.next(padded=False)
        if kind == _COMPRESSED:
            kind, inside = _Elements(_unpacked(inside.rest()), order).next()
        if kind != _MATRIX:
            raise ValueError("has data of type %d where a variable should be" % kind)
        yield inside


def _unpacked(packed):
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(packed, MOST_BYTES)
    if unpacker.unconsumed_tail:
        raise ValueError("unpacks to more than %d MiB; it is made to fill the memory" % (MOST_BYTES // 2 ** 20))
    if not unpacker.eof:
        raise ValueError("ends within packed data")
    return content


class _Elements(object):
    """The elements that follow one another in some bytes."""

    def __init__(self, content, order, place=0):
        self._content, self._place, self.order = content, place, order

    def left(self):
        """Bytes that are left."""
        return len(self._content) - self._place

    def rest(self):
        """All that is left, as bytes."""
        return self.take(self.left())

    def take(self, size):
        """The next bytes."""
        if size > self.left():
            raise ValueError("ends early: %d bytes are declared where %d are left" % (size, self.left()))
        self._place += size
        return self._content[self._place - size:self._place]

    def unpack(self, letter, size):
        """The next bytes as numbers."""
        each = struct.calcsize(letter)
        if size % each:
            raise ValueError("has %d bytes for numbers of %d bytes each" % (size, each))
        return struct.unpack("%s%d%s" % (self.order, size // each, letter), self.take(size))

    def next(self, padded=True):
        """Type and content of the next element; up to four bytes lie inside its tag."""
        first, = self.unpack("I", 4)
        if first >> 16:
            kind, size = first & 0xffff, first >> 16
            if size > 4:
                raise ValueError("has a small element of %d bytes" % size)
            return kind, _Elements(self.take(4)[:size], self.order)
        size, = self.unpack("I", 4)
        inside = _Elements(self.take(size), self.order)
        if padded:
            self.take(min(-size % 8, self.left()))
        return first, inside

    def numbers(self, kinds=_NUMBERS):
        """The next element as numbers."""
        kind, inside = self.next()
        if kind not in kinds:
            raise ValueError("has data of type %d where numbers should be" % kind)
        return inside.unpack(_NUMBERS[kind], inside.left())

    def text(self):
        """The next element as text."""
        kind, inside = self.next()
        if kind not in _TEXT:
            raise ValueError("has data of type %d where text should be" % kind)
        coding = _TEXT[kind]
        if coding in ("utf-16", "utf-32"):
            coding += "-le" if self.order == "<" else "-be"
        return inside.rest().decode(coding)


def _matrix(elements, depth, wanted=None):
    """Name and value of a matrix.

    :param wanted: the name of the only matrix whose value is needed; None for any.
    """
    if depth > DEEPEST:
        raise ValueError("has cells or structs nested deeper than %d" % DEEPEST)
    if not elements.left():  # how an empty matrix inside a cell or struct may be written
        return "", ()
    flags = elements.numbers((6,))
    kind = flags[0] & 0xff if flags else 0
    lengths = elements.numbers((5,))
    count = _product(lengths)
    name = elements.text()
    if wanted is not None and name != wanted:
        return name, None
    if kind == _STRUCT:
        return name, _structs(elements, count, depth)
    if kind == _CELL:
        return name, tuple(_inner(elements, depth) for _ in range(_fitting(count, elements)))
    if kind == _CHAR:
        if count and lengths[0] != 1:
            raise ValueError("has text in several rows, which nothing here needs")
        return name, elements.text() if count else ""
    if kind not in _NUMERIC:
        raise ValueError("holds %s, which is no text or number" % _REFUSED.get(kind, "data of class %d" % kind))
    values = elements.numbers()
    if len(values) != count:
        raise ValueError("has an array of %d numbers where %d are declared" % (len(values), count))
    return name, values[0] if count == 1 else values


def _structs(elements, count, depth):
    length = elements.numbers((5,))
    names = elements.text()
    if len(length) != 1 or length[0] < 1 or len(names) % length[0]:
        raise ValueError("has a struct with spoiled names of fields")
    fields = [names[first:first + length[0]].split("\0")[0] for first in range(0, len(names), length[0])]
    _fitting(count * len(fields), elements)
    if count and not fields:
        raise ValueError("has a struct without fields")
    return [{field: _inner(elements, depth) for field in fields} for _ in range(count)]


def _inner(elements, depth):
    kind, inside = elements.next()
    if kind != _MATRIX:
        raise ValueError("has data of type %d where a cell or field should be" % kind)
    return _matrix(inside, depth + 1)[1]


def _fitting(count, elements):
    """``count``, if that many matrices can be in what is left: each takes eight bytes or more."""
    if 8 * count > elements.left():
        raise ValueError("declares %d cells or fields in %d bytes" % (count, elements.left()))
    return count


def _product(lengths):
    count = 1
    for length in lengths:
        if length < 0:
            raise ValueError("has a matrix of size %d" % length)
        count *= length
    return count
