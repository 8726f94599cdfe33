"""Columns of segments that belong to recordings and classes."""

from typing import NamedTuple

import numpy as np


class Instances(NamedTuple):
    """N segments: ``recordings``, ``labels`` int ``(N,)``, ``segments`` float64 ``(N, 2)`` in seconds, ``scores (N,)``.

    Recordings and labels are numbers that ground truth and detections share; a recording of -1 is one that the ground
    truth lacks. Ground truth has no use for ``scores``.
    """

    recordings: np.ndarray
    labels: np.ndarray
    segments: np.ndarray
    scores: np.ndarray

    def take(self, chosen):
        """Those at some places, or where a mask is true."""
        return Instances(*(column[chosen] for column in self))


def no_instances():
    return Instances(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros(0))


def best_first(found):
    """Detections by label, the surest first; those of equal score in the order given."""
    # Stable: what is equal in both keys keeps its order
    return found.take(np.lexsort((-found.scores, found.labels)))


def first_of_each(labels, classes):
    """Where each label begins in sorted ``labels``: int ``(classes + 1,)``, the last entry is their number."""
    return np.searchsorted(labels, np.arange(classes + 1))
