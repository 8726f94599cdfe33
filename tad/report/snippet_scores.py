"""Per-snippet scores that a run may keep: ``scores/ID.npz`` in the run folder, drawn above its detections.

An archive holds ``times`` float ``(T,)`` (the snippets' centres in seconds, rising) and any of ``actionness``,
``startness`` and ``endness``, float ``(T,)`` in 0..1. A slash in an id is ``_`` in the file's name.
"""

import os

import numpy as np

from tad.arrays import Archive
from tad.errors import UserError

NAMES = ("actionness", "startness", "endness")
MOST_DRAWN = 2000  # points of a curve; of a longer one each point is the highest of its neighbourhood


def read_scores(folder, name):
    """Scores of one recording.

    :returns: dict with ``times`` and the curves that are there, each float32 ``(T,)`` of at most ``MOST_DRAWN`` points;
        None where the folder has no file for the recording.
    :raises UserError: the file is damaged, has none of the curves, or its arrays do not fit together.
    """
    path = os.path.join(folder, name.replace(os.sep, "_") + ".npz")
    if not os.path.isfile(path):
        return None
    try:
        with Archive(path) as archive:
            arrays = {key: np.asarray(archive[key], dtype=np.float64) for key in archive.files
                      if key in NAMES or key == "times"}
    except Exception as error:  # zipfile, zlib and NumPy have a dozen types for a broken file
        raise UserError("cannot read the snippet scores %s: %s; remove it, or write it again" % (path, error))
    times = arrays.get("times")
    if times is None or len(arrays) < 2:
        raise UserError("%s must hold 'times' and one of %s" % (path, ", ".join("'%s'" % key for key in NAMES)))
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
