"""Which recordings are learned from and which are scored: told, listed in files, or split by a seed."""

import re

import numpy as np

from tad.errors import UserError

TRAINING, VALIDATION = "training", "validation"
_TRIES = 400  # random splits of which the most even one is taken


def listed_ids(path):
    """Ids from a text file, one a line; what follows a comma, semicolon or blank does not belong to the id.

    :raises UserError: the file cannot be read or holds no id.
    """
    try:
        with open(path, encoding="utf-8-sig") as stream:
            lines = [line.strip() for line in stream]
    except OSError as error:
        raise UserError("cannot read the ids %s: %s" % (path, error.strerror))
    except UnicodeDecodeError:
        raise UserError("the ids %s are not UTF-8 text" % path)
    ids = [re.split(r"[,;\s]", line)[0] for line in lines if line and not line.startswith("#")]
    if not ids:
        raise UserError("%s holds no id; it needs one recording a line" % path)
    return ids


def split(labels_by_id, fraction, seed):
    """Split recordings into training and validation so that the classes are spread evenly.

    Of some hundred random splits the one is taken where every class has a training action, then every class a
    validation action, then each class's part in validation is nearest to ``fraction``. The order of the recordings
    does not matter; the same seed gives the same split everywhere.

    :param labels_by_id: dict id -> list of labels.
    :returns: dict id -> subset.
    :raises UserError: there are fewer than two recordings.
    """
    names = sorted(labels_by_id)
    if len(names) < 2:
        raise UserError("one recording cannot be split into training and validation; give --subset %s, or, if a column "
                        "of the table names recordings, --columns recording=NAME,..." % TRAINING)
    classes = sorted({label for labels in labels_by_id.values() for label in labels})
    column = {label: index for index, label in enumerate(classes)}
    table = np.zeros((len(names), len(classes)))
    for row, name in enumerate(names):
        for label in labels_by_id[name]:
            table[row, column[label]] += 1
    held_out = min(max(int(round(fraction * len(names))), 1), len(names) - 1)
    random = np.random.RandomState(seed)
    best, best_cost = None, None
    for _ in range(_TRIES):
        chosen = random.permutation(len(names))[:held_out]
        cost = _unevenness(table, chosen, fraction)
        if best is None or cost < best_cost:
            best, best_cost = set(chosen.tolist()), cost
    return {name: VALIDATION if row in best else TRAINING for row, name in enumerate(names)}


def _unevenness(table, chosen, fraction):
    """What is better is smaller: classes that cannot be learned, that cannot be scored, distance from the fraction."""
    total = np.maximum(table.sum(axis=0), 1)
    part = table[chosen].sum(axis=0) / total
    return (int((part >= 1).sum()), int((part <= 0).sum()), float(((part - fraction) ** 2).sum()))
