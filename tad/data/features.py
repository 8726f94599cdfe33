"""Feature stores: a folder of ``ID.npy``/``.npz``/``.csv``, one such file, an ``.npz``/HDF5 file with many ids, or a
``.json`` file that joins several of them (:mod:`tad.data.streams`).
"""

import os
import warnings
from collections import OrderedDict
from functools import partial

import h5py
import numpy as np
import pandas

from tad.arrays import Archive, bytes_of, check_size, read_npy
from tad.data import streams
from tad.data.decimals import with_points
from tad.errors import UserError, reason
from tad.files import paths_by_stem

FOLDER_SUFFIXES = (".npy", ".npz", ".csv")
HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf")
_SEPARATORS = frozenset(";\t ")  # in a cell they show that its file is not one of commas


class FeatureError(Exception):
    """The features of one recording cannot be used; the message says why, in the middle of a sentence.

    ``kind`` is one of ``missing``, ``unreadable``, ``shape`` and ``not finite``.
    """

    def __init__(self, message, kind="unreadable"):
        super(FeatureError, self).__init__(message)
        self.kind = kind


class FeatureStore(object):
    """Features by recording id; what was read stays in memory up to ``cache_mib``.

    :param path: folder or file.
    :param group: where in an HDF5 file the recordings are; None for its top level.
    :raises UserError: ``path`` is missing, empty, or of no known kind.
    """

    def __init__(self, path, cache_mib=2048, group=None):
        self.path = path
        self._group = group
        self.joined = None
        if group is None and path.lower().endswith(streams.SUFFIX) and os.path.isfile(path):
            self.joined = Joined(streams.read_streams(path), path)
            self._load, self.ids, self._files = self.joined.load, self.joined.ids, None
        else:
            self._load, self.ids, self._files = open_store(path, group)
        self._cache = OrderedDict()
        self._room = cache_mib * 2 ** 20

    def __contains__(self, name):
        return name in self.ids

    def forget(self):
        """Free what was read and kept."""
        self._room += sum(array.nbytes for array in self._cache.values())
        self._cache.clear()

    def place(self, name):
        """Where the features of one recording are: the file, and the name in it (None for a file of its own).

        :raises FeatureError: nowhere.
        """
        if name not in self.ids:
            raise FeatureError("has no features in %s" % self.path, "missing")
        if self._files is not None:
            return self._files[name], None
        return self.path, name if self._group is None else "%s/%s" % (self._group, name)

    def load(self, name):
        """The array of one recording as it is stored, neither checked nor kept.

        :raises FeatureError: missing or unreadable.
        """
        self.place(name)
        return self._load(name)

    def read(self, name):
        """Features float32 ``(T, C)`` of one recording.

        :raises FeatureError: missing, unreadable, empty, not two-dimensional, or not finite.
        """
        if name in self._cache:
            self._cache.move_to_end(name)
            return self._cache[name]
        array = checked(self.load(name))
        self._cache[name] = array
        self._room -= array.nbytes
        while self._room < 0 and len(self._cache) > 1:
            self._room += self._cache.popitem(last=False)[1].nbytes
        return array


class Joined(object):
    """Several feature stores as one: streams are joined channel by channel.

    :param listed: :class:`tad.data.streams.Streams`
    :param path: the file that lists them, for messages.
    :raises UserError: a part cannot be opened, or two parts of one stream have the same recording.
    """

    def __init__(self, listed, path):
        self.every = listed.every
        self._path = path
        try:
            self._streams = [[FeatureStore(part.path, 0, part.group) for part in parts] for parts in listed.streams]
        except UserError as error:
            raise UserError("%s: %s" % (path, error))
        for parts in self._streams:
            _check_apart(parts, path)
        self.ids = frozenset(name for parts in self._streams for part in parts for name in part.ids)

    def parts(self, name):
        """The store of each stream that has one recording.

        :raises FeatureError: a stream has none.
        """
        found = []
        for parts in self._streams:
            holding = [part for part in parts if name in part]
            if not holding:
                raise FeatureError("has no features in %s, but in other streams of %s"
                                   % (" or ".join(part.path for part in parts), self._path), "missing")
            found += holding
        return found

    def length(self, name, lengths):
        """Snippets of one recording whose streams have ``lengths`` of them.

        :raises FeatureError: they differ by more than one.
        """
        common = streams.common_length(lengths)
        if common is None:
            raise FeatureError("has streams of different lengths (%s snippets in %s), where only the last snippet may "
                               "be missing" % (" and ".join(map(str, lengths)),
                                               ", ".join(part.path for part in self.parts(name))), "shape")
        return common

    def load(self, name):
        """The joined array of one recording."""
        arrays = [part.load(name) for part in self.parts(name)]
        for array in arrays:
            checked_form(array.shape, array.dtype)
        arrays = [array[::self.every] for array in arrays]
        length = self.length(name, [len(array) for array in arrays])
        return np.concatenate([array[:length] for array in arrays], axis=1)


