"""Scores of classifiers of whole videos, as the field passes them around, into external scores (docs/own-data.md).

UntrimmedNet's for THUMOS14 is an array of videos and classes; CUHK's for ActivityNet and TCANet's for HACS are JSON
files ``{"results": {video: scores}, "class": [names]}``, of probabilities and of logits.
"""

import os

import numpy as np

from tad.arrays import read_npy
from tad.data.annotations import number, read_json, text
from tad.errors import UserError

DIGITS = 6          # of a score that is kept; what rounds to 0 is left out, and a label left out counts as 0
MOST_BYTES = 2 ** 30


def read_matrix(path, rows, columns):
    """A class probability matrix, ``(videos, classes)`` float64; rows may sum to any number, the same for all.

    :param rows, columns: how many there must be at least.
    :returns: the matrix, each row divided by the sum; and that sum.
    :raises UserError: it is no such matrix.
    """
    try:
        array = read_npy(path)
    except OSError as error:
        raise UserError("cannot read the scores %s: %s" % (path, error.strerror or error))
    except ValueError as error:
        raise UserError("cannot read the scores %s: it %s" % (path, error))
    if array.ndim != 2 or array.dtype.kind != "f" or array.shape[0] < rows or array.shape[1] < columns:
        raise UserError("the scores %s must be an array (videos, classes) of %d or more rows and %d or more columns of "
                        "floats, not %s of type %s" % (path, rows, columns, array.shape, array.dtype))
    with np.errstate(invalid="ignore"):  # NumPy tells of some NaN while it casts them; they are refused below
        array = array.astype(np.float64)
    if not (np.isfinite(array).all() and array.min() >= 0):
        raise UserError("the scores %s have negative, infinite or NaN values, which no probabilities are" % path)
    sums = array.sum(axis=1)
    if not (sums.min() > 0 and np.allclose(sums, np.median(sums), rtol=1e-3)):
        raise UserError("the rows of the scores %s sum to %g to %g, where class probabilities all have one sum"
                        % (path, sums.min(), sums.max()))
    return array / sums[:, None], float(np.median(sums))


def read_listed(path, logits):
    """Scores of a JSON file ``{"results": {video: [scores]}, "class": [names]}``; a list may lie in another one.

    :param logits: the scores are logits, whose softmax is taken; else they are probabilities.
    :returns: dict video -> float64 ``(K,)`` from 0 to 1, and the K names.
    :raises UserError: the file has another layout, or values that cannot be such scores.
    """
    if os.path.exists(path) and os.path.getsize(path) > MOST_BYTES:
        raise UserError("the scores %s are larger than %d MiB" % (path, MOST_BYTES // 2 ** 20))
    document = read_json(path, "scores")
    results, names = (document.get(key) for key in ("results", "class")) if isinstance(document, dict) else (None, None)
    if not (isinstance(results, dict) and results and isinstance(names, list) and names):
        raise UserError('the scores %s must be {"results": {video: [scores]}, "class": [names]}' % path)
    names = [text(name, "%s: a name in 'class'" % path) for name in names]
    if len(set(names)) < len(names):
        raise UserError("%s: a name stands twice in 'class'" % path)
    return {video: _scores(values, len(names), logits, "%s: the scores of '%.60s'" % (path, video))
            for video, values in results.items()}, names


def _scores(values, wanted, logits, place):
    if isinstance(values, list) and len(values) == 1 and isinstance(values[0], list):
        values = values[0]
    if not isinstance(values, list) or len(values) != wanted:
        raise UserError("%s must be a list of %d numbers, one a name in 'class'" % (place, wanted))
    scores = np.array([number(value, place) for value in values])
    if logits:
        powers = np.exp(scores - scores.max())
        return powers / powers.sum()
    if scores.min() < 0 or scores.max() > 1:
        raise UserError("%s must be from 0 to 1, not %g to %g" % (place, scores.min(), scores.max()))
    return scores


def external_document(scores, labels):
    """The external-scores document of some videos.

    :param scores: dict video -> ``(K,)``; ``labels``: the K names.
    """
    return {"results": {video: {label: value for label, value in zip(labels, np.round(row, DIGITS).tolist()) if value}
                        for video, row in scores.items()}}
