"""Detections as labels of snippets: per-snippet mAP, and what action segmentation reports."""

import numpy as np

from tad.errors import UserError
from tad.evaluation.snippet_scores import read_snippet_scores

OVERLAPS = (10, 25, 50)  # percent, of F1@k
BACKGROUND = -1
MOST_SNIPPETS = 10 ** 8


class Grid:
    """All snippets of the scored recordings in one row; a segment covers those whose middle lies in ``[start, end)``.

    :param counts: int ``(recordings,)``, numbers of snippets.
    :param step: float ``(recordings,)``, seconds of a snippet.
    """

    def __init__(self, counts, step):
        self.counts, self.step = counts, step
        self.first = np.concatenate([[0], np.cumsum(counts)])
        self.total = int(self.first[-1])

    @classmethod
    def stepped(cls, recordings, step):
        """Snippets of ``step`` seconds: as many as have their middle in a recording, but one at least.

        :raises UserError: they are too many.
        """
        reach = _reach(recordings)
        counts = np.where(reach > 0, np.maximum(np.ceil(reach / step - 0.5), 1), 0)
        if counts.sum() > MOST_SNIPPETS:
            raise UserError("steps of %g s would be %.0f snippets; choose a longer --step" % (step, counts.sum()))
        return cls(counts.astype(np.int64), np.full(len(counts), float(step)))

    @classmethod
    def even(cls, recordings, counts):
        """Snippets that span each recording evenly."""
        reach = _reach(recordings)
        return cls(counts, np.where(reach > 0, reach, 1.0) / np.maximum(counts, 1))

    def spans(self, instances):
        """First snippet and the one after the last of each segment, in the row: lists of int."""
        places = instances.recordings
        inside = np.ceil(instances.segments / self.step[places][:, None] - 0.5)
        inside = np.clip(inside, 0, self.counts[places][:, None]).astype(np.int64) + self.first[places][:, None]
        return inside.tolist()

    def recordings(self):
        """A slice of the row for each recording that has snippets."""
        return [slice(*edge) for edge in zip(self.first[:-1].tolist(), self.first[1:].tolist()) if edge[0] < edge[1]]


def score_snippets(scoring, grid, folder=None):
    """Average precision of each class over all snippets, and over how many, and of which scores.

    The score of a class in a snippet is that of its best detection there, below every other where there is none.

    :param folder: per-snippet scores of a model instead: ``ID.npy`` ``(snippets, classes)``, labels in ``classes.txt``.
    :returns: list of float (None for a class that no snippet has), number of snippets, ``detections`` or the folder.
    """
    if folder is not None:
        scores, counts = read_snippet_scores(folder, scoring.recordings, scoring.labels)
        grid = Grid.even(scoring.recordings, counts)
    found = _inside(scoring.found)
    found = found.take(np.argsort(found.scores, kind="mergesort"))
    values = []
    for label in range(len(scoring.labels)):
        positive = np.zeros(grid.total, dtype=bool)
        for first, last in grid.spans(scoring.truth.take(scoring.truth.labels == label)):
            positive[first:last] = True
        if folder is None:
            column = np.full(grid.total, -np.inf)
            of_class = found.take(found.labels == label)
            for (first, last), score in zip(grid.spans(of_class), of_class.scores.tolist()):
                column[first:last] = score
        else:
            column = scores[:, label]
        values.append(snippet_average_precision(positive, column))
    return values, grid.total, "detections" if folder is None else folder


def snippet_average_precision(positive, scores):
    """Mean of the precision at each positive, not interpolated; equal scores count together. None without a positive.

    :param positive: bool ``(N,)``
    :param scores: ``(N,)``, -inf for what was not found.
    """
    if not positive.any():
        return None
    # What was not found is one group of equals at the end, and needs no sorting
    found = np.flatnonzero(scores > -np.inf)
    order = found[np.argsort(-scores[found], kind="mergesort")]
    last_of_equals = np.append(scores[order][1:] != scores[order][:-1], True)[:len(order)]
    hits = np.append(np.cumsum(positive[order])[last_of_equals], np.sum(positive))
    seen = np.append(np.flatnonzero(last_of_equals) + 1, len(positive))
    return float(np.sum(np.diff(np.append(0, hits)) * (hits / seen.astype(np.float64))) / hits[-1])


