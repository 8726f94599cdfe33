"""Reads NumPy files of strangers: no pickles, and no more memory than a file's own size can account for.

``np.load`` believes what a header declares; a file of a few bytes can declare terabytes, and an archive of a few
kilobytes can unpack to gigabytes.
"""

import ast
import os
import re
import struct
import zipfile

import numpy as np

SMALL_BYTES = 2 ** 28   # what any file may unpack to: 256 MiB
DENSEST = 100           # beyond that, times that an array may be larger than what is stored of it
LONGEST_HEADER = 10000  # bytes; a plain array's has about a hundred


def check_size(declared, stored, what="it"):
    """Refuse an array that is out of all proportion to its file, before memory is taken for it.

    :param declared: bytes of the array; ``stored``: bytes that hold it.
    :raises ValueError: the array is larger than 256 MiB and than a hundred times what is stored.
    """
    if declared > max(SMALL_BYTES, DENSEST * stored):
        raise ValueError("%s declares %.3g GiB in %.3g MiB of file, which no features do; it is damaged or made to "
                         "fill the memory" % (what, declared / 2.0 ** 30, stored / 2.0 ** 20))


def npy_form(stream):
    """Shape, Fortran order, dtype and header bytes of the ``.npy`` data that begins in a stream.

    :raises ValueError: it is none, or its header makes no sense.
    """
    start = stream.read(8)
    if len(start) < 8 or start[:6] != b"\x93NUMPY" or start[6] not in (1, 2, 3):
        raise ValueError("is no .npy data")
    size = 2 if start[6] == 1 else 4
    length = stream.read(size)
    if len(length) < size:
        raise ValueError("ends within its header")
    length, = struct.unpack("<H" if size == 2 else "<I", length)
    if length > LONGEST_HEADER:
        raise ValueError("has a header of %d bytes, where a plain array's has about a hundred" % length)
    text = stream.read(length)
    if len(text) < length:
        raise ValueError("ends within its header")
    return _parsed(text) + (8 + size + length,)


def _parsed(text):
    try:
        # Python 2 wrote (300L, 64L)
        header = ast.literal_eval(re.sub(r"(\d)L\b", r"\1", text.decode("latin-1").strip()))
        shape, order, dtype = header["shape"], header["fortran_order"], np.dtype(header["descr"])
    except Exception as error:  # what a spoiled header does to the parser and to NumPy comes as a dozen types
        raise ValueError("has a spoiled header (%s)" % type(error).__name__)
    sound = isinstance(shape, tuple) and isinstance(order, bool) and all(
        type(length) is int and 0 <= length < 2 ** 62 for length in shape)
    if not sound:
        raise ValueError("has a header with shape %.60r" % (shape,))
    if dtype.hasobject:
        raise ValueError("holds Python objects, which could run code; save plain numbers")
    return shape, order, dtype


def bytes_of(shape, dtype):
    """Bytes of an array, exact also where 64 bits would overflow."""
    total = dtype.itemsize
    for length in shape:
        total *= int(length)
    return total


def check_npy(path):
    """:func:`whole_npy_form` of the file at a path."""
    with open(path, "rb") as stream:
        return whole_npy_form(stream)


def whole_npy_form(stream):
    """Shape, Fortran order, dtype and place of the first number of an open ``.npy`` file that is as long as it says.

    :raises ValueError: it is shorter, or no ``.npy`` file.
    """
    shape, order, dtype, begin = npy_form(stream)
    if begin + bytes_of(shape, dtype) > os.fstat(stream.fileno()).st_size:
        raise ValueError("declares an array of shape %s and type %s, for which the file is too short"
                         % (shape, dtype))
    return shape, order, dtype, begin


def read_npy(path):
    """The array in a ``.npy`` file.

    :raises ValueError: as :func:`whole_npy_form`.
    """
    with open(path, "rb") as stream:  # once: another file may take the path meanwhile
        whole_npy_form(stream)
        stream.seek(0)
        return np.load(stream, allow_pickle=False)


class Archive(object):
    """The arrays of a ``.npz`` archive at a path or in a stream: ``with Archive(path) as archive: archive[name]``.

    ``files`` lists their names.

    :raises Exception: the archive is broken; the types are those of :mod:`zipfile` and :mod:`zlib`.
    """

    def __init__(self, file):
        self._zip = zipfile.ZipFile(file)
        self._members = {name[:-4]: name for name in self._zip.namelist() if name.endswith(".npy")}
        self.files = list(self._members)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._zip.close()

    def form(self, name):
        """Shape and dtype of an array, without reading it.

        :raises ValueError: its size is out of proportion to the archive.
        """
        member = self._zip.getinfo(self._members[name])
        with self._zip.open(member) as stream:
            shape, _, dtype, begin = npy_form(stream)
        wanted = begin + bytes_of(shape, dtype)
        if wanted != member.file_size:
            raise ValueError("its array '%s' declares shape %s and type %s, which takes %d bytes and not %d"
                             % (name, shape, dtype, wanted, member.file_size))
        check_size(wanted, member.compress_size, "its array '%s'" % name)
        return shape, dtype

    def __getitem__(self, name):
        self.form(name)
        with self._zip.open(self._members[name]) as stream:
            array = np.lib.format.read_array(stream, allow_pickle=False)
            stream.read(1)  # at the end of the member, its checksum is compared
        return array
