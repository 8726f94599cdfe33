"""The whole diagnosis of a scoring, as ``diagnosis.json`` holds it (docs/evaluation.md)."""

import numpy as np

from tad.data.naming import count
from tad.errors import UserError
from tad.evaluation.average_precision import average_precisions, precision_at_recalls, rank
from tad.evaluation.diagnosis.characteristics import measure, read_characteristics, sort_into_buckets
from tad.evaluation.diagnosis.errors import (
    MULTIPLES,
    TYPES,
    classify,
    confusions,
    gains,
    profile,
    shares,
    top_detections,
)
from tad.evaluation.diagnosis.sensitivity import by_characteristic, missed
from tad.evaluation.thresholds import threshold_name

RECALLS = np.linspace(0, 1, 101)
DIGITS = 5  # of the curves


class NothingToDiagnoseError(UserError):
    """No instance has a length that its recording holds."""


def diagnose(scoring, thresholds, characteristics_path=None, style="auto"):
    """Everything that the diagnosis tells.

    :param scoring: :class:`tad.evaluation.scoring.Scoring`
    :param characteristics_path: a DETAD file, or None: what the annotations tell.
    :param style: whose borders the buckets have, ``thumos14``, ``activitynet`` or ``auto``.
    :raises UserError: the characteristics cannot be read; :class:`NothingToDiagnoseError`: no instance has a length.
    """
    labels, notes = scoring.labels, []
    computed, given = measure(scoring.truth, scoring.recordings), {}
    if characteristics_path:
        given, lacking = read_characteristics(characteristics_path, scoring.truth, scoring.recordings, labels)
        if lacking:
            notes.append("%s lacks %s; computed where possible" % (characteristics_path, count(lacking, "instance")))
    kept, excluded = _usable(computed, given)
    truth = scoring.truth.take(kept)
    ranking = rank(truth, scoring.found, len(labels), thresholds, scoring.ignored)
    weight = len(truth.labels) / float(np.sum(ranking.instances > 0))
    misses, normalized = missed(ranking, weight), average_precisions(ranking, weight)
    characteristics = sort_into_buckets({name: values[kept] for name, values in computed.items()},
                                        {name: values[kept] for name, values in given.items()}, style)
    if "coverage" not in [characteristic.name for characteristic in characteristics]:
        notes.append("no coverage: the annotations have no 'duration' of any recording; --characteristics can give it")
    false_positives, per_class = _error_analysis(ranking, scoring, truth, weight)
    for label, name in enumerate(labels):
        mine = truth.labels == label
        per_class[name].update(instances=int(mine.sum()), AP_N=_known(normalized[label].mean()),
                               false_negatives=float(misses[mine].mean()) if mine.any() else None)
    names = [threshold_name(value) for value in thresholds]
    return {
        "tiou": names,
        "mAP_N": dict(zip(names, map(_mean, normalized.T))), "average_mAP_N": _mean(normalized),
        "instances": len(truth.labels), "classes": int(np.sum(ranking.instances > 0)), "instances_per_class": weight,
        "excluded": excluded, "false_positives": false_positives,
        "characteristics": {each.name: by_characteristic(each, ranking, truth, misses, weight)
                            for each in characteristics},
        "per_class": per_class, "curves": _curves(ranking, labels, names), "notes": notes,
    }


def _usable(computed, given):
    """Instances that DETAD looks at: of some length, and no longer than their recording."""
    coverage = given.get("coverage", computed["coverage"])
    coverage = np.where(np.isnan(coverage), computed["coverage"], coverage)
    with np.errstate(invalid="ignore"):
        kept = (computed["length"] > 0) & ~(coverage > 1)
    if not kept.any():
        raise NothingToDiagnoseError("no instance can be diagnosed: none has a length above 0 that its recording holds")
    return kept, int(np.sum(~kept))


def _error_analysis(ranking, scoring, truth, weight):
    """False positives of the best detections: for all classes together, and for each."""
    top = top_detections(ranking) < MULTIPLES
    best = rank(truth, ranking.found.take(top), len(scoring.labels), ranking.thresholds, scoring.ignored)
    errors, multiple = classify(best, truth), top_detections(best)
    base, gained = gains(best, errors, weight)
    false_positives = {"types": list(TYPES), "profile": profile(errors, multiple),
                       "average_mAP_N": _mean(base),
                       "gain": {name: _mean(values) for name, values in gained.items()}}
    per_class = {}
    for label, name in enumerate(scoring.labels):
        own = best.found.labels == label
        per_class[name] = {
            "detections": int(ranking.edges[label + 1] - ranking.edges[label]),
            "errors": shares(errors.types[:, own])[0],
            "gain": {kind: _known(values[label]) for kind, values in gained.items()},
            "confused_with": confusions(errors, scoring.labels, own),
        }
    return false_positives, per_class


def _curves(ranking, labels, names):
    curves = np.round(precision_at_recalls(ranking, RECALLS), DIGITS)
    some = ranking.instances > 0
    return {"recall": np.round(RECALLS, 2).tolist(),
            "precision": {label: dict(zip(names, curves[:, place].tolist())) for place, label in enumerate(labels)},
            "mean": dict(zip(names, np.round(curves[:, some].mean(axis=1), DIGITS).tolist()))}


def _mean(values):
    """Mean over the classes that have instances."""
    return float(np.nanmean(values))


def _known(value):
    return None if np.isnan(value) else float(value)
