"""What the page knows: a comparison as JSON, with its long columns as base64 of little-endian numbers.

Seconds and scores are float32 there: a time of two hours is right to half a millisecond.
"""

import base64
import math
import warnings

import numpy as np

from tad.data.naming import count
from tad.errors import DataWarning
from tad.report.compare import RECALLS
from tad.report.kinds import KINDS
from tad.report.snippet_scores import read_scores

MOST_DETECTIONS = 400000  # of all runs together on one page: some 12 MB
PRECISION_STEPS = 65535


def page_data(comparison, created, version):
    """Plain values for JSON.

    :param comparison: :class:`tad.report.compare.Comparison`
    :param created: words for when.
    """
    truth = comparison.truth
    return {
        "created": created, "version": version, "thresholds": list(comparison.thresholds), "at": comparison.at,
        "labels": list(comparison.labels), "counted": comparison.counted, "ids": list(comparison.ids),
        "scored": comparison.scored, "durations": packed(comparison.durations, "<f4"),
        "kinds": list(KINDS), "recalls": len(RECALLS),
        "truth": {"recording": packed(truth.recordings, "<u4"), "label": packed(truth.labels, "<u2"),
                  "start": packed(truth.segments[:, 0], "<f4"), "end": packed(truth.segments[:, 1], "<f4")},
        "runs": [_run(result, comparison) for result in comparison.results],
    }


def _run(result, comparison):
    found, run = result.found, result.run
    most = MOST_DETECTIONS // len(comparison.results)
    shown = np.argsort(-found.scores, kind="mergesort")[:most]
    dropped = len(found.scores) - len(shown)
    if dropped:
        warnings.warn("%s: the page draws its best %d detections; %s less sure count in the numbers only"
                      % (run.path, most, count(dropped, "detection")), DataWarning, stacklevel=3)
    # By recording, and the best first in each: what the page looks up
    shown = shown[np.argsort(found.recordings[shown], kind="mergesort")]
    return {
        "name": run.name, "facts": [list(fact) for fact in run.facts], "dropped": dropped,
        "scored": result.scored, "for_nothing": len(found.scores) - result.scored,
        "detections": {"recording": packed(found.recordings[shown], "<u4"),
                       "label": packed(found.labels[shown], "<u2"), "kind": packed(result.kind[shown], "u1"),
                       "partner": packed(result.partner[shown], "<i4"), "score": packed(found.scores[shown], "<f4"),
                       "start": packed(found.segments[shown, 0], "<f4"),
                       "end": packed(found.segments[shown, 1], "<f4")},
        "reached": packed(result.reached, "<f4"),
        "ap": packed(result.ap, "<f4"),
        "precision": packed(np.round(result.precision * PRECISION_STEPS), "<u2"),
        "recall": packed(result.recall, "<f4"),
        "diagnosis": _drawn_diagnosis(result.diagnosis, comparison.labels),
        "scores": _scores(run, comparison.ids),
    }


def _drawn_diagnosis(diagnosis, labels):
    """The parts of a diagnosis that the page draws; the gains of each class in the order of the labels."""
    per_class = diagnosis.get("per_class")
    per_class = per_class if isinstance(per_class, dict) else {}
    drawn = {key: diagnosis.get(key) for key in ("average_mAP_N", "false_positives", "characteristics", "notes")}
    return _finite(dict(drawn, classes=[_class_gain(per_class.get(label)) for label in labels]))


def _class_gain(entry):
    return {key: entry.get(key) for key in ("AP_N", "gain")} if isinstance(entry, dict) else None


def _finite(value):
    """A JSON value without numbers that JSON lacks: Python reads and writes NaN there, a browser does not."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _scores(run, ids):
    """Per-snippet scores by the recording's number, where the run kept any."""
    if run.scores is None:
        return {}
    read = ((index, read_scores(run.scores, name)) for index, name in enumerate(ids))
    return {str(index): {key: packed(values, "<f4") for key, values in curves.items()}
            for index, curves in read if curves is not None}


def packed(values, kind):
    """Base64 of an array's values as little-endian numbers of a NumPy ``kind``."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.dtype(kind)).tobytes()).decode("ascii")
