"""Which detection takes which instance: ActivityNet's greedy matching, without a loop over detections."""

from typing import NamedTuple

import numpy as np

from tad.segments import paired_tiou

PAIRS_AT_ONCE = 1 << 20  # detections and instances compared at a time: about 100 MiB


class Pairs(NamedTuple):
    """Detections and instances that overlap enough to matter, in the order in which they are tried.

    ``detection`` and ``instance`` int ``(P,)``, ``tiou`` float64 ``(P,)``; detections rise, the tIoU of one falls, and
    of instances of equal tIoU the later comes first.
    """

    detection: np.ndarray
    instance: np.ndarray
    tiou: np.ndarray


class Matching(NamedTuple):
    """True positives: each of ``detection``, rising, has found the instance beside it; int ``(K,)`` both."""

    detection: np.ndarray
    instance: np.ndarray


def official_tiou(a, b):
    """tIoU of ``a[i]`` with ``b[i]`` as ActivityNet's evaluator of detections sees it: ``(N, 2), (N, 2) -> (N,)``.

    Where two lengths add up to 0, as those of two segments of no length, it divides 0 by 0; what comes of that is below
    no threshold and sorted above every other tIoU, as infinity is here.
    """
    result = paired_tiou(a, b)
    result[(a[:, 1] - a[:, 0]) + (b[:, 1] - b[:, 0]) == 0] = np.inf
    return result


def overlapping_pairs(truth, found, least, same_label=True, overlap=paired_tiou):
    """Pairs of one recording, and of one label unless ``same_label`` is false, with a tIoU of at least ``least``.

    :param truth: :class:`tad.evaluation.instances.Instances`
    :param found: likewise; those outside the ground truth's recordings (-1) are in no pair.
    :param least: above 0.
    :param overlap: what tIoU is, ``(P, 2), (P, 2) -> (P,)``.
    :returns: :class:`Pairs`
    """
    truth_key, found_key = _keys(truth, found, same_label)
    order = np.argsort(truth_key, kind="mergesort")
    first = np.searchsorted(truth_key[order], found_key, side="left")
    count = np.searchsorted(truth_key[order], found_key, side="right") - first
    pieces = [_piece(truth, found, least, order, first, count, piece, overlap) for piece in _pieces(count)]
    return Pairs(*(np.concatenate(column) for column in zip(*pieces)))


def match(pairs, threshold, instances):
    """The greedy matching at one tIoU threshold.

    Detections take their turn in the order of ``pairs``; each takes the free instance with the highest tIoU at or above
    the threshold. It is found in rounds: every detection asks for its best instance, an instance keeps the earliest of
    those that ask, and the others ask for their next one. Since all instances prefer earlier detections, the result is
    that of one turn after the other (Gale and Shapley, 1962), and the work is linear in the number of pairs.

    :param instances: number of instances.
    :returns: :class:`Matching`
    """
    enough = pairs.tiou >= threshold
    detection, instance = pairs.detection[enough], pairs.instance[enough]
    nobody = len(detection)
    kept = np.full(instances, nobody)   # the pair that each instance keeps
    more = np.append(detection[1:] == detection[:-1], False)[:nobody]   # does the pair's detection have a next one?
    asking = np.flatnonzero(np.append(True, detection[1:] != detection[:-1])[:nobody])
    earliest = np.empty(instances, np.int64)
    while len(asking):
        wanted = instance[asking]
        # Of several that ask for an instance, the last one written is the earliest
        earliest[wanted[::-1]] = asking[::-1]
        asked = asking[earliest[wanted] == asking]
        before = kept[instance[asked]]
        kept[instance[asked]] = np.minimum(asked, before)
        lost = np.concatenate([asking[kept[wanted] != asking], before[(before > asked) & (before != nobody)]])
        lost.sort(kind="mergesort")
        asking = lost[more[lost]] + 1
    pairs_kept = np.sort(kept[kept != nobody])
    return Matching(detection[pairs_kept], instance[pairs_kept])


def _keys(truth, found, same_label):
    """One number for each recording, or recording and label; negative outside the ground truth."""
    if not same_label:
        return truth.recordings, found.recordings
    labels = 1 + max(truth.labels.max() if len(truth.labels) else 0, found.labels.max() if len(found.labels) else 0)
    return tuple(each.recordings.astype(np.int64) * labels + each.labels for each in (truth, found))


def _pieces(count):
    """Slices of the detections with about ``PAIRS_AT_ONCE`` pairs each; at least one."""
    reached = np.cumsum(count)
    total = reached[-1] if len(reached) else 0
    edges = np.searchsorted(reached, np.arange(PAIRS_AT_ONCE, total, PAIRS_AT_ONCE)) + 1
    edges = np.unique(np.concatenate([[0], edges, [len(count)]]))
    return [slice(*edge) for edge in zip(edges[:-1].tolist(), edges[1:].tolist())] or [slice(0, 0)]


def _piece(truth, found, least, order, first, count, piece, overlap):
    count, first = count[piece], first[piece]
    detection = np.repeat(np.arange(piece.start, piece.stop), count)
    place = np.arange(len(detection)) + np.repeat(first - np.cumsum(count) + count, count)
    instance = order[place]
    tiou = overlap(found.segments[detection], truth.segments[instance])
    enough = tiou >= least
    detection, instance, tiou = detection[enough], instance[enough], tiou[enough]
    order_tried = np.lexsort((-instance, -tiou, detection))
    return Pairs(detection[order_tried], instance[order_tried], tiou[order_tried])
