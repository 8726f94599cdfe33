"""Writing features block by block: a folder of ``ID.npy``, or one HDF5 file by the name of the output."""

import contextlib
import os

import h5py
import numpy as np

from tad.data.features import FOLDER_SUFFIXES, HDF5_SUFFIXES
from tad.data.naming import check_file_name
from tad.data.recipe import FOLDER_RECIPE, recipe_path
from tad.errors import UserError
from tad.files import atomic_write, check_writable, make_folder


def check_output(output, source, overwrite):
    """Find out before the work that features could not be written to ``output``, or that something would be lost.

    :raises UserError: ``output`` is the source, holds something already, or cannot be written.
    """
    if os.path.exists(output) and os.path.realpath(output) == os.path.realpath(source):
        raise UserError("--output %s is the source itself; choose another" % output)
    held = _held(output)
    if held and not overwrite:
        raise UserError("%s holds '%s' already; choose another --output, or replace it with --overwrite"
                        % (output, held[0]) if os.path.isdir(output) else
                        "%s is there already; choose another --output, or replace it with --overwrite" % output)
    if is_hdf5(output):
        check_writable(output)
    else:
        _check_folder(output, held)


def _check_folder(output, held):
    if os.path.splitext(output)[1].lower() in FOLDER_SUFFIXES:
        raise UserError("--output must be a folder or an HDF5 file (%s), not %s" % (", ".join(HDF5_SUFFIXES), output))
    if os.path.isfile(output):
        raise UserError("--output %s is a file; give a folder or an HDF5 file (%s)"
                        % (output, ", ".join(HDF5_SUFFIXES)))
    foreign = [name for name in held if name != FOLDER_RECIPE and not name.endswith(".npy")]
    if foreign:
        raise UserError("%s holds '%s', which is no feature file of tad; choose another --output"
                        % (output, foreign[0]))
    make_folder(output)
    check_writable(os.path.join(output, FOLDER_RECIPE))


def _held(output):
    if os.path.isdir(output):
        return sorted(os.listdir(output))
    return [output] if os.path.exists(output) else []


def is_hdf5(path):
    """Whether an output is one HDF5 file, by its name."""
    return os.path.splitext(path)[1].lower() in HDF5_SUFFIXES


@contextlib.contextmanager
def feature_writer(output):
    """A function ``write(id, blocks, snippets, width)`` that writes one recording's blocks ``(T', width)`` float32.

    Old features and an old recipe in ``output`` go first, so that what is there belongs together, also after a kill.
    """
    old_recipe = recipe_path(output)
    for path in [old_recipe] + [os.path.join(output, name) for name in _held(output) if name.endswith(".npy")]:
        if os.path.isfile(path):
            os.unlink(path)
    if not is_hdf5(output):
        yield lambda name, blocks, snippets, width: _write_npy(output, name, blocks, snippets, width)
        return
    with atomic_write(output, "w+b") as stream:
        with h5py.File(stream, "w") as archive:
            yield lambda name, blocks, snippets, width: _write_dataset(archive, name, blocks, snippets, width)


def _write_npy(folder, name, blocks, snippets, width):
    check_file_name(name, folder)
    with atomic_write(os.path.join(folder, name + ".npy"), "wb") as stream:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False,
                  "shape": (snippets, width)}
        np.lib.format.write_array_header_1_0(stream, header)
        for block in blocks:
            stream.write(np.ascontiguousarray(block, dtype=np.float32).tobytes())


def _write_dataset(archive, name, blocks, snippets, width):
    check_file_name(name, archive.filename)
    dataset = archive.create_dataset(name, (snippets, width), dtype=np.float32)
    first = 0
    for block in blocks:
        dataset[first:first + len(block)] = block
        first += len(block)
