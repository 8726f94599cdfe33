"""Detections that several ranks have made, brought to rank 0 as columns of numbers."""

import numpy as np

from tad.postprocess.fusion import Detections, concatenate


def gather(detections, ids, ranks):
    """On rank 0 the detections of all ranks, in the order of ``ids``; elsewhere the rank's own.

    :param detections: dict id -> :class:`tad.postprocess.fusion.Detections`
    :param ranks: :class:`tad.engine.ranks.Ranks`
    """
    place = {name: number for number, name in enumerate(ids)}
    names = list(detections)
    sizes = np.array([[place[name], len(detections[name].scores)] for name in names], np.int64).reshape(-1, 2)
    columns = [sizes] + list(concatenate([detections[name] for name in names]))
    found = {}
    for numbers, segments, labels, scores in ranks.collect(columns):
        ends = np.cumsum(numbers[:, 1])
        for (number, size), end in zip(numbers.tolist(), ends.tolist()):
            found[ids[number]] = Detections(segments[end - size:end], labels[end - size:end], scores[end - size:end])
    return {name: found[name] for name in ids if name in found}
