"""Per-snippet scores that a model has saved: ``ID.npy`` for each recording, and ``classes.txt``."""

import os

import numpy as np

from tad.arrays import read_npy
from tad.errors import UserError, reason


def read_snippet_scores(folder, recordings, labels):
    """Scores of some recordings, one after the other.

    :param labels: of the columns that are wanted.
    :returns: float ``(all snippets, labels)``, and the number of snippets of each recording, int ``(recordings,)``.
    :raises UserError: a file or a label is missing, or an array is not ``(snippets, classes)`` of finite numbers.
    """
    path = os.path.join(folder, "classes.txt")
    try:
        with open(path, encoding="utf-8-sig") as stream:
            names = [line.strip() for line in stream if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("cannot read the labels of the columns, one a line, in %s: %s" % (path, reason(error)))
    for label in labels:
        if names.count(label) != 1:
            raise UserError("%s must have one line '%s', a label of the annotations" % (path, label))
    columns = [names.index(label) for label in labels]
    parts = [_read(os.path.join(folder, recording.id + ".npy"), len(names))[:, columns] for recording in recordings]
    return np.concatenate(parts), np.array([len(part) for part in parts])


def _read(path, classes):
    try:
        scores = read_npy(path)
    except (OSError, ValueError, EOFError) as error:
        raise UserError("cannot read the per-snippet scores %s: %s" % (path, reason(error)))
    if not isinstance(scores, np.ndarray) or scores.ndim != 2 or scores.shape[1] != classes \
            or scores.dtype.kind != "f" or not np.isfinite(scores).all():
        raise UserError("%s must hold finite floats of shape (snippets, %d), for the %d lines of classes.txt"
                        % (path, classes, classes))
    return scores.astype(np.float64)