def _check_apart(parts, path):
    seen = {}
    for part in parts:
        for name in part.ids:
            if name in seen:
                raise UserError("%s: both %s and %s have features of '%s', in one stream"
                                % (path, seen[name], part.path, name))
            seen[name] = part.path


def checked(array, first=0):
    """An array as finite float32 ``(T, C)``; ``first`` is the snippet that its row 0 stands for in messages."""
    array = np.asarray(array)
    checked_form(array.shape, array.dtype)
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    finite = np.isfinite(array)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise FeatureError("has NaN or infinite features (%d values, the first in snippet %d, channel %d)"
                           % ((~finite).sum(), first + row, column), "not finite")
    return array


def checked_form(shape, dtype):
    """Refuse what cannot be features by its shape or type."""
    if len(shape) != 2:
        raise FeatureError("has features of shape %s, where (snippets, channels) is needed" % (tuple(shape),), "shape")
    if 0 in shape:
        raise FeatureError("has empty features of shape %s" % (tuple(shape),), "shape")
    if dtype.kind not in "fiu":
        raise FeatureError("has features of type %s, where numbers are needed" % dtype)


def open_store(path, group=None):
    """How to read one id, the ids there are, and their files (None where all are in one).

    :param group: where in an HDF5 file the recordings are.
    """
    if not os.path.exists(path):
        raise UserError("the features %s do not exist; check dataset.features" % path)
    if group is not None and not path.lower().endswith(HDF5_SUFFIXES):
        raise UserError("the features %s are no HDF5 file (%s), so they have no group '%s'"
                        % (path, ", ".join(HDF5_SUFFIXES), group))
    if os.path.isdir(path):
        return _open_folder(path)
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".npz":
        return _open_npz(path)
    if suffix in HDF5_SUFFIXES:
        return _open_hdf5(path, group)
    if suffix in FOLDER_SUFFIXES:
        files = {os.path.splitext(os.path.basename(path))[0]: path}
        return partial(_read_file, files), frozenset(files), files
    raise UserError("the features %s must be a folder, an HDF5 file (%s), or a file of one of the kinds %s"
                    % (path, ", ".join(HDF5_SUFFIXES), ", ".join(FOLDER_SUFFIXES)))


def _open_folder(path):
    files = paths_by_stem(path, sorted(os.listdir(path)), FOLDER_SUFFIXES, "feature files for")
    if not files:
        raise UserError("the feature folder %s holds no %s file" % (path, ", ".join(FOLDER_SUFFIXES)))
    return partial(_read_file, files), frozenset(files), files


def _open_npz(path):
    try:
        with Archive(path) as archive:
            ids = frozenset(archive.files)
    except Exception as error:  # numpy raises zipfile, zlib, OS and value errors for a broken file
        raise UserError("cannot read the features %s: %s" % (path, reason(error)))
    return partial(guarded, _npz_member, path), ids, None


def _npz_member(path, name):
    with Archive(path) as archive:
        return archive[name]


