"""Characteristics of instances, such as length and coverage, and the buckets that DETAD sorts them into."""

from typing import NamedTuple, Tuple

import numpy as np

from tad.data.annotations import read_json
from tad.errors import UserError

INFINITE = float("inf")
SIZES = ("XS", "S", "M", "L", "XL")
# Buckets reach from above one border up to the next one; the first holds its lower border too
BORDERS = {
    "thumos14": {"coverage": (0, 0.02, 0.04, 0.06, 0.08, 1), "length": (0, 3, 6, 12, 18, INFINITE),
                 "num-instances": (-1, 1, 40, 80, INFINITE)},
    "activitynet": {"coverage": (0, 0.2, 0.4, 0.6, 0.8, 1), "length": (0, 30, 60, 120, 180, INFINITE),
                    "num-instances": (-1, 1, 4, 8, INFINITE)},
}
# Only a file can give these
FILE_BORDERS = {"context-size": (-1, 0, 1, 2, 3, 4, 5, 6), "context-distance": (-1, 0, 1, 2, 3),
                "agreement": (0, 0.2, 0.4, 0.6, 0.8, 1)}
BUCKETS = {"coverage": SIZES, "length": SIZES, "num-instances": SIZES[:4], "agreement": ("XW", "W", "M", "H", "XH"),
           "context-size": ("0", "1", "2", "3", "4", "5", "6"), "context-distance": ("Inf", "N", "M", "F")}
SHORT_S = 15.0     # instances with a shorter median length get THUMOS14's borders
ROUNDING = 2       # digits of a second to which a file's segments must agree with the annotations


class Characteristic(NamedTuple):
    """``bucket`` int ``(N,)``: the place in ``names`` for each instance, -1 where it is not known.

    ``borders`` has one entry more than ``names``; ``source`` is ``computed`` or ``file``.
    """

    name: str
    source: str
    borders: Tuple[float, ...]
    names: Tuple[str, ...]
    bucket: np.ndarray


def measure(truth, recordings):
    """What the annotations tell: name -> float64 ``(N,)``, NaN where a recording's duration is not known.

    ``num-instances`` counts all instances of the recording, of whatever class, as DETAD's files do.

    :param truth: :class:`tad.evaluation.instances.Instances`
    """
    durations = np.array([recording.duration_s or np.nan for recording in recordings], np.float64)
    length = truth.segments[:, 1] - truth.segments[:, 0]
    return {"coverage": length / durations[truth.recordings], "length": length,
            "num-instances": np.bincount(truth.recordings)[truth.recordings].astype(np.float64)}


def read_characteristics(path, truth, recordings, labels):
    """What a DETAD file tells of the instances, found by recording, label and segment.

    :returns: name -> float64 ``(N,)``, NaN where the file has nothing; and the number of instances it lacks.
    :raises UserError: the file cannot be understood, or has none of the instances.
    """
    known = _known_instances(path)
    values = {name: np.full(len(truth.labels), np.nan) for name in BUCKETS}
    lacking = 0
    for row, (recording, label, segment) in enumerate(zip(truth.recordings.tolist(), truth.labels.tolist(),
                                                          truth.segments.tolist())):
        entry = known.get(_key(recordings[recording].id, labels[label], segment))
        lacking += entry is None
        for name in BUCKETS:
            value = None if entry is None else entry.get(name)
            if value is not None:
                values[name][row] = _number(value, name, path)
    if lacking == len(truth.labels):
        raise UserError("%s has none of the scored instances; is it of another data set?" % path)
    return values, lacking


def sort_into_buckets(computed, given, style):
    """A :class:`Characteristic` for each that any instance has; what a file gives goes before what is computed.

    :param style: a key of ``BORDERS``, or ``auto``: THUMOS14's for short instances, else ActivityNet's.
    """
    if style == "auto":
        style = "thumos14" if np.median(computed["length"]) < SHORT_S else "activitynet"
    result = []
    for name, borders in sorted(dict(FILE_BORDERS, **BORDERS[style]).items()):
        own = computed.get(name, np.full(len(computed["length"]), np.nan))
        other = given.get(name, np.full(len(own), np.nan))
        values = np.where(np.isnan(other), own, other)
        if not np.isnan(values).all():
            source = "computed" if np.isnan(other).all() else "file"
            result.append(Characteristic(name, source, borders, BUCKETS[name], _bucket(values, borders)))
    return result


def _bucket(values, borders):
    place = np.searchsorted(borders, values, side="left") - 1
    place[values == borders[0]] = 0
    # Behind the last bucket: larger values, and NaN, which sorts last
    place[place >= len(borders) - 1] = -1
    return place


def _known_instances(path):
    document = read_json(path, "characteristics")
    database = document.get("database") if isinstance(document, dict) else None
    if not isinstance(database, dict):
        raise UserError('%s has no "database": {recording: {...}}; is it a file of DETAD?' % path)
    known = {}
    for name, recording in database.items():
        entries = recording.get("annotations") if isinstance(recording, dict) else None
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            try:
                known[_key(name, str(entry["label"]), [float(value) for value in entry["segment"]])] = entry
            except (TypeError, KeyError, ValueError):
                raise UserError("%s, recording '%s', annotation %d must have 'label' and 'segment'"
                                % (path, name, index))
    return known


def _key(name, label, segment):
    return (name, label) + tuple(round(value, ROUNDING) for value in segment)


def _number(value, name, path):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UserError("%s: '%s' must be a number or null, not %r" % (path, name, value))
    return float(value)
