"""What can be wrong with the instances of a data set, whatever files they came from."""

from collections import Counter, OrderedDict, defaultdict

import numpy as np

from tad.data.annotations import Recording, segment_fault
from tad.data.check.actions import repeated
from tad.data.naming import count, shortened
from tad.data.prepare.prepared import Disagreement

# The kinds of disagreements that are found here, and what they are called
TITLES = OrderedDict((
    ("past the end", "instances that reach past the end of their video"),
    ("outside", "instances outside their video"),
    ("zero length", "instances of zero length"),
    ("reversed", "reversed instances"),
    ("duplicate", "instances that are there twice"),
    ("overlap", "overlapping instances of one class"),
    ("classes together", "classes whose instances lie in, or overlap, those of another class"),
))


def make_recordings(segments, subset, durations=None, rates=None):
    """Recordings of one subset from lists of ``(start, end, label)`` by id.

    :param durations: seconds by id; ``rates``: frames a second by id.
    """
    return OrderedDict((name, Recording(
        name, subset, (durations or {}).get(name), (rates or {}).get(name),
        np.array([one[:2] for one in found], np.float64).reshape(-1, 2), tuple(one[2] for one in found)))
        for name, found in segments.items())


def triples(recording):
    """The instances of a recording as a list of ``(start, end, label)``."""
    return [(start, end, label) for (start, end), label in zip(recording.segments_s.tolist(), recording.labels)]


def database(recordings, extra=None):
    """The annotation document (docs/data.md) of some recordings.

    :param extra: further keys of a recording by id, or None.
    """
    entries = OrderedDict()
    for recording in recordings:
        entry = OrderedDict(subset=recording.subset)
        if recording.duration_s is not None:
            entry["duration"] = round(recording.duration_s, 6)
        if recording.fps is not None:
            entry["fps"] = round(recording.fps, 9)
        entry.update((extra or {}).get(recording.id, {}))
        entry["annotations"] = [{"segment": [start, end], "label": label} for start, end, label in triples(recording)]
        entries[recording.id] = entry
    return {"version": "1", "database": entries}


def instance_faults(recordings, place):
    """Disagreements of instances with their recordings' durations and with each other.

    :param place: the file that they are in, for the texts.
    """
    found = []
    for recording in recordings:
        for start, end, label in triples(recording):
            fault = segment_fault((start, end), recording.duration_s)
            if fault is not None:
                found.append(Disagreement(fault[0], recording.id, "%s [%g, %g] %s  (%s)"
                                          % (label, start, end, fault[1], place)))
    return found + [Disagreement(one.kind, one.recording, "%s  (%s)" % (one.text, place))
                    for one in repeated(recordings)]


def classes_together(recordings, place):
    """One disagreement for each two classes that overlap somewhere, with how often and where."""
    pairs, same, totals, videos = Counter(), Counter(), Counter(), defaultdict(list)
    for recording in recordings:
        totals.update(recording.labels)
        for one, other in _overlapping(triples(recording)):
            labels = tuple(sorted((one[2], other[2])))
            pairs[labels] += 1
            same[labels] += one[:2] == other[:2]
            if recording.id not in videos[labels]:
                videos[labels].append(recording.id)
    return [Disagreement("classes together", "",
                         _pair_text(labels, number, same[labels], totals, videos[labels], place))
            for labels, number in pairs.most_common()]


def _overlapping(instances):
    """Pairs of instances of different classes that share some time."""
    instances = sorted(instances)
    for index, one in enumerate(instances):
        for other in instances[index + 1:]:
            if other[0] >= one[1]:
                break
            if other[2] != one[2] and other[1] > other[0]:
                yield one, other


def _pair_text(labels, number, same, totals, videos, place):
    for inner, outer in (labels, labels[::-1]):
        if same == totals[inner]:
            return "each of the %d instances of %s is also one of %s, with the same start and end  (%s)" % (
                same, inner, outer, place)
    return "%s and %s overlap %d times, %d of them with the same start and end, in %s: %s  (%s)" % (
        labels + (number, same, count(len(videos), "video"), shortened(videos), place))


def differing(one, other, places, kind="instances"):
    """Instances of recordings that only one of two sources has, one disagreement a recording that both have.

    :param one, other: dicts id -> recording; ``places``: the names of the two files.
    """
    found = []
    for name in one:
        if name not in other:
            continue
        left, right = (Counter(triples(source[name])) for source in (one, other))
        for only, place in ((left - right, places[0]), (right - left, places[1])):
            if only:
                found.append(Disagreement(kind, name, "%s only in %s: %s" % (
                    count(sum(only.values()), "instance"), place,
                    shortened(("%s [%g, %g]" % (label, start, end) for start, end, label in sorted(only)), 3))))
    return found


def absent(one, other, places):
    """Recordings that only one of two sources has, a disagreement each."""
    return [Disagreement("videos", name, "is in %s and not in %s" % pair)
            for names, pair in ((sorted(set(one) - set(other)), places), (sorted(set(other) - set(one)), places[::-1]))
            for name in names]
