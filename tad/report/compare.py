"""The numbers of a report: runs side by side on one ground truth, as arrays."""

import warnings
from typing import Dict, List, NamedTuple, Tuple

import numpy as np

from tad.data.annotations import class_names
from tad.errors import DataWarning
from tad.evaluation.average_precision import interpolated_area
from tad.evaluation.thresholds import threshold_name
from tad.report.inputs import Run
from tad.report.matching import NONE, Table, by_score, kinds, match, overlapping, rank_in_group, same_label

RECALLS = np.linspace(0.0, 1.0, 101)  # where precision is drawn
BEST_KNOWN_TIOU = 0.5  # at which errors are told, where the run is scored at it
PROPOSAL_TIOU = tuple(round(0.5 + 0.05 * index, 2) for index in range(10))
MOST_PROPOSALS = 100
SAME = 1e-6


class Result(NamedTuple):
    """One run in numbers.

    ``found`` is a :class:`tad.report.matching.Table` with falling scores, ``kind`` and ``partner`` ``(N,)`` what each
    detection is at the comparison's ``at``; ``reached (M,)`` the score of the detection that takes each instance, NaN
    for missed ones; ``ap`` float64 ``(K, thresholds)``; ``precision (K, thresholds, 101)`` the interpolated precision
    at ``RECALLS``; ``recall (100,)`` the average recall at 1, 2, ..., 100 detections a recording on average.
    """

    run: Run
    found: Table
    kind: np.ndarray
    partner: np.ndarray
    reached: np.ndarray
    ap: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def mean_ap(self):
        """mAP at each threshold."""
        return self.ap.mean(axis=0)


class Comparison(NamedTuple):
    """Runs on one ground truth.

    ``ids`` are the recordings, the ``scored`` first ones are of the scored subset; ``labels`` the class names, the
    ``counted`` first ones have instances; ``durations`` seconds, NaN where not known; ``at`` the tIoU at which errors
    are told.
    """

    ids: Tuple[str, ...]
    scored: int
    durations: np.ndarray
    labels: Tuple[str, ...]
    counted: int
    truth: Table
    thresholds: Tuple[float, ...]
    at: float
    results: List[Result]


def compare(runs):
    """Score some runs (:func:`tad.report.inputs.read_runs`) and tell what each of their detections is."""
    truth = runs[0].truth
    known = class_names(truth)
    detected = sorted({row[0] for run in runs for rows in run.detections.values() for row in rows} - set(known))
    labels = known + tuple(detected)
    inside = {recording.id for recording in truth}
    outside = sorted({name for run in runs for name, rows in run.detections.items() if rows} - inside)
    ids = tuple(recording.id for recording in truth) + tuple(outside)
    durations = [np.nan if recording.duration_s is None else recording.duration_s for recording in truth]
    recording_number = {name: index for index, name in enumerate(ids)}
    label_number = {name: index for index, name in enumerate(labels)}
    table = _table((recording_number[recording.id], label_number[label], start, end, 0.0) for recording in truth
                   for label, (start, end) in zip(recording.labels, recording.segments_s.tolist()))
    thresholds = runs[0].thresholds
    at = min(thresholds, key=lambda value: (abs(value - BEST_KNOWN_TIOU), value))
    results = [_result(run, table, by_score(_found(run, recording_number, label_number)), thresholds, at, len(known))
               for run in runs]
    return Comparison(ids, len(truth), np.array(durations + [np.nan] * len(outside)), labels, len(known), table,
                      thresholds, at, results)


def _found(run, recording_number, label_number):
    return _table((recording_number[name], label_number[label], start, end, score)
                  for name, rows in run.detections.items() for label, score, start, end in rows)


def _table(rows):
    values = np.array(list(rows), dtype=np.float64).reshape(-1, 5)
    return Table(values[:, 0].astype(np.int64), values[:, 1].astype(np.int64), values[:, 2:4], values[:, 4])


