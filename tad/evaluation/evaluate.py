"""Scores a detections file against an annotation file; needs neither a model nor PyTorch."""

from typing import NamedTuple, Optional, Tuple

import numpy as np

from tad.errors import UserError
from tad.evaluation.average_precision import average_precisions, rank
from tad.evaluation.recall import average_recall
from tad.evaluation.rules import NO_RULES
from tad.evaluation.scoring import open_scoring
from tad.evaluation.segmentation import Grid, score_segments, score_snippets
from tad.evaluation.thresholds import parse_thresholds, threshold_name

MEASURES = ("map", "ar", "snippets", "segmentation")
NUMBERS = (1, 5, 10, 50, 100, 200, 500, 1000)  # of proposals whose AR is named


class Measures(NamedTuple):
    """Which measures, of ``MEASURES``, and what they need; see docs/evaluation.md."""

    names: Tuple[str, ...] = ("map",)
    proposal_tiou: Tuple[float, ...] = parse_thresholds("0.5:0.05:0.95")
    proposals: int = 100
    step_s: float = 0.5
    min_score: float = 0.0
    snippet_scores: Optional[str] = None


MAP_ONLY = Measures()


def evaluate(ground_truth_path, detections_path, tiou, subset=None, rules=NO_RULES, measures=MAP_ONLY):
    """Metrics as ``metrics.json`` holds them.

    As in the official evaluators, recordings of the subset without detections count as missed, detections in
    recordings outside the subset count as false positives, and labels that the subset's annotations do not have count
    for nothing. The second is warned of, and so is the third where no subset has the label. ``left_out`` in the result
    names those recordings without detections that could not be detected in, as the detections file says.

    :param tiou: thresholds as text, see :func:`tad.evaluation.thresholds.parse_thresholds`.
    :param subset: name of the subset; None when the file has one only, ``all`` for every one.
    :param rules: :class:`tad.evaluation.rules.Rules`
    :raises UserError: a file cannot be understood, or the subset has no instance.
    """
    thresholds = parse_thresholds(tiou)
    return evaluate_measures(open_scoring(ground_truth_path, detections_path, subset, rules), thresholds, measures)


def evaluate_measures(scoring, thresholds, measures=MAP_ONLY, ranks=None):
    """Metrics of files that have been read.

    :param scoring: :class:`tad.evaluation.scoring.Scoring`
    :param thresholds: tIoU thresholds of mAP.
    :param ranks: :class:`tad.engine.ranks.Ranks` that share the matching of mAP, connected; only rank 0's metrics are
        those of all recordings.
    """
    metrics = detection_metrics(scoring, thresholds, ranks) if "map" in measures.names else {}
    metrics.update(scored_metrics(scoring))
    if "ar" in measures.names:
        metrics["proposals"] = proposal_metrics(scoring, measures.proposal_tiou, measures.proposals)
    if "snippets" in measures.names:
        metrics["snippets"] = snippet_metrics(scoring, measures.step_s, measures.snippet_scores)
    if "segmentation" in measures.names:
        metrics["segmentation"] = segment_metrics(scoring, measures.step_s, measures.min_score)
    return metrics


def detection_metrics(scoring, thresholds, ranks=None):
    """mAP and AP of each class."""
    ranking = rank(scoring.truth, scoring.found, len(scoring.labels), thresholds, scoring.ignored, ranks)
    values = average_precisions(ranking)
    names = [threshold_name(value) for value in thresholds]
    return {
        "mAP": dict(zip(names, values.mean(axis=0).tolist())),
        "average_mAP": float(values.mean()),
        "AP_per_class": {label: dict(zip(names, row)) for label, row in zip(scoring.labels, values.tolist())},
    }


def scored_metrics(scoring):
    """What was scored, and how; the part of ``metrics.json`` that does not depend on the measures."""
    missing = set(scoring.left_out)
    having = set(np.unique(scoring.proposals.recordings).tolist())
    left_out = [recording for recording in scoring.recordings if recording.id in missing]
    return {
        "recordings": len(scoring.recordings),
        "instances": len(scoring.truth.labels),
        "detections": len(scoring.found.labels),
        "scored_recordings": [recording.id for recording in scoring.recordings],
        "left_out": [recording.id for recording in left_out],
        "instances_left_out": sum(label in scoring.labels for recording in left_out for label in recording.labels),
        "recordings_without_detections": [recording.id for place, recording in enumerate(scoring.recordings)
                                          if place not in having],
        "handling": scoring.handling,
    }


def proposal_metrics(scoring, thresholds, most):
    """AR@AN and the area under the curve.

    :param most: the largest average number of proposals a recording, at least 1.
    """
    curve = average_recall(scoring.truth, scoring.proposals, thresholds, most)
    named = sorted({number for number in NUMBERS if np.isclose(curve.numbers, number).any()} | {most})
    return {
        "AR": {str(number): float(curve.average[np.argmin(np.abs(curve.numbers - number))]) for number in named},
        "area": curve.area,
        "most": most,
        "tiou": [threshold_name(value) for value in thresholds],
        "curve": {"AN": curve.numbers.tolist(), "AR": curve.average.tolist(),
                  "recall": {threshold_name(value): row.tolist()
                             for value, row in zip(curve.thresholds, curve.recall)}},
    }


def snippet_metrics(scoring, step, folder=None):
    """Per-snippet mAP; see :func:`tad.evaluation.segmentation.score_snippets`."""
    values, snippets, source = score_snippets(scoring, Grid.stepped(scoring.recordings, step), folder)
    scored = [value for value in values if value is not None]
    if not scored:
        raise UserError("no action covers the middle of a snippet; choose a smaller --step than %g" % step)
    return {"mAP": float(np.mean(scored)), "AP_per_class": dict(zip(scoring.labels, values)), "snippets": snippets,
            "source": source, "step_s": step}


def segment_metrics(scoring, step, least):
    """F1@k, edit score and accuracy; see :func:`tad.evaluation.segmentation.score_segments`."""
    return dict(score_segments(scoring, Grid.stepped(scoring.recordings, step), least), step_s=step, min_score=least)