def _open_hdf5(path, group):
    try:
        with h5py.File(path, "r") as archive:
            place = archive if group is None else archive.get(group)
            if not isinstance(place, h5py.Group):
                raise ValueError("there is no group '%s' in it" % group)
            ids = frozenset(name for name in place if isinstance(place.get(name), h5py.Dataset))
    except Exception as error:  # HDF5 has a dozen words for a broken file, and h5py as many types for them
        raise UserError("cannot read the features %s: %s" % (path, reason(error)))
    if not ids:
        raise UserError("the HDF5 file %s holds no dataset %s; tad data import --features brings nested ones there"
                        % (path, "at its top level" if group is None else "in its group '%s'" % group))
    return partial(guarded, _hdf5_dataset, path, group), ids, None


def _hdf5_dataset(path, group, name):
    with h5py.File(path, "r") as archive:
        dataset = (archive if group is None else archive[group])[name]
        check_dataset(dataset, name)
        return dataset[()]


def check_dataset(dataset, name):
    """Refuse an HDF5 dataset that holds no numbers, numbers of another file, or far less than it declares.

    :raises FeatureError, ValueError: as :func:`checked_form` and :func:`tad.arrays.check_size`.
    """
    if dataset.dtype.kind not in "fiub":
        raise FeatureError("has features of type %s, where numbers are needed" % dataset.dtype)
    if dataset.external:
        raise FeatureError("has features that lie in another file, %s; copy them into the HDF5 file"
                           % dataset.external[0][0])
    check_size(bytes_of(dataset.shape, dataset.dtype), dataset.id.get_storage_size(), "its dataset '%s'" % name)


def _read_file(files, name):
    path = files[name]
    return guarded(READERS[os.path.splitext(path)[1].lower()], path)


def guarded(read, path, *name):
    """``read(path, *name)``, whose every failure becomes a :class:`FeatureError`."""
    try:
        return read(path, *name)
    except FeatureError:
        raise
    except Exception as error:  # a broken file surfaces as one of a dozen types, by library and version
        raise FeatureError("has unreadable features (%s: %s)" % (path, reason(error)))


def _only_array(path):
    with Archive(path) as archive:
        if len(archive.files) != 1:
            raise FeatureError("has %d arrays in %s, where one is needed" % (len(archive.files), path))
        return archive[archive.files[0]]


def read_csv(path, delimiter=","):
    """Numbers in columns, float64, with or without one line of column names; decimal commas beside other delimiters.

    :raises FeatureError: there is text, or the lines differ in length so much that memory would be lost on it.
    """
    _check_cells(path, delimiter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=pandas.errors.DtypeWarning)
        table = pandas.read_csv(path, sep=r"\s+" if delimiter == " " else delimiter, header=None, dtype=str,
                                skip_blank_lines=True)
    if delimiter != ",":
        table = with_points(table)
    numbers = table.apply(pandas.to_numeric, errors="coerce")
    first_is_names = len(table) > 0 and numbers.iloc[0].isna().all()
    body = numbers.iloc[1:] if first_is_names else numbers
    text = table.iloc[1:] if first_is_names else table
    if not len(body):
        return np.zeros(body.shape)
    words = body.isna() & ~text.isna() & ~text.apply(lambda column: column.str.strip().str.lower().eq("nan"))
    if words.values.any():
        row, column = np.argwhere(words.values)[0]
        found = str(text.iloc[row, column])
        other = _SEPARATORS & set(found)
        hint = "; tad data import --features reads tables of semicolons, tabs or blanks" if other else ""
        raise FeatureError("has text in its features (%s, data row %d, column %d: '%s'%s)"
                           % (path, row + 1, column + 1, found if len(found) <= 40 else found[:37] + "...", hint))
    return body.values.astype(np.float64)


def _check_cells(path, delimiter):
    """pandas makes every line as long as the first: a file of a megabyte could ask for a terabyte of empty cells."""
    with open(path, "rb") as stream:
        first = b""
        while not first.strip():
            first = stream.readline()
            if not first:
                return
        cells = len(first.split()) if delimiter == " " else first.count(delimiter.encode("utf-8")) + 1
        lines = 1 + sum(block.count(b"\n") for block in iter(lambda: stream.read(2 ** 20), b""))
    if cells * lines > 2 * os.path.getsize(path) + 10000:
        raise FeatureError("has lines of different lengths (%s): %d columns in the first, far fewer in others"
                           % (path, cells))


READERS = {".npy": read_npy, ".npz": _only_array, ".csv": read_csv}