def _result(run, truth, found, thresholds, at, counted):
    pairs = overlapping(truth, found)
    own = same_label(pairs, truth, found)
    size = len(found.recordings)
    ap, precision = np.zeros((counted, len(thresholds))), np.zeros((counted, len(thresholds), len(RECALLS)))
    instances = np.bincount(truth.labels, minlength=counted)
    of_label = [np.flatnonzero(found.labels == label) for label in range(counted)]
    for index, threshold in enumerate(thresholds):
        matched = match(own, threshold, size)
        for label, rows in enumerate(of_label):
            ap[label, index], precision[label, index] = _curve(matched[rows] != NONE, instances[label])
        if threshold == at:
            taken = matched
    kind, partner = kinds(pairs, truth, found, taken, at, counted)
    reached = np.full(len(truth.labels), np.nan)
    reached[taken[taken != NONE]] = found.scores[taken != NONE]
    result = Result(run, found, kind, partner, reached, ap, precision, average_recall(truth, found, pairs))
    _check_metrics(run, result)
    return result


def _curve(right, instances):
    """AP, and the interpolated precision at ``RECALLS``, of one class; ``right (N,)`` by falling score."""
    hits = np.cumsum(right)
    recall, precision = hits / float(instances), hits / np.arange(1.0, len(right) + 1)
    envelope = np.maximum.accumulate(np.append(precision, 0.0)[::-1])[::-1]
    # A recall such as 0.3 = 3/10 must find itself, whatever the last bit
    return interpolated_area(recall, precision), envelope[np.searchsorted(recall, RECALLS - 1e-9)]


def average_recall(truth, found, pairs):
    """Average recall at 1, 2, ..., 100 proposals a recording on average: ActivityNet's AR@AN, labels left aside.

    From each recording the same part of its detections is taken, the best ones, so that a recording with instances has
    so many on average; the recall is that at tIoU 0.5:0.05:0.95, averaged.

    :param found: falling scores; in recordings without instances they only lower that part.
    :returns: float64 ``(100,)``
    """
    recordings = np.unique(truth.recordings)
    size = int(max(found.recordings.max() if len(found.recordings) else 0, recordings.max())) + 1
    have = np.bincount(found.recordings, minlength=size)
    part = MOST_PROPOSALS * len(recordings) / float(max(len(found.recordings), 1))
    have = np.minimum((have * part).astype(np.int64), have)
    total = max(have[recordings].sum(), 1)
    averages = np.arange(1, MOST_PROPOSALS + 1)
    parts = averages / float(MOST_PROPOSALS) * (MOST_PROPOSALS * len(recordings) / float(total))
    own = have[truth.recordings]
    taken = np.minimum((own[None] * parts[:, None]).astype(np.int64), own[None])
    rank, recall = rank_in_group(found.recordings), np.zeros(MOST_PROPOSALS)
    for threshold in PROPOSAL_TIOU:
        enough = pairs.take(pairs.tiou >= threshold)
        best = np.full(len(truth.labels), len(found.recordings), np.int64)
        np.minimum.at(best, enough.instance, rank[enough.detection])
        recall += (best[None] < taken).mean(axis=1)
    return recall / len(PROPOSAL_TIOU)


def summary(result, thresholds):
    """``{"0.3": mAP, ...}`` of a result."""
    return dict(zip([threshold_name(value) for value in thresholds], result.mean_ap.tolist()))


def _check_metrics(run, result):
    """Warn where ``metrics.json`` says something else than the detections beside it give now."""
    then = (run.metrics or {}).get("mAP")
    now: Dict[str, float] = summary(result, run.thresholds)
    for name in now:
        value = then.get(name) if isinstance(then, dict) else None
        if isinstance(value, (int, float)) and abs(value - now[name]) > SAME:
            warnings.warn("%s: its metrics.json has mAP %.4f at tIoU %s, but its detections give %.4f with these "
                          "annotations; the report shows the latter" % (run.path, value, name, now[name]),
                          DataWarning, stacklevel=2)
            return