def score_segments(scoring, grid, least):
    """F1@10, 25 and 50 over all recordings, mean edit score, and part of the snippets whose label is right.

    Lea et al., "Temporal Convolutional Networks for Action Segmentation and Detection", CVPR 2017. Where actions of the
    ground truth overlap, the later in the file is taken; of detections the surest.

    :param least: detections with a lower score are dropped.
    :returns: dict with ``F1``, ``edit``, ``accuracy``, ``snippets``, ``overlapping`` (snippets with several actions).
    """
    found = _inside(scoring.found)
    found = found.take(found.scores >= least)
    # The surest is written last, of equals the first one given
    found = found.take(np.argsort(-found.scores, kind="mergesort")[::-1])
    annotated, several = _labels(grid, scoring.truth)
    detected, _ = _labels(grid, found)
    counts, edits = np.zeros((len(OVERLAPS), 3)), []
    for part in grid.recordings():
        wanted, given = runs(annotated[part]), runs(detected[part])
        counts += [segment_counts(given, wanted, overlap / 100.0) for overlap in OVERLAPS]
        edits.append(edit_score([label for label, _, _ in given], [label for label, _, _ in wanted]))
    scores = 2 * counts[:, 0] / np.maximum(2 * counts[:, 0] + counts[:, 1] + counts[:, 2], 1)
    return {"F1": dict(zip(map(str, OVERLAPS), scores.tolist())), "edit": float(np.mean(edits)),
            "accuracy": float(np.mean(annotated == detected)), "snippets": grid.total, "overlapping": several}


def runs(labels):
    """Stretches of one label that is not background: list of ``(label, first, after the last)``."""
    if not len(labels):
        return []
    edges = np.concatenate([[0], np.flatnonzero(labels[1:] != labels[:-1]) + 1, [len(labels)]])
    return [(label, first, last) for label, first, last in
            zip(labels[edges[:-1]].tolist(), edges[:-1].tolist(), edges[1:].tolist()) if label != BACKGROUND]


def segment_counts(given, wanted, overlap):
    """True positives, false positives and false negatives of one recording.

    Each stretch, in the order of time, asks only for the stretch of its label that it overlaps most.
    """
    if not given or not wanted:
        return 0, len(given), len(wanted)
    given, wanted = np.array(given), np.array(wanted)
    shared = (np.minimum(given[:, None, 2], wanted[None, :, 2]) - np.maximum(given[:, None, 1], wanted[None, :, 1]))
    hull = (np.maximum(given[:, None, 2], wanted[None, :, 2]) - np.minimum(given[:, None, 1], wanted[None, :, 1]))
    iou = np.where(given[:, None, 0] == wanted[None, :, 0], np.maximum(shared, 0) / hull.astype(np.float64), 0.0)
    asked = iou.argmax(axis=1)[iou.max(axis=1) >= overlap]
    right = len(np.unique(asked))
    return right, len(given) - right, len(wanted) - right


def edit_score(given, wanted):
    """1 less the Levenshtein distance of two lists of labels over the longer one's length; 1 where both are empty."""
    if not given or not wanted:
        return float(given == wanted)
    given, places = np.array(given), np.arange(len(given) + 1)
    row = places
    for index, label in enumerate(wanted):
        changed = np.append(index + 1, np.minimum(row[1:] + 1, row[:-1] + (given != label)))
        # Insertions: the least of the values to the left, each plus its distance
        row = np.minimum.accumulate(changed - places) + places
    return 1.0 - row[-1] / float(max(len(given), len(wanted)))


def _reach(recordings):
    """Seconds of each recording, up to its last annotation where the duration is not known; float ``(recordings,)``."""
    return np.array([recording.duration_s if recording.duration_s is not None
                     else max(recording.segments_s.max(initial=0.0), 0.0) for recording in recordings], np.float64)


def _inside(found):
    return found.take(found.recordings >= 0)


def _labels(grid, instances):
    """Label of each snippet, later segments over earlier ones, and how many snippets have several labels."""
    labels, several = np.full(grid.total, BACKGROUND), np.zeros(grid.total, dtype=bool)
    for (first, last), label in zip(grid.spans(instances), instances.labels.tolist()):
        before = labels[first:last]
        several[first:last] |= (before != BACKGROUND) & (before != label)
        labels[first:last] = label
    return labels, int(several.sum())
