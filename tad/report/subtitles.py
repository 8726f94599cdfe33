"""Detections as tables and subtitles: CSV, SRT and WebVTT."""

import csv
import re

from tad.evaluation.detections import plain_detections
from tad.files import atomic_write

COLUMNS = ("recording", "start", "end", "label", "score")


def write_csv(path, detections, classes):
    """One line a detection, ``recording,start,end,label,score``, in seconds.

    :param detections: dict id -> :class:`tad.postprocess.fusion.Detections` in seconds.
    :param classes: class names in the order of the detections' labels.
    """
    with atomic_write(path) as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(COLUMNS)
        for name, found in detections.items():
            for label, start, end, score in plain_detections(found, classes):
                table.writerow([name, "%.4f" % start, "%.4f" % end, label, "%.6f" % score])


def write_srt(path, found, classes):
    """SubRip subtitles of one recording: a cue a detection, ``label (score)``, in the order of time."""
    cues = ["%d\n%s --> %s\n%s\n" % (number, _clock(start, ","), _clock(end, ","), text)
            for number, (start, end, text) in enumerate(_cues(found, classes), 1)]
    with atomic_write(path) as stream:
        stream.write("\n".join(cues))


def write_vtt(path, found, classes):
    """WebVTT subtitles of one recording, as :func:`write_srt`."""
    cues = ["%s --> %s\n%s\n" % (_clock(start, "."), _clock(end, "."), _escaped(text))
            for start, end, text in _cues(found, classes)]
    with atomic_write(path) as stream:
        stream.write("\n".join(["WEBVTT\n"] + cues))


def score_text(score):
    """Two decimals; of a score so low that they would say little, two digits."""
    return ("%.2f" if score == 0 or score >= 0.1 else "%.2g") % score


def _cues(found, classes):
    """Tuples (start, end, text), times in milliseconds; a cue lasts at least one."""
    rows = sorted((int(round(1000 * start)), int(round(1000 * end)), label, score)
                  for label, start, end, score in plain_detections(found, classes))
    for start, end, label, score in rows:
        # An empty line or an arrow would end the cue
        yield start, max(end, start + 1), "%s (%s)" % (re.sub(r"\s+", " ", label).replace("-->", "->"),
                                                      score_text(score))


def _clock(milliseconds, point):
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return "%02d:%02d:%02d%s%03d" % (minutes // 60, minutes % 60, seconds, point, rest)


def _escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
