"""Features of one recording, read piece by piece: a ten-hour recording never lies in memory as a whole."""

import os

import h5py
import numpy as np

from tad.arrays import check_npy, whole_npy_form
from tad.data.features import HDF5_SUFFIXES, check_dataset, checked, checked_form, guarded

SMALL_BYTES = 2 ** 24    # a smaller file is read whole
BLOCK_BYTES = 2 ** 25    # of features that are looked at in one go


class Rows(object):
    """Looks like a float32 array ``(T, C)`` that can only be sliced along T; every slice is read anew and checked.

    :param shape: ``(T, C)``
    :param read: function (first, last) -> array ``(last - first, C)``.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, shape, read):
        self.shape = shape
        self._read = read

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, piece):
        """Rows of a slice with step 1.

        :raises FeatureError: they cannot be read or are not finite.
        """
        first, last, step = piece.indices(len(self))
        if step != 1:
            raise IndexError("features are sliced with step 1 only")
        return checked(self._read(first, max(first, last)), first)

    def map(self, change):
        """The same rows after ``change(rows)``, for example a normalization."""
        return Rows(self.shape, lambda first, last: change(self[first:last]))

    def check(self):
        """Read everything once, in blocks.

        :raises FeatureError: something cannot be read or is not finite.
        """
        block = max(1, BLOCK_BYTES // (4 * self.shape[1]))
        for first in range(0, len(self), block):
            self[first:first + block]


def array_rows(array):
    """Rows of anything that has a shape and can be sliced: an array, a memory map, an HDF5 dataset, a tensor.

    :raises FeatureError: it is empty, not two-dimensional, or holds no numbers.
    """
    if not (hasattr(array, "shape") and hasattr(array, "dtype")):
        array = np.asarray(array)
    if hasattr(array, "detach"):
        array = array.detach().cpu().numpy()
    checked_form(array.shape, np.dtype(array.dtype))
    return Rows(tuple(array.shape), lambda first, last: array[first:last])


def open_rows(store, name):
    """Rows of one recording of a :class:`tad.data.features.FeatureStore`.

    Large ``.npy`` files and HDF5 datasets are read piece by piece; ``.csv`` and ``.npz`` can only be read whole.

    :raises FeatureError: as :meth:`FeatureStore.read`; what is not finite shows only when it is read.
    """
    if store.joined is not None:
        return _joined_rows(store.joined, name)
    place, member = store.place(name)
    suffix = os.path.splitext(place)[1].lower()
    if os.path.exists(place) and os.path.getsize(place) >= SMALL_BYTES:
        if suffix == ".npy":
            return _lazy(_npy_form, _npy_piece, place)
        if suffix in HDF5_SUFFIXES:
            return _lazy(_hdf5_form, _hdf5_piece, place, member)
    return array_rows(store.read(name))


def _joined_rows(joined, name):
    """The rows of several streams side by side."""
    parts = [_thinned(open_rows(part, name), joined.every) for part in joined.parts(name)]
    length = joined.length(name, [len(part) for part in parts])
    return Rows((length, sum(part.shape[1] for part in parts)),
                lambda first, last: np.concatenate([part[first:last] for part in parts], axis=1))


def _thinned(rows, every):
    """Each ``every``-th row."""
    if every == 1:
        return rows
    count = (len(rows) + every - 1) // every
    return Rows((count, rows.shape[1]), lambda first, last: rows[first * every:max(0, (last - 1) * every + 1)][::every])


def _lazy(form, piece, *place):
    shape, dtype = guarded(form, *place)
    checked_form(shape, dtype)
    rows = max(1, BLOCK_BYTES // (dtype.itemsize * shape[1]))
    return Rows(shape, _ReadAhead(lambda first, last: guarded(piece, *(place + (first, last))), shape[0], rows))


class _ReadAhead(object):
    """Reads a block at once where pieces follow each other: windows overlap, and HDF5 unpacks whole chunks."""

    def __init__(self, read, end, rows):
        self._read, self._end, self._rows = read, end, rows
        self._first, self._held = 0, None

    def __call__(self, first, last):
        held_to = self._first + (0 if self._held is None else len(self._held))
        if not (self._first <= first and last <= held_to):
            follows = self._first <= first <= held_to
            self._held = None
            self._held = self._read(first, min(self._end, max(last, first + self._rows)) if follows else last)
            self._first = first
        return self._held[first - self._first:last - self._first]


def _npy_form(path):
    shape, _, dtype, _ = check_npy(path)
    return shape, dtype


def _npy_piece(path, first, last):
    with open(path, "rb") as stream:  # once, as in read_npy
        shape, fortran, dtype, begin = whole_npy_form(stream)
        if fortran:
            # A map of its own for each piece: what an old one has touched would stay in memory
            return np.array(np.load(path, mmap_mode="r", allow_pickle=False)[first:last])
        # Read and not mapped: where a file shrinks under a map, the system kills the process
        width = shape[1] * dtype.itemsize
        stream.seek(begin + first * width)
        content = stream.read((last - first) * width)
    return np.frombuffer(content, dtype).reshape(last - first, shape[1])


def _hdf5_form(path, name):
    with h5py.File(path, "r") as archive:
        check_dataset(archive[name], name)
        return archive[name].shape, archive[name].dtype


def _hdf5_piece(path, name, first, last):
    with h5py.File(path, "r") as archive:
        return archive[name][first:last]
