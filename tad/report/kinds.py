"""What each detection is, and which instance it is held against; for one tIoU threshold."""

import numpy as np

from tad.evaluation.diagnosis.errors import (
    BACKGROUND,
    CONFUSION,
    DOUBLE,
    LEAST_TIOU,
    LOCALIZATION,
    MULTIPLES,
    TRUE,
    TYPES,
    WRONG_LABEL,
    top_detections,
)
from tad.evaluation.matching import overlapping_pairs

UNCOUNTED = len(TYPES)  # detections of labels that no annotation has, or on ambiguous instances
KINDS = TYPES + ("not counted",)
NONE = -1


def kinds_of(truth, found, matching, threshold, counted, dropped=None):
    """The kind of each detection, as :func:`tad.evaluation.diagnosis.errors.classify` has it, and its instance.

    A false positive is judged by the instance of any label that it overlaps most; among equals one of its own label.

    :param truth: :class:`tad.evaluation.instances.Instances`
    :param found: detections, likewise.
    :param matching: :class:`tad.evaluation.matching.Matching` at ``threshold``.
    :param counted: labels from this number on are in no annotation, and their detections count for nothing.
    :param dropped: bool, one for each detection that counts (they stand first): those on ambiguous instances, which
        count for nothing either; or None.
    :returns: kind uint8 ``(N,)``, a place in ``KINDS``; and that instance int64 ``(N,)``, -1 for background; true
        positives have the one that they take.
    """
    pairs = overlapping_pairs(truth, found, min(LEAST_TIOU, threshold), same_label=False)
    same = truth.labels[pairs.instance] == found.labels[pairs.detection]
    order = np.lexsort((~same, -pairs.tiou, pairs.detection))
    detection, first = np.unique(pairs.detection[order], return_index=True)
    best = order[first]
    size = len(found.labels)
    tiou, instance, own = np.zeros(size), np.full(size, NONE, np.int64), np.zeros(size, bool)
    tiou[detection], instance[detection], own[detection] = pairs.tiou[best], pairs.instance[best], same[best]
    kind = np.where(tiou >= threshold, np.where(own, DOUBLE, WRONG_LABEL),
                    np.where(tiou >= LEAST_TIOU, np.where(own, LOCALIZATION, CONFUSION), BACKGROUND)).astype(np.uint8)
    kind[matching.detection], instance[matching.detection] = TRUE, matching.instance
    instance[kind == BACKGROUND] = NONE
    kind[found.labels >= counted] = UNCOUNTED
    if dropped is not None:
        kind[np.flatnonzero(dropped)] = UNCOUNTED
    return kind, instance


def profile(ranking, kind):
    """The kinds among the best G detections of each class, among the next G, and so on to 10 G (DETAD, figure 3).

    :param ranking: :class:`tad.evaluation.average_precision.Ranking`
    :param kind: of its detections, ``(N,)``.
    :returns: int64 ``(10, 6)``
    """
    multiple = top_detections(ranking)
    shown = multiple < MULTIPLES
    result = np.zeros((MULTIPLES, len(TYPES)), np.int64)
    np.add.at(result, (multiple[shown], kind[shown]), 1)
    return result
