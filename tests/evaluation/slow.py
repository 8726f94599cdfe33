"""Literal, slow versions of the measures, written from their definitions and not from ``tad``."""

import numpy as np

from tad.evaluation.instances import Instances


def tiou(a, b):
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - shared
    return shared / union if union > 0 else 0.0


def greedy(truth, found, threshold):
    """The instance that each detection takes, or None, when one takes its turn after the other."""
    taken, result = set(), {}
    for index in sorted(range(len(found.scores)), key=lambda place: (-found.scores[place], place)):
        best = None
        for place in range(len(truth.labels)):
            if (truth.recordings[place], truth.labels[place]) == (found.recordings[index], found.labels[index]) \
                    and place not in taken:
                overlap = tiou(found.segments[index], truth.segments[place])
                if overlap >= threshold and (best is None or overlap >= best[0]):
                    best = (overlap, place)
        result[index] = None if best is None else best[1]
        taken.add(result[index])
    return result


def average_precision(hits, instances, weight=None):
    """Area of the envelope of a precision-recall curve.

    :param hits: bool for each detection, best first.
    """
    points, right = [], 0
    for rank, hit in enumerate(hits):
        right += hit
        recall = right / float(instances)
        scaled = recall * (weight or instances)
        points.append((recall, scaled / (scaled + rank + 1 - right)))
    area, before = 0.0, 0.0
    for rank, (recall, _) in enumerate(points):
        if recall > before:
            area += (recall - before) * max(precision for _, precision in points[rank:])
            before = recall
    return area


def class_average_precision(truth, found, label, threshold):
    """AP of one class."""
    mine = truth.take(truth.labels == label), found.take(found.labels == label)
    taken = greedy(mine[0], mine[1], threshold)
    order = sorted(taken, key=lambda place: (-mine[1].scores[place], place))
    return average_precision([taken[place] is not None for place in order], len(mine[0].labels))


def random_instances(rng, count, recordings=3, labels=2, ties=False):
    """Segments on a coarse grid when ``ties``, so that tIoU and scores tie."""
    segments = np.sort(rng.uniform(0, 30, (count, 2)), axis=1) + np.array([0, 0.1])
    scores = rng.permutation(count).astype(float)
    if ties:
        start = rng.randint(0, 12, count)
        segments = np.stack([start, start + rng.randint(1, 6, count)], axis=1).astype(float)
        scores = rng.randint(0, 4, count).astype(float)
    return Instances(rng.randint(0, recordings, count), rng.randint(0, labels, count), segments, scores)
