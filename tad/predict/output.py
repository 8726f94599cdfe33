"""Where the detections of ``tad predict`` go: one file, or a folder."""

import os
from typing import NamedTuple, Optional, Tuple

from tad.data.annotations import Recording
from tad.data.naming import file_name
from tad.errors import UserError
from tad.evaluation.detections import write_detections
from tad.files import check_writable, make_folder
from tad.postprocess.fusion import NOTHING
from tad.report.subtitles import write_csv, write_srt, write_vtt
from tad.report.timeline import draw_timelines, worth_drawing

TABLES = {"json": write_detections, "csv": write_csv}   # one file for all recordings
SUBTITLES = {"srt": write_srt, "vtt": write_vtt}        # one for each
FORMATS = tuple(TABLES) + tuple(SUBTITLES)


class Output(NamedTuple):
    """``file`` is the one file to write, or None for files in ``folder`` named after the recordings.

    ``least`` is the lowest score that somebody wants to see, or None.
    """

    formats: Tuple[str, ...]
    folder: str
    file: Optional[str]
    least: Optional[float]

    def write_one(self, name, found, classes):
        """Write the subtitles of one recording; returns the paths."""
        # Subtitles are for the eye: without a wish, no detection that is too faint for a picture
        shown = found.take(found.scores >= worth_drawing(found, self.least)[1])
        paths = []
        for kind in self.formats:
            if kind in SUBTITLES:
                paths.append(self.file or os.path.join(self.folder, file_name(name) + "." + kind))
                SUBTITLES[kind](paths[-1], shown, classes)
        return paths

    def write_all(self, detections, classes):
        """Write the tables of all recordings; returns the paths."""
        paths = []
        for kind in self.formats:
            if kind in TABLES:
                paths.append(self.file or os.path.join(self.folder, "detections." + kind))
                TABLES[kind](paths[-1], detections, classes)
        return paths

    def draw(self, name, found, classes, end_s):
        """Draw one recording of ``end_s`` seconds; returns the path of the picture."""
        blank = Recording(name, "", end_s, None, NOTHING.segments, ())
        return draw_timelines(self.folder, [blank], {blank.id: found}, classes, least=self.least)[0]


def plan_output(target, formats, ids, least=None):
    """Find out before the work where its result goes and that it can be written there.

    :param target: file whose name ends like a format, or a folder.
    :param formats: tuple of :data:`FORMATS`; empty for that of the file, else JSON.
    :param ids: the recordings.
    :param least: lowest score that subtitles and pictures show; None for a part of each recording's best.
    :raises UserError: the formats do not fit in one file, or nothing can be written there.
    """
    for kind in formats:
        if kind not in FORMATS:
            raise UserError("--format takes %s, separated by commas, not '%s'" % (", ".join(FORMATS), kind))
    ending = os.path.splitext(target)[1][1:].lower()
    if ending not in FORMATS or os.path.isdir(target):
        make_folder(target)
        output = Output(formats or ("json",), target, None, least)
        check_writable(os.path.join(target, "detections.json"))
        return output
    if formats not in ((), (ending,)):
        raise UserError("--output %s is one file of the format %s; for %s give a folder"
                        % (target, ending, ", ".join(formats)))
    if ending in SUBTITLES and len(ids) > 1:
        raise UserError("--output %s can hold the subtitles of one recording, not of %d; give a folder"
                        % (target, len(ids)))
    check_writable(target)
    return Output((ending,), os.path.dirname(os.path.abspath(target)), target, least)
