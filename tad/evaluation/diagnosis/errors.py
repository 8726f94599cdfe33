"""The false positive profile: what kind of error each of the best detections is."""

from typing import NamedTuple

import numpy as np

from tad.evaluation.average_precision import class_precisions, wrong_before
from tad.evaluation.matching import overlapping_pairs

TYPES = ("true positive", "double detection", "wrong label", "localization", "confusion", "background")
TRUE, DOUBLE, WRONG_LABEL, LOCALIZATION, CONFUSION, BACKGROUND = range(len(TYPES))
DROPPED = len(TYPES)  # detections on ambiguous instances are no errors
MULTIPLES = 10        # times the number of a class's instances: as many detections are looked at
LEAST_TIOU = 0.1      # below it a detection has nothing to do with an instance


class Errors(NamedTuple):
    """``types`` int ``(thresholds, N)`` of detections; ``nearest`` int ``(N,)``, the label of their best instance."""

    types: np.ndarray
    nearest: np.ndarray


def top_detections(ranking):
    """At which multiple of G, the number of instances of its class, each detection stands: int ``(N,)``, from 0."""
    position = np.arange(len(ranking.found.labels)) - ranking.edges[ranking.found.labels]
    return position // np.maximum(ranking.instances, 1)[ranking.found.labels]


def classify(ranking, truth):
    """The type of each detection at each threshold.

    What is no true positive is judged by the instance of any label with the highest tIoU: at or above the threshold it
    is a double detection or has a wrong label, at or above ``LEAST_TIOU`` it is badly localized or, if the label is
    wrong too, a confusion; the rest is background. Of instances of equal tIoU, one of the detection's label counts.

    :returns: :class:`Errors`
    """
    found = ranking.found
    least = min((LEAST_TIOU,) + ranking.thresholds)
    pairs = overlapping_pairs(truth, found, least, same_label=False)
    own = truth.labels[pairs.instance] == found.labels[pairs.detection]
    order = np.lexsort((~own, -pairs.tiou, pairs.detection))
    detection, place = np.unique(pairs.detection[order], return_index=True)
    best = order[place]
    tiou, same = np.zeros(len(found.labels)), np.zeros(len(found.labels), dtype=bool)
    nearest = np.full(len(found.labels), -1)
    tiou[detection], same[detection] = pairs.tiou[best], own[best]
    nearest[detection] = truth.labels[pairs.instance[best]]
    types = [_types(ranking, matching, threshold, tiou, same)
             for matching, threshold in zip(ranking.matchings, ranking.thresholds)]
    return Errors(np.array(types), nearest)


def _types(ranking, matching, threshold, tiou, same):
    types = np.full(len(tiou), BACKGROUND)
    some = tiou >= LEAST_TIOU
    types[some] = np.where(same, LOCALIZATION, CONFUSION)[some]
    enough = tiou >= threshold
    types[enough] = np.where(same, DOUBLE, WRONG_LABEL)[enough]
    dropped = ranking.dropped(matching)
    if dropped is not None:
        types[dropped] = DROPPED
    types[matching.detection] = TRUE
    return types


def shares(types):
    """Part of each type among detections that count, mean over thresholds; and the mean number of those.

    :param types: int ``(thresholds, N)``
    """
    counts = np.array([np.bincount(row, minlength=DROPPED + 1)[:DROPPED] for row in types], np.float64)
    number = counts.sum()
    return dict(zip(TYPES, (counts.sum(axis=0) / max(number, 1)).tolist())), number / len(types)


def profile(errors, multiple):
    """Shares of the types among the best G detections of each class, the next G, and so on."""
    entries = []
    for index in range(MULTIPLES):
        share, number = shares(errors.types[:, multiple == index])
        entries.append({"top": "%dG" % (index + 1), "detections": number, "share": share})
    return entries


def gains(ranking, errors, weight):
    """AP_N of each class, mean over thresholds, and what it gains when all detections of a type are left out.

    :returns: float64 ``(classes,)``, and dict type -> float64 ``(classes,)``
    """
    def normalized(left_out):
        values = [class_precisions(ranking.found.labels[matching.detection],
                                   wrong_before(ranking, matching, left_out(types)), ranking.instances, weight)
                  for matching, types in zip(ranking.matchings, errors.types)]
        return np.mean(values, axis=0)

    base = normalized(lambda types: types == DROPPED)
    return base, {name: normalized(lambda types, code=code: (types == code) | (types == DROPPED)) - base
                  for code, name in enumerate(TYPES) if code != TRUE}


def confusions(errors, labels, own):
    """Mean number over thresholds of one class's detections that lie on instances of other classes: label -> number.

    :param own: bool ``(N,)``, the class's detections.
    """
    mistaken = ((errors.types == WRONG_LABEL) | (errors.types == CONFUSION)) & own
    counts = np.bincount(np.concatenate([errors.nearest[row] for row in mistaken]), minlength=len(labels))
    order = np.argsort(-counts, kind="mergesort")
    return {labels[place]: float(counts[place]) / len(mistaken) for place in order.tolist() if counts[place]}
