"""Feature arrays as other people store them: which there are, their shapes, and one of them at a time."""

import os
from typing import Any, Callable, NamedTuple

import h5py
import numpy as np

from tad.arrays import Archive, check_npy
from tad.data.features import HDF5_SUFFIXES, READERS, FeatureError, check_dataset, guarded, read_csv
from tad.data.importers.delimited import guess_delimiter
from tad.data.recipe import FILE_SUFFIX, FOLDER_RECIPE
from tad.errors import UserError

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
TORCH_SUFFIXES = (".pt", ".pth")
SUFFIXES = (".npy", ".npz") + TORCH_SUFFIXES + TEXT_SUFFIXES + HDF5_SUFFIXES


class Item(NamedTuple):
    """One recording's array: where it is, and how to ``load`` it; ``place`` is for messages."""

    id: str
    place: str
    load: Callable[[], np.ndarray]


def find_items(path, strip=()):
    """The arrays in a folder (also nested), an ``.npz`` or an HDF5 file, sorted by id.

    :param strip: endings that do not belong to ids, such as ``rgb``.
    :returns: list of :class:`Item`, and the files that hold no features.
    :raises UserError: there is none, or two have the same id.
    """
    if not os.path.exists(path):
        raise UserError("the features %s do not exist" % path)
    files = [file for file in sorted(_files_in(path)) if not is_recipe(file)] if os.path.isdir(path) else [path]
    items, others = [], []
    for file in files:
        if os.path.splitext(file)[1].lower() in SUFFIXES:
            items += _items_of(file, strip, file == path)
        else:
            others.append(file)
    if not items:
        raise UserError("%s holds no features; known are files %s" % (path, ", ".join(SUFFIXES)))
    seen = {}
    for item in items:
        if item.id in seen:
            raise UserError("%s and %s are both features of '%s'; import them from separate folders, or mend --strip"
                            % (seen[item.id], item.place, item.id))
        seen[item.id] = item.place
    return sorted(items, key=lambda item: item.id), others


def is_recipe(path):
    """Whether a file says how features were made (:mod:`tad.data.recipe`)."""
    return os.path.basename(path) == FOLDER_RECIPE or path.endswith(FILE_SUFFIX)


def _files_in(folder):
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield os.path.join(place, name)


def _items_of(file, strip, alone):
    stem, suffix = os.path.splitext(os.path.basename(file))
    suffix = suffix.lower()
    if suffix not in ARCHIVES:
        return [Item(_stripped(stem, strip), file, _Whole(file))]
    list_names, read = ARCHIVES[suffix]
    try:
        named = [(name, _Member(read, file, name)) for name in guarded(list_names, file)]
    except FeatureError as error:  # one broken file of many is left out later, by name
        return [Item(_stripped(stem, strip), file, _Broken(str(error)))]
    if not named:
        return [Item(_stripped(stem, strip), file, _Broken("has no array in %s" % file))]
    # An HDF5 file that is named itself is a store of ids, if only of one; in a folder, files are named like recordings
    is_store = alone and suffix in HDF5_SUFFIXES and "/" not in named[0][0]
    if len(named) == 1:
        return [Item(_stripped(named[0][0] if is_store else stem, strip), file, named[0][1])]
    return [Item(_stripped(_short(name, named), strip), "%s: %s" % (file, name), load) for name, load in named]


def _short(name, named):
    """``video/c3d_features`` is about ``video`` where each group has one dataset of the same name."""
    group, _, last = name.rpartition("/")
    return group if group and all(other.rpartition("/")[2] == last for other, _ in named) else name.replace("/", "_")


def _stripped(name, strip):
    """``clip-rgb`` without the ending ``rgb`` or ``-rgb``: a separator before it goes too."""
    ending = next((ending for ending in strip if name.endswith(ending) and name != ending), None)
    return name if ending is None else name[:len(name) - len(ending)].rstrip("-_.") or name


class _Whole(NamedTuple):
    path: str

    def __call__(self):
        return guarded(_read_file, self.path)


class _Member(NamedTuple):
    read: Any
    path: str
    name: str

    def __call__(self):
        return guarded(self.read, self.path, self.name)


class _Broken(NamedTuple):
    reason: str

    def __call__(self):
        raise FeatureError(self.reason)


def _read_file(path):
    suffix = os.path.splitext(path)[1].lower()
    if suffix in TORCH_SUFFIXES:
        from tad import compat
        return compat.load_array(path)
    if suffix in TEXT_SUFFIXES:
        with open(path, encoding="utf-8-sig") as stream:
            return read_csv(path, guess_delimiter(stream.read(65536)) or ",")
    return READERS[suffix](path)


def _npz_names(path):
    with Archive(path) as archive:
        return sorted(archive.files)


def _npz_member(path, name):
    with Archive(path) as archive:
        return archive[name]


def _hdf5_names(path):
    names = []

    def note(name, thing):
        if isinstance(thing, h5py.Dataset):
            names.append(name)

    with h5py.File(path, "r") as archive:
        archive.visititems(note)
    return names


def _hdf5_member(path, name):
    with h5py.File(path, "r") as archive:
        check_dataset(archive[name], name)
        return archive[name][()]


ARCHIVES = {suffix: (_hdf5_names, _hdf5_member) for suffix in HDF5_SUFFIXES}
ARCHIVES[".npz"] = (_npz_names, _npz_member)


def shape_of(item):
    """The shape of an array, from its header where the file has one.

    :raises FeatureError: the array cannot be read.
    """
    load = item.load
    if isinstance(load, _Whole) and load.path.lower().endswith(".npy"):
        return guarded(_npy_shape, load.path)
    if isinstance(load, _Member):
        return guarded(_hdf5_shape if load.read is _hdf5_member else _npz_shape, load.path, load.name)
    return np.shape(load())


def _npy_shape(path):
    return check_npy(path)[0]


def _npz_shape(path, name):
    with Archive(path) as archive:
        return archive.form(name)[0]


def _hdf5_shape(path, name):
    with h5py.File(path, "r") as archive:
        check_dataset(archive[name], name)
        return archive[name].shape


def squeezed_shape(shape):
    """The two axes that an array ``(1, C, T)`` or ``(T, C, 1, 1, 1)`` has beside those of length 1.

    :returns: tuple of two lengths, or None if there are more (or fewer) than two.
    """
    shape = list(shape)  # type: Any
    while len(shape) > 2 and 1 in shape:
        # Trailing ones are pooled space, a leading one is a batch
        shape.pop(len(shape) - 1 if shape[-1] == 1 else shape.index(1))
    return tuple(shape) if len(shape) == 2 else None  # type: Tuple[int, int]
