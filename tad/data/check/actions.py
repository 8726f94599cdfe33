"""Problems of actions that show only beside each other."""

from collections import defaultdict

from tad.data.check.findings import Finding
from tad.data.naming import count, shortened


def repeated(recordings):
    """Actions that are there twice, and actions of one label that overlap.

    Overlapping actions of different labels are no problem; two of one label are one action to every evaluator.

    :param recordings: as :func:`tad.data.annotations.read_ground_truth` gives them.
    """
    findings = []
    for recording in recordings:
        for label, segments in _by_label(recording).items():
            findings += _repeated_in(recording, label, segments)
    return findings


def _by_label(recording):
    segments = defaultdict(list)
    for (start, end), label in zip(recording.segments_s.tolist(), recording.labels):
        if end > start:
            segments[label].append((start, end))
    return segments


def _repeated_in(recording, label, segments):
    findings, farthest = [], None
    for segment in sorted(segments):
        if farthest is not None and segment[0] < farthest[1]:
            kind = "duplicate" if segment == farthest else "overlap"
            text = ("'%s' [%g, %g] is there twice" % ((label,) + segment) if kind == "duplicate" else
                    "'%s' [%g, %g] overlaps [%g, %g]" % ((label,) + farthest + segment))
            findings.append(Finding(kind, recording.subset, recording.id, text))
        if farthest is None or segment[1] > farthest[1]:
            farthest = segment
    return findings


def absent_classes(subsets, training):
    """Classes that are learned and that another subset has no action of, and labels that cannot be learned.

    :param subsets: dict name -> recordings.
    :param training: name of the training subset.
    """
    showing = {name: _recordings_by_label(recordings) for name, recordings in subsets.items()}
    findings = []
    for name, shown in showing.items():
        if name == training or not shown:
            continue
        for label in sorted(set(showing[training]) - set(shown)):
            findings.append(Finding("absent class", name, "", "'%s' is learned and has no action to score" % label))
        for label in sorted(set(shown) - set(showing[training])):
            findings.append(Finding("unknown label", name, "", "'%s' in %s: %s; cannot be detected" % (
                label, count(len(shown[label]), "recording"), shortened(shown[label]))))
    return findings


def _recordings_by_label(recordings):
    showing = defaultdict(list)
    for recording in recordings:
        for label in sorted(set(recording.labels)):
            showing[label].append(recording.id)
    return showing
