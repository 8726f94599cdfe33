"""The numbers of a report: runs side by side on one ground truth, as arrays."""

import reprlib
import warnings
from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np

from tad.data.annotations import class_names
from tad.errors import DataWarning
from tad.evaluation.average_precision import Ranking, average_precisions, precision_at_recalls, rank
from tad.evaluation.diagnosis.diagnose import NothingToDiagnoseError, diagnose
from tad.evaluation.instances import Instances, best_first
from tad.evaluation.recall import average_recall
from tad.evaluation.scoring import Scoring, instances_of
from tad.evaluation.thresholds import threshold_name
from tad.report.inputs import Run
from tad.report.kinds import kinds_of

RECALLS = np.linspace(0.0, 1.0, 101)  # where precision is drawn
BEST_KNOWN_TIOU = 0.5  # at which errors are told, where the run is scored at it
PROPOSAL_TIOU = tuple(round(0.5 + 0.05 * index, 2) for index in range(10))
MOST_PROPOSALS = 100
SAME = 1e-6


class Result(NamedTuple):
    """One run in numbers.

    ``found`` are its detections as :class:`tad.evaluation.instances.Instances`, by label and the best first; the first
    ones, of labels that count, are those of ``ranking``. ``kind`` and ``partner`` ``(N,)`` say what each is at the
    comparison's ``at`` (:func:`tad.report.kinds.kinds_of`); ``reached (M,)`` is the score of the detection that takes
    each instance, NaN for missed ones; ``ap`` float64 ``(K, thresholds)``; ``precision (K, thresholds, 101)`` the
    interpolated precision at ``RECALLS``; ``recall (100,)`` the average recall at 1, 2, ..., 100 detections a recording
    on average; ``diagnosis`` what ``diagnosis.json`` holds, or would (docs/evaluation.md).
    """

    run: Run
    found: Instances
    ranking: Ranking
    kind: np.ndarray
    partner: np.ndarray
    reached: np.ndarray
    ap: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    diagnosis: Dict[str, Any]

    @property
    def mean_ap(self):
        """mAP at each threshold."""
        return self.ap.mean(axis=0)

    @property
    def scored(self):
        """Number of detections of labels that count: what ``metrics.json`` calls ``detections``."""
        return len(self.ranking.found.labels)


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
    truth: Instances
    thresholds: Tuple[float, ...]
    at: float
    results: List[Result]


def compare(runs):
    """Score some runs (:func:`tad.report.inputs.read_runs`) and tell what each of their detections is."""
    recordings = runs[0].truth
    known = class_names(recordings)
    # Names without a detection are of no use here
    detected = {run.detections.labels[place] for run in runs for place in np.unique(run.detections.label)}
    labels = known + tuple(sorted(detected - set(known)))
    named = {run.detections.names[place] for run in runs for place in np.unique(run.detections.recording)}
    outside = sorted(named - {recording.id for recording in recordings})
    ids = tuple(recording.id for recording in recordings) + tuple(outside)
    durations = [np.nan if recording.duration_s is None else recording.duration_s for recording in recordings]
    recording_number = {name: index for index, name in enumerate(ids)}
    label_number = {name: index for index, name in enumerate(labels)}
    truth = instances_of(recordings, label_number)
    ambiguous = instances_of(runs[0].ambiguous, {label: 0 for label in runs[0].rules.ignored})
    thresholds = runs[0].thresholds
    at = min(thresholds, key=lambda value: (abs(value - BEST_KNOWN_TIOU), value))
    results = [_result(run, truth, ambiguous, _found(run.detections, recording_number, label_number), at, known)
               for run in runs]
    return Comparison(ids, len(recordings), np.array(durations + [np.nan] * len(outside)), labels, len(known), truth,
                      thresholds, at, results)


def _found(table, recording_number, label_number):
    """A :class:`tad.evaluation.detections.DetectionTable` with the comparison's numbers, best first."""
    return best_first(table.instances([recording_number.get(name, -1) for name in table.names],
                                      [label_number.get(name, -1) for name in table.labels]))


def _result(run, truth, ambiguous, found, at, known):
    counted = len(known)
    # The labels that count have the lower numbers, and so their detections stand first
    ranking = rank(truth, found.take(slice(0, int(np.sum(found.labels < counted)))), counted, run.thresholds,
                   ambiguous)
    matching = ranking.matchings[run.thresholds.index(at)]
    kind, partner = kinds_of(truth, found, matching, at, counted, ranking.dropped(matching))
    reached = np.full(len(truth.labels), np.nan)
    reached[matching.instance] = found.scores[matching.detection]
    recall = average_recall(truth, found, PROPOSAL_TIOU, MOST_PROPOSALS).average
    result = Result(run, found, ranking, kind, partner, reached, average_precisions(ranking),
                    precision_at_recalls(ranking, RECALLS).transpose(1, 0, 2), recall,
                    _diagnosis(run, truth, ambiguous, found, ranking, known))
    _check_metrics(run, result)
    return result


def _diagnosis(run, truth, ambiguous, found, ranking, known):
    """The run's own diagnosis, which may know more of the instances than the annotations tell; else one made here."""
    scoring = Scoring(run.truth, known, truth, ranking.found, found, ambiguous, (), {})
    try:
        made = diagnose(scoring, run.thresholds)
    except NothingToDiagnoseError as error:
        return {"notes": ["no diagnosis: %s" % error]}
    if run.diagnosis is None:
        return made
    if _is_of_the_same(run.diagnosis, made):
        return run.diagnosis
    warnings.warn("%s: its diagnosis.json is not of these detections, annotations, rules and thresholds; the report "
                  "has a new diagnosis" % run.path, DataWarning, stacklevel=2)
    return made


def _is_of_the_same(kept, made):
    """Whether two diagnoses are of the same detections and thresholds, whatever a file tells of the instances."""
    try:
        numbers = [{label: values["detections"] for label, values in each["per_class"].items()}
                   for each in (kept, made)]
        # Instances that a file leaves out change every mean
        comparable = kept["excluded"] == made["excluded"]
        far = not _is_near(kept["average_mAP_N"], made["average_mAP_N"])
        return kept["tiou"] == made["tiou"] and numbers[0] == numbers[1] and not (comparable and far)
    except (KeyError, TypeError, AttributeError):  # what is no diagnosis
        return False


def _is_near(then, now):
    """Whether a number read from a file, be it NaN or too large for a float, is one made now."""
    try:
        return abs(then - now) <= SAME
    except OverflowError:
        return False


def summary(result, thresholds):
    """``{"0.3": mAP, ...}`` of a result."""
    return dict(zip([threshold_name(value) for value in thresholds], result.mean_ap.tolist()))


def _check_metrics(run, result):
    """Warn where ``metrics.json`` says something else than the detections beside it give now."""
    then = (run.metrics or {}).get("mAP")
    now: Dict[str, float] = summary(result, run.thresholds)
    for name in now:
        value = then.get(name) if isinstance(then, dict) else None
        if isinstance(value, (int, float)) and not _is_near(value, now[name]):
            warnings.warn("%s: its metrics.json has mAP %s at tIoU %s, but its detections give %.4f with these "
                          "annotations and rules; the report shows the latter"
                          % (run.path, reprlib.repr(round(value, 4)), name, now[name]), DataWarning, stacklevel=2)
            return
