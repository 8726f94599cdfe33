"""Ground truth and detections of two files, brought together: the same numbers for recordings and classes."""

import warnings
from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np

from tad.data.annotations import Recording, in_subset, read_ground_truth
from tad.data.naming import count
from tad.errors import DataWarning, UserError
from tad.evaluation.detections import read_detection_table
from tad.evaluation.instances import Instances
from tad.evaluation.rules import NO_RULES

ELSEWHERE = -1   # the number of every recording outside the scored subset
UNKNOWN = -1     # and of every label that counts for nothing
TIES = "of detections of equal score the later in the file goes first; of instances of equal tIoU the later is taken"


class Scoring(NamedTuple):
    """What measures are made of.

    ``recordings`` are scored, in the order of their numbers; ``labels`` likewise, sorted. ``truth``, ``found`` and
    ``ignored`` (ambiguous instances of no class) are :class:`tad.evaluation.instances.Instances`; ``found`` holds
    detections of known labels, ``proposals`` of any (label -1 where it is unknown). ``handling`` goes into
    ``metrics.json``.
    """

    recordings: List[Recording]
    labels: Tuple[str, ...]
    truth: Instances
    found: Instances
    proposals: Instances
    ignored: Instances
    left_out: Tuple[str, ...]
    handling: Dict[str, Any]


def open_scoring(ground_truth_path, detections_path, subset=None, rules=NO_RULES):
    """Read both files, and apply the rules as the official evaluators do.

    :param subset: name of the subset; None when the file has one only, ``all`` for every one.
    :raises UserError: a file cannot be understood, or the subset has no instance.
    """
    recordings = read_ground_truth(ground_truth_path)
    subset = subset or only_subset(recordings, ground_truth_path)
    chosen = in_subset(recordings, subset, ground_truth_path)
    scored = [recording for recording in chosen if recording.id not in rules.blocked]
    known = {label for recording in recordings.values() for label in recording.labels}
    labels = tuple(sorted({label for recording in scored for label in recording.labels} - set(rules.ignored)))
    if not labels:
        raise UserError("%s has no action in subset '%s' to score against" % (ground_truth_path, subset))
    for label in set(rules.ignored) - known:
        warnings.warn("%s has no instance of the ignored label '%s'" % (ground_truth_path, label), DataWarning,
                      stacklevel=3)
    truth = instances_of(scored, {label: place for place, label in enumerate(labels)})
    table = read_detection_table(detections_path)
    new_names = renamed(table.labels, rules, known, detections_path)
    proposals, handling = _aligned(table, new_names, labels, scored, rules.blocked)
    handling = dict(handling, **_of_no_length(table, truth))
    handling = dict(handling, subset=subset, ties=TIES, class_map=rules.class_map_path,
                    blocked_recordings=len(chosen) - len(scored), ignored_labels=sorted(rules.ignored),
                    rules=None if rules == NO_RULES else rules.recorded())
    handling.update(_labels_for_nothing(table, new_names, known, labels, detections_path))
    _warn_of_elsewhere(table, handling, detections_path)
    ambiguous = instances_of(scored, {label: 0 for label in rules.ignored})
    return Scoring(scored, labels, truth, _of_known_labels(proposals), proposals, ambiguous, table.left_out,
                   dict(handling, ignored_instances=len(ambiguous.labels)))


def only_subset(recordings, path):
    """The one subset of some annotations.

    :raises UserError: they have several; the message names them.
    """
    subsets = sorted({recording.subset for recording in recordings.values()})
    if len(subsets) > 1:
        raise UserError("%s has several subsets; choose one with --subset: %s, or all" % (path, ", ".join(subsets)))
    return subsets[0]


def instances_of(recordings, places):
    """Annotated instances whose labels are in ``places`` (label -> number), in the order of the file.

    :returns: :class:`tad.evaluation.instances.Instances`, recordings numbered as they stand.
    """
    counts = [len(recording.labels) for recording in recordings]
    labels = np.array([places.get(label, UNKNOWN) for recording in recordings for label in recording.labels], np.int64)
    segments = np.concatenate([recording.segments_s for recording in recordings] or [np.zeros((0, 2))])
    everything = Instances(np.repeat(np.arange(len(counts)), counts), labels, segments, np.zeros(len(labels)))
    return everything.take(labels != UNKNOWN)


def renamed(labels, rules, known, path):
    """The annotations' name of each label of the detections in ``path``.

    :param known: labels of the annotations.
    :raises UserError: with the class map none of them is known.
    """
    if not rules.class_map:
        return labels
    result = tuple(rules.class_map.get(label, label) for label in labels)
    if labels and not known & set(result):
        raise UserError("with the class map %s no label of %s is one of the annotations', for example '%s'"
                        % (rules.class_map_path, path, result[0]))
    return result


def _aligned(table, new_names, labels, recordings, blocked):
    """All detections outside blocked recordings, with the ground truth's numbers; and what was counted on the way."""
    numbers = {recording.id: place for place, recording in enumerate(recordings)}
    places = {label: place for place, label in enumerate(labels)}
    found = table.instances([numbers.get(name, ELSEWHERE) for name in table.names],
                            [places.get(name, UNKNOWN) for name in new_names])
    kept = [name not in blocked for name in table.names]
    if not all(kept):
        found = found.take(np.array(kept)[table.recording[::-1]])
    elsewhere = [name for name in table.names if name not in numbers and name not in blocked]
    return found, {"blocked_detections": len(table.scores) - len(found.scores),
                   "recordings_elsewhere": len(elsewhere),
                   "examples_elsewhere": elsewhere[:5],
                   "detections_elsewhere": int(np.sum(found.recordings == ELSEWHERE))}


def _of_known_labels(proposals):
    """Without a copy where there is nothing to leave out: ten million detections are 400 MB."""
    known = proposals.labels != UNKNOWN
    return proposals if known.all() else proposals.take(known)


def _of_no_length(table, truth):
    """What can find nothing and cannot be found: segments that end no later than they start."""
    rows = np.flatnonzero(table.segments[:, 1] <= table.segments[:, 0])
    return {"instances_of_no_length": int(np.sum(truth.segments[:, 1] <= truth.segments[:, 0])),
            "detections_of_no_length": len(rows),
            "example_of_no_length": table.entry(int(rows[0])) if len(rows) else None}


def _labels_for_nothing(table, new_names, known, labels, path):
    """The labels that count for nothing: that no annotation has, and that no instance to be found here has."""
    unknown, unscored = sorted(set(new_names) - known), sorted((set(new_names) & known) - set(labels))
    if unknown:
        warnings.warn("%s: %s not in the annotations and counted for nothing, for example '%s'"
                      % (path, count(len(unknown), "label"), unknown[0]), DataWarning, stacklevel=4)
    return {"unknown_labels": unknown, "detections_of_unknown_labels": _number_of(unknown, table, new_names),
            "unscored_labels": unscored, "detections_of_unscored_labels": _number_of(unscored, table, new_names)}


def _number_of(labels, table, new_names):
    among = np.array([name in set(labels) for name in new_names] + [False])
    return int(np.sum(among[table.label]))


def _warn_of_elsewhere(table, handling, path):
    if handling["recordings_elsewhere"]:
        warnings.warn("%s: %d of its %s not in the scored subset and counted as false positives, for example '%s'"
                      % (path, handling["recordings_elsewhere"], count(len(table.names), "recording"),
                         handling["examples_elsewhere"][0]), DataWarning, stacklevel=4)
