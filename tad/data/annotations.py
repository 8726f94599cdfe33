"""Reads ActivityNet-style annotation files."""

import math
import re
import reprlib
from typing import NamedTuple, Optional, Tuple

import numpy as np

from tad.data.strict_json import parse_json
from tad.errors import UserError, reporter


class Recording(NamedTuple):
    """One annotated recording; ``segments_s`` is float64 ``(N, 2)`` in seconds, ``labels`` has N names."""

    id: str
    subset: str
    duration_s: Optional[float]
    fps: Optional[float]
    segments_s: np.ndarray
    labels: Tuple[str, ...]


def read_json(path, what):
    """Parsed JSON; every way that reading can fail becomes one sentence."""
    try:
        # Windows' editors begin a file with a byte order mark
        with open(path, encoding="utf-8-sig") as stream:
            return parse_json(stream.read())
    except OSError as error:
        raise UserError("cannot read the %s %s: %s" % (what, path, error.strerror))
    except UnicodeDecodeError:
        raise UserError("the %s %s is not UTF-8 text" % (what, path))
    except ValueError as error:
        raise UserError("the %s %s is not valid JSON: %s" % (what, path, error))


def read_annotations(path, strict=False, tell=None):
    """All recordings of an annotation file.

    Numbers may be strings. Segments of zero length, reversed, not finite, or outside the recording's duration are
    reported by name and left out; those that reach past an end are cut there.

    :param tell: what is called with each problem, see :func:`tad.errors.reporter`; None warns, or raises if ``strict``.
    :returns: dict id -> :class:`Recording`, in the file's order.
    :raises UserError: the file cannot be understood; or, if ``strict``, a segment cannot be used as it stands.
    """
    tell = tell or reporter(strict)

    def usable(segment, duration, name, index, label):
        fault = segment_fault(segment, duration)
        if fault is None:
            return _cut(segment, duration)
        kind, text, kept = fault
        tell(kind, name, "annotation %d (%s) [%g, %g] %s" % ((index, label) + tuple(segment) + (text,)),
             "cut there" if kept else "left out")
        return _cut(segment, duration) if kept else None

    return _read(path, usable)


def read_ground_truth(path):
    """All recordings of an annotation file, every segment as the file has it.

    For scoring: the official evaluators count impossible segments (ActivityNet has a dozen of zero length) as missed.
    """
    def unchanged(segment, duration, name, index, label):
        return segment

    return _read(path, unchanged)


def _read(path, usable):
    document = read_json(path, "annotations")
    database = document.get("database") if isinstance(document, dict) else None
    if not isinstance(database, dict):
        raise UserError('%s has no "database": {recording: {...}}; is it an ActivityNet-style file?' % path)
    if not database:
        raise UserError('%s: its "database" is empty' % path)
    return {name: _recording(name, entry, path, usable) for name, entry in database.items()}


def class_names(recordings):
    """The labels of some recordings, sorted."""
    return tuple(sorted({label for recording in recordings for label in recording.labels}))


def in_subset(recordings, subset, path):
    """The recordings of one subset (``all`` takes every one), or an error that names the subsets there are."""
    if subset == "all":
        return list(recordings.values())
    chosen = [recording for recording in recordings.values() if recording.subset == subset]
    if not chosen:
        present = sorted({recording.subset for recording in recordings.values()})
        raise UserError("%s has no recording in subset '%s'; its subsets are: %s"
                        % (path, subset, ", ".join("'%s'" % name for name in present)))
    return chosen


def number(value, place):
    """A finite float from a number or a string that spells one."""
    try:
        result = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        result = math.nan
    if not math.isfinite(result):
        raise UserError("%s must be a number, not %s" % (place, reprlib.repr(value)))
    return result


_UNWRITABLE = re.compile("[\\x00-\\x1f\\x7f\\ud800-\\udfff]")


def text(value, place):
    """A name as text, from text or a number.

    :raises UserError: it is something else, or has characters that files and terminals cannot hold; the message begins
        with ``place``.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UserError("%s must be text, not %s" % (place, reprlib.repr(value)))
    result = str(value)
    unwritable = None if result.isprintable() else _UNWRITABLE.search(result)
    if unwritable:
        raise UserError("%s has the character U+%04X, which cannot be part of a name; it reads %s"
                        % (place, ord(unwritable.group()), reprlib.repr(result)))
    return result


def _recording(name, entry, path, usable):
    text(name, "%s: the name of a recording" % path)
    place = "%s, recording '%s'" % (path, name)
    if not isinstance(entry, dict):
        raise UserError("%s must be an object with 'subset' and 'annotations'" % place)
    duration = entry.get("duration")
    duration = None if duration is None else number(duration, place + ": 'duration'")
    fps = entry.get("fps")
    fps = None if fps is None else number(fps, place + ": 'fps'")
    for key, value in (("duration", duration), ("fps", fps)):
        if value is not None and value <= 0:
            raise UserError("%s: '%s' must be above 0, not %g" % (place, key, value))
    annotations = entry.get("annotations", [])
    if not isinstance(annotations, list):
        raise UserError("%s: 'annotations' must be a list" % place)
    segments, labels = [], []
    for index, annotation in enumerate(annotations):
        segment, label = _annotation(annotation, place, index)
        kept = usable(segment, duration, name, index, label)
        if kept is not None:
            segments.append(kept)
            labels.append(label)
    subset = entry.get("subset")
    subset = "" if subset is None else text(subset, place + ": 'subset'")
    return Recording(name, subset, duration, fps,
                     np.array(segments, dtype=np.float64).reshape(-1, 2), tuple(labels))


def _annotation(annotation, place, index):
    # Nearly all are plain; only the others are looked at in detail
    try:
        (start, end), label = annotation["segment"], annotation["label"]
        plain = type(start) is type(end) is float and math.isfinite(start - end) and type(label) is str \
            and label.isprintable()
    except (TypeError, KeyError, ValueError):
        plain = False
    return ((start, end), label) if plain else _any_annotation(annotation, "%s, annotation %d" % (place, index))


def _any_annotation(annotation, place):
    if not isinstance(annotation, dict) or "segment" not in annotation or "label" not in annotation:
        raise UserError("%s must be {\"segment\": [start, end], \"label\": name}" % place)
    segment = annotation["segment"]
    if not isinstance(segment, list) or len(segment) != 2:
        raise UserError("%s: 'segment' must be [start, end] in seconds" % place)
    return tuple(number(value, place + ": 'segment'") for value in segment), text(
        annotation["label"], place + ": 'label'")


def segment_fault(segment, duration):
    """What is wrong with a segment in seconds: its kind, words, and whether a part of it can be used; None if nothing.

    :param duration: of the recording in seconds, or None.
    """
    start, end = segment
    if end == start:
        return "zero length", "has zero length", False
    if end < start:
        return "reversed", "is reversed", False
    limit = math.inf if duration is None else duration
    extent = "from 0 s on" if duration is None else "0 to %g s" % duration
    if end <= 0 or start >= limit:
        return "outside", "lies outside the recording (%s)" % extent, False
    # A hundredth of a second is rounding in the annotation file, not a mistake worth a word
    if start < -0.01 or end > limit + 0.01:
        return "past the end", "reaches past the recording (%s)" % extent, True
    return None


def _cut(segment, duration):
    return max(segment[0], 0.0), segment[1] if duration is None else min(segment[1], duration)
