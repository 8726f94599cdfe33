"""Detection files: ActivityNet-style JSON."""

from array import array
from typing import NamedTuple, Tuple

import numpy as np

from tad.data.annotations import number, text
from tad.errors import UserError
from tad.evaluation.instances import Instances
from tad.evaluation.stream import JsonStream
from tad.files import write_json


class DetectionTable(NamedTuple):
    """All detections of a file, in its order.

    ``names`` are the recordings' ids and ``labels`` the labels, both in the order in which the file has them;
    ``recording`` and ``label`` int32 ``(N,)`` are places therein, ``segments`` float64 ``(N, 2)`` in seconds,
    ``scores`` float64 ``(N,)``. ``left_out`` are the ids that could not be detected in, as the file says.
    """

    names: Tuple[str, ...]
    labels: Tuple[str, ...]
    recording: np.ndarray
    label: np.ndarray
    segments: np.ndarray
    scores: np.ndarray
    left_out: Tuple[str, ...]

    def instances(self, recordings, labels):
        """All detections, the last of the file first, so that of equal scores the later in the file goes first.

        A stable sort that is turned round does that, as the official evaluators' is where theirs is stable.

        :param recordings: numbers by which ``names`` go from now on; ``labels`` likewise.
        :returns: :class:`tad.evaluation.instances.Instances`
        """
        # One entry more, so that an empty file has something to be indexed
        recording, label = np.array(list(recordings) + [-1], np.int64), np.array(list(labels) + [-1], np.int64)
        return Instances(recording[self.recording[::-1]], label[self.label[::-1]], self.segments[::-1],
                         self.scores[::-1])

    def entry(self, row):
        """Words for where a detection stands in its file."""
        place = int(self.recording[row])
        return "recording '%s', detection %d" % (self.names[place], row - int(np.searchsorted(self.recording, place)))


def read_detections(path):
    """Detections by recording, in the order of the file.

    :returns: dict id -> list of ``(label, score, start_s, end_s)``.
    :raises UserError: names the first entry that cannot be understood.
    """
    table = read_detection_table(path)
    detections = {name: [] for name in table.names}
    for place, label, score, (start, end) in zip(table.recording.tolist(), table.label.tolist(), table.scores.tolist(),
                                                 table.segments.tolist()):
        detections[table.names[place]].append((table.labels[label], score, start, end))
    return detections


def read_detection_table(path):
    """A :class:`DetectionTable`; about 35 bytes of memory a detection.

    :raises UserError: names the first entry that cannot be understood.
    """
    rows, left_out, found = _Rows(path), (), False
    try:
        # Windows' editors begin a file with a byte order mark
        with open(path, encoding="utf-8-sig") as opened:
            stream = JsonStream(opened, "the detections %s" % path)
            if stream.peek() != "{":
                stream.value()
                raise _no_results(path)
            for key in stream.keys():
                if key == "results" and found:
                    raise UserError('%s has "results" twice' % path)
                if key == "results" and stream.peek() == "{":
                    rows.read(stream)
                    found = True
                elif key == "external_data":
                    left_out = _left_out(stream.value(), path)
                else:
                    stream.value()
            stream.end()
    except OSError as error:
        raise UserError("cannot read the detections %s: %s" % (path, error.strerror))
    if not found:
        raise _no_results(path)
    return rows.table(left_out)


def _no_results(path):
    return UserError('%s has no "results": {recording: [...]}; is it an ActivityNet-style file?' % path)


def _left_out(extra, path):
    missing = extra.get("left_out", []) if isinstance(extra, dict) else []
    if not isinstance(missing, list):
        raise UserError("%s: 'left_out' must be a list of recordings" % path)
    return tuple(text(name, "%s: an entry of 'left_out'" % path) for name in missing)


class _Rows:
    """Columns that grow as the file is read."""

    def __init__(self, path):
        self._path = path
        self._names, self._labels = {}, {}
        self._recording, self._label = array("i"), array("i")
        self._segments, self._scores = array("d"), array("d")

    def read(self, stream):
        for name in stream.keys():
            if name in self._names:
                raise UserError("%s has the recording '%s' twice" % (self._path, name))
            text(name, "%s: the name of a recording" % self._path)
            place = self._names[name] = len(self._names)
            stream.inside = "recording '%s'" % name
            if stream.peek() != "[":
                stream.value()
                raise UserError("%s: the detections of '%s' must be a list" % (self._path, name))
            for index, entry in enumerate(stream.values()):
                self._add(place, name, index, entry)
            stream.inside = ""

    def _add(self, place, name, index, entry):
        # Nearly all entries are plain; only the others are looked at in detail
        try:
            label, score, (start, end) = entry["label"], entry["score"], entry["segment"]
            plain = type(label) is str and type(score) is type(start) is type(end) is float
        except (TypeError, KeyError, ValueError, IndexError):
            plain = False
        if not plain:
            label, score, start, end = _detection(entry, "%s, recording '%s', detection %d" % (self._path, name, index))
        self._recording.append(place)
        self._label.append(self._labels.setdefault(label, len(self._labels)))
        self._scores.append(score)
        self._segments.append(start)
        self._segments.append(end)

    def table(self, left_out):
        segments = np.frombuffer(self._segments, np.float64) if self._segments else np.zeros(0)
        scores = np.frombuffer(self._scores, np.float64) if self._scores else np.zeros(0)
        recording, label = (np.frombuffer(column, np.int32) if column else np.zeros(0, np.int32)
                            for column in (self._recording, self._label))
        table = DetectionTable(tuple(self._names), tuple(self._labels), recording, label, segments.reshape(-1, 2),
                               scores, left_out)
        for name in table.labels:
            text(name, "%s: a label" % self._path)
        self._check_finite(table)
        return table

    def _check_finite(self, table):
        good = np.isfinite(table.scores) & np.isfinite(table.segments).all(axis=1)
        if not good.all():
            row = int(np.argmin(good))
            _detection({"label": "", "score": float(table.scores[row]), "segment": table.segments[row].tolist()},
                       "%s, %s" % (self._path, table.entry(row)))


def write_detections(path, detections, classes, left_out=()):
    """Write detections (id -> :class:`tad.postprocess.fusion.Detections` in seconds), best first for each recording.

    :param left_out: ids of recordings that were to be detected in and could not be, for want of usable features;
        they stand under ``external_data``.
    """
    results = {}
    for name, found in detections.items():
        results[name] = [{"label": label, "score": score, "segment": [start, end]}
                         for label, start, end, score in plain_detections(found, classes)]
    extra = {"left_out": list(left_out)} if left_out else {}
    write_json(path, {"version": "tad 1", "results": results, "external_data": extra})


def plain_detections(found, classes):
    """Tuples ``(label, start_s, end_s, score)`` of plain values, rounded to what is written: 0.1 ms and a millionth."""
    for (start, end), label, score in zip(*found):
        yield classes[label], float(np.round(start, 4)), float(np.round(end, 4)), float(np.round(score, 6))


def _detection(entry, place):
    if not isinstance(entry, dict) or not {"label", "score", "segment"} <= set(entry):
        raise UserError('%s must be {"label": name, "score": number, "segment": [start, end]}' % place)
    segment = entry["segment"]
    if not isinstance(segment, list) or len(segment) != 2:
        raise UserError("%s: 'segment' must be [start, end] in seconds" % place)
    start, end = (number(value, place + ": 'segment'") for value in segment)
    return text(entry["label"], place + ": 'label'"), number(entry["score"], place + ": 'score'"), start, end
