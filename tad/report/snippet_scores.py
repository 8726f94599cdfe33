"""Per-snippet scores that a run keeps: ``scores/ID.npz`` in the run folder, drawn above its detections.

An archive holds ``times`` float ``(T,)`` (the snippets' centres in seconds, rising) and any of ``actionness``,
``startness`` and ``endness``, float ``(T,)`` in 0..1. Its name is that of the recording
(:func:`tad.data.naming.file_name`).
"""

import contextlib
import os
import tempfile

import numpy as np

from tad.arrays import Archive
from tad.data.naming import file_name
from tad.errors import UserError, reason
from tad.files import atomic_write, make_folder
from tad.postprocess.curves import CURVES

MOST_DRAWN = 2000  # points of a curve; of a longer one each point is the highest of its neighbourhood


def scores_folder(detections):
    """Where the scores beside a detections file are: ``scores`` for ``detections.json``, else ``found.scores``."""
    folder, name = os.path.split(detections)
    stem = os.path.splitext(name)[0]
    return os.path.join(folder, "scores" if stem == "detections" else stem + ".scores")


@contextlib.contextmanager
def replaced_scores(folder, names):
    """Gives ``write(name, curves)`` for :class:`tad.postprocess.curves.Curves`, 14 bytes a snippet on disk.

    Only once the block has ended without an error does what was written take the place of what ``folder`` has of the
    recordings ``names``; recordings without curves have none there afterwards.

    :raises UserError: something cannot be written.
    """
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise UserError("cannot keep snippet scores in %s, which is a file; move it away, or use --set "
                        "report.curves=false" % folder)
    parent = os.path.dirname(os.path.abspath(folder))
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=".scores.") as fresh:
            yield lambda name, curves: _write(_path(fresh, name), curves)
            _move(fresh, folder, names)
    except OSError as error:
        raise UserError("cannot write the snippet scores in %s: %s" % (folder, error.strerror or error))


def _write(path, curves):
    values = dict(zip(CURVES, curves.values.astype(np.float16)))
    with atomic_write(path, "wb") as stream:
        np.savez(stream, times=curves.times, **values)


def _move(fresh, folder, names):
    if os.listdir(fresh):
        make_folder(folder)
    for name in names:
        new, old = _path(fresh, name), _path(folder, name)
        if os.path.exists(new):
            os.replace(new, old)
        elif os.path.exists(old):
            os.unlink(old)


def _path(folder, name):
    return os.path.join(folder, file_name(name) + ".npz")


def read_scores(folder, name):
    """Scores of one recording.

    :returns: dict with ``times`` and the curves that are there, each float32 ``(T,)`` of at most ``MOST_DRAWN`` points;
        None where the folder has no file for the recording.
    :raises UserError: the file is damaged, has none of the curves, or its arrays do not fit together.
    """
    path = _path(folder, name)
    if not os.path.isfile(path):
        return None
    try:
        with Archive(path) as archive:
            arrays = {key: np.asarray(archive[key], dtype=np.float64) for key in archive.files
                      if key in CURVES or key == "times"}
    except Exception as error:  # zipfile, zlib and NumPy have a dozen types for a broken file
        raise UserError("cannot read the snippet scores %s: %s; remove it, or write it again"
                        % (path, reason(error)))
    times = arrays.get("times")
    if times is None or len(arrays) < 2:
        raise UserError("%s must hold 'times' and one of %s" % (path, ", ".join("'%s'" % key for key in CURVES)))
    if any(values.shape != times.shape or values.ndim != 1 or not np.isfinite(values).all()
           for values in arrays.values()):
        raise UserError("%s: 'times' and the curves must be finite, one number for each snippet" % path)
    if (np.diff(times) <= 0).any():
        raise UserError("%s: 'times' must rise" % path)
    return {key: _thinned(values, key == "times").astype(np.float32) for key, values in arrays.items()}


def _thinned(values, is_time):
    """At most ``MOST_DRAWN`` points: the first time and the highest score of each neighbourhood."""
    if len(values) <= MOST_DRAWN:
        return values
    edges = np.linspace(0, len(values), MOST_DRAWN, endpoint=False).astype(np.int64)
    return values[edges] if is_time else np.maximum.reduceat(values, edges)
