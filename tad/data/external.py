"""External scores: what a classifier of whole recordings says, one JSON file.

``{"results": {"recording": {"label": 0.93, ...}, ...}}``, scores from 0 to 1; without ``"results"`` the recordings may
stand at the top. How they enter a detection's score is said at :func:`tad.postprocess.fusion.fuse`.
"""

import warnings

import numpy as np

from tad.data.annotations import number, read_json
from tad.errors import DataWarning, UserError

NAMED = 5  # labels or recordings that a message names


def external_scores(path, classes, ids):
    """External scores of some recordings.

    A label that a recording lacks counts as 0. Labels that the detector does not know, labels that no recording has,
    and recordings without scores (detected by the detector's own scores alone) are told as :class:`DataWarning`.

    :param path: JSON file, or None for no scores at all.
    :param classes: class names in the order of the detector's outputs.
    :param ids: recordings that are detected in.
    :returns: dict id -> float64 ``(K,)``.
    :raises UserError: the file cannot be understood, or holds none of the labels or none of the recordings.
    """
    if path is None:
        return {}
    table = _read(path)
    present = {label for scores in table.values() for label in scores}
    unknown, missing = sorted(present - set(classes)), [label for label in classes if label not in present]
    if not present & set(classes):
        raise UserError("%s has no label of the detector; it has %s, where %s are needed"
                        % (path, _some(unknown), _some(list(classes))))
    without = [name for name in ids if name not in table]
    if ids and len(without) == len(ids):
        raise UserError("%s has scores of no recording that is detected in; it has %s, where %s are needed"
                        % (path, _some(sorted(table)), _some(list(ids))))
    for names, words in ((unknown, "labels that the detector does not know, which count for nothing"),
                         (missing, "no score for these of the detector's labels, which will not be detected"),
                         (without, "no scores for these recordings, where the detector's own scores are used alone")):
        if names:
            warnings.warn("%s: %s: %s" % (path, words, _some(names)), DataWarning, stacklevel=2)
    return {name: np.array([table[name].get(label, 0.0) for label in classes]) for name in ids if name in table}


def _read(path):
    document = read_json(path, "external scores")
    table = document.get("results", document) if isinstance(document, dict) else None
    if not isinstance(table, dict) or not table:
        raise UserError('%s must hold {"results": {recording: {label: score}}}' % path)
    return {name: _scores(path, name, scores) for name, scores in table.items()}


def _scores(path, name, scores):
    if not isinstance(scores, dict):
        raise UserError("%s: the scores of '%s' must be {label: score}, not a %s" % (path, name, type(scores).__name__))
    result = {}
    for label, value in scores.items():
        place = "%s: the score of '%s' in '%s'" % (path, label, name)
        result[label] = number(value, place)
        if not 0 <= result[label] <= 1:
            raise UserError("%s must be from 0 to 1, not %g" % (place, result[label]))
    return result


def _some(names):
    return ", ".join("'%s'" % name for name in names[:NAMED]) + (", ..." if len(names) > NAMED else "")
