"""Detection files: ActivityNet-style JSON."""

import numpy as np

from tad.data.annotations import number, read_json
from tad.errors import UserError
from tad.files import write_json


def read_detections(path):
    """Detections by recording, in the order of the file.

    :returns: dict id -> list of ``(label, score, start_s, end_s)``.
    :raises UserError: names the first entry that cannot be understood.
    """
    return read_detections_and_missing(path)[0]


def read_detections_and_missing(path):
    """As :func:`read_detections`, and the ids of the recordings that could not be detected in.

    :raises UserError: names the first entry that cannot be understood.
    """
    document = read_json(path, "detections")
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, dict):
        raise UserError('%s has no "results": {recording: [...]}; is it an ActivityNet-style file?' % path)
    detections = {name: [_detection(entry, "%s, recording '%s', detection %d" % (path, name, index))
                         for index, entry in enumerate(_listed(entries, path, name))]
                  for name, entries in results.items()}
    extra = document.get("external_data")
    missing = extra.get("left_out", []) if isinstance(extra, dict) else []
    return detections, [str(name) for name in missing] if isinstance(missing, list) else []


def write_detections(path, detections, classes, left_out=()):
    """Write detections (id -> :class:`tad.postprocess.fusion.Detections` in seconds), best first for each recording.

    :param left_out: ids of recordings that were to be detected in and could not be, for want of usable features;
        they stand under ``external_data``.
    """
    results = {}
    for name, found in detections.items():
        results[name] = [{"label": label, "score": score, "segment": [start, end]}
                         for label, start, end, score in plain_detections(found, classes)]
    extra = {"left_out": list(left_out)} if left_out else {}
    write_json(path, {"version": "tad 1", "results": results, "external_data": extra})


def plain_detections(found, classes):
    """Tuples ``(label, start_s, end_s, score)`` of plain values, rounded to what is written: 0.1 ms and a millionth."""
    for (start, end), label, score in zip(*found):
        yield classes[label], float(np.round(start, 4)), float(np.round(end, 4)), float(np.round(score, 6))


def _listed(entries, path, name):
    if not isinstance(entries, list):
        raise UserError("%s: the detections of '%s' must be a list" % (path, name))
    return entries


def _detection(entry, place):
    if not isinstance(entry, dict) or not {"label", "score", "segment"} <= set(entry):
        raise UserError('%s must be {"label": name, "score": number, "segment": [start, end]}' % place)
    segment = entry["segment"]
    if not isinstance(segment, list) or len(segment) != 2:
        raise UserError("%s: 'segment' must be [start, end] in seconds" % place)
    start, end = (number(value, place + ": 'segment'") for value in segment)
    return str(entry["label"]), number(entry["score"], place + ": 'score'"), start, end
