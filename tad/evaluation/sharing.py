"""Matching shared among the ranks of a distributed run: each does its recordings, rank 0 gets what one would find."""

import numpy as np

from tad.evaluation.matching import Matching


def matched_by_all(matched, found, ranks):
    """``matched`` of the detections of this rank's recordings; on rank 0 of all of them.

    Detections of different recordings compete for nothing, so that the parts are those of the whole.

    :param matched: function :class:`tad.evaluation.instances.Instances` -> matchings, a list of
        :class:`tad.evaluation.matching.Matching`, and an array of places of detections (int64).
    :param found: all detections, the same on every rank; recordings of -1 are in no matching.
    :param ranks: :class:`tad.engine.ranks.Ranks`, connected.
    :returns: as ``matched``; the ranks other than 0 get their own part.
    """
    costs = np.bincount(found.recordings[found.recordings >= 0])
    own = np.flatnonzero(np.isin(found.recordings, ranks.portion(costs.tolist())))
    matchings, touched = matched(found.take(own))
    columns = [own[touched]]
    for matching in matchings:
        columns += [own[matching.detection], np.asarray(matching.instance, np.int64)]
    touched, *columns = [np.concatenate(parts) for parts in zip(*ranks.collect(columns))]
    orders = [np.argsort(detection, kind="mergesort") for detection in columns[::2]]
    return [Matching(detection[order], instance[order])
            for detection, instance, order in zip(columns[::2], columns[1::2], orders)], touched
