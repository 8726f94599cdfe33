"""How mAP and misses depend on characteristics of the instances."""

import numpy as np

from tad.evaluation.average_precision import class_precisions, precisions, wrong_before
from tad.evaluation.instances import first_of_each

LEAST_PRECISION = 0.05  # an instance found only at a lower normalized precision counts as missed


def map_of_bucket(ranking, truth, member, weight):
    """Average mAP_N when only some instances count: others, and the detections that found them, are left out.

    :param member: bool ``(instances,)``; at least one.
    """
    classes = len(ranking.instances)
    instances = np.bincount(truth.labels[member], minlength=classes)
    values = []
    for matching in ranking.matchings:
        kept = member[matching.instance]
        values.append(class_precisions(ranking.found.labels[matching.detection][kept],
                                       wrong_before(ranking, matching)[kept], instances, weight))
    return float(np.nanmean(np.mean(values, axis=0)))


def missed(ranking, weight):
    """Part of the thresholds at which each instance is missed: float64 ``(instances,)``."""
    number = int(ranking.instances.sum())
    found = np.zeros(number)
    for matching in ranking.matchings:
        wrong = wrong_before(ranking, matching)
        first = first_of_each(ranking.found.labels[matching.detection], len(ranking.instances))
        for label in np.flatnonzero(ranking.instances):
            part = slice(first[label], first[label + 1])
            sure = precisions(wrong[part], ranking.instances[label], weight) > LEAST_PRECISION
            found[matching.instance[part][sure]] += 1
    return 1 - found / len(ranking.matchings)


def by_characteristic(characteristic, ranking, truth, misses, weight):
    """Entries of ``diagnosis.json`` for one :class:`tad.evaluation.diagnosis.characteristics.Characteristic`."""
    entries = []
    for place, name in enumerate(characteristic.names):
        member = characteristic.bucket == place
        some = bool(member.any())
        low, high = characteristic.borders[place:place + 2]
        entries.append({"name": name, "above": low, "up_to": None if np.isinf(high) else high,
                        "instances": int(member.sum()), "share": float(member.mean()),
                        "average_mAP_N": map_of_bucket(ranking, truth, member, weight) if some else None,
                        "false_negatives": float(misses[member].mean()) if some else None})
    return {"source": characteristic.source, "buckets": entries}
