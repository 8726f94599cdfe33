"""THUMOS14's temporal detection part: 200 validation videos to learn from and 213 test videos.

Nine small files of several authors describe it; which of them are there is looked up by name in one folder. Seconds are
taken from the annotation files, frame rates and numbers of frames from the organizers' lists of videos (``.mat``).
"""

import os
from collections import OrderedDict
from typing import NamedTuple, Tuple

from tad.data.annotations import read_ground_truth, read_json
from tad.data.prepare import thumos14_checks as checks
from tad.data.prepare.instances import database, make_recordings
from tad.data.prepare.matlab import read_struct
from tad.data.prepare.prepared import Prepared
from tad.data.prepare.tables import read_rows
from tad.data.prepare.thumos14_checks import AMBIGUOUS, CLASSES, TEST, VALIDATION
from tad.data.prepare.video_scores import external_document, read_matrix
from tad.errors import UserError

LISTS = ((VALIDATION, "val_info.mat"), (TEST, "test_info.mat"))
TABLES = ((VALIDATION, "val_Annotation.csv"), (TEST, "test_Annotation.csv"))
GROUND_TRUTH, CLASS_NUMBERS, OFFICIAL = "thumos14_test_groundtruth.csv", "thumos_classes_idx.json", "thumos_gt.json"
CHARACTERISTICS, SCORES = "thumos14_test_extra_characteristics.json", "uNet_test.npy"
COLUMNS = ("video", "type", "type_idx", "start", "end", "startFrame", "endFrame")
TRUTH_COLUMNS = ("video-name", "t-init", "t-end", "f-init", "f-end", "video-duration", "frame-rate", "video-frames",
                 "label-idx")


class Video(NamedTuple):
    """What a ``.mat`` list says of a video; ``labels`` are the primary action and the secondary ones."""

    subset: str
    duration_s: float
    frames: int
    fps: float
    labels: Tuple[str, ...]


class Sources(NamedTuple):
    """What was read; None or empty for a file that is not there.

    ``annotated`` holds recordings by id for each file with instances, ambiguous ones included; ``rows`` the table rows
    by file name.
    """

    videos: dict
    annotated: dict
    rows: dict
    numbers: dict
    scores: object


def prepare(folder):
    """Annotations, blocked videos and video-level scores from the files in a folder.

    :returns: :class:`tad.data.prepare.prepared.Prepared`
    :raises UserError: a needed file is missing, or one cannot be understood.
    """
    sources, said = read_sources(folder)
    merged = OrderedDict()
    for _, name in TABLES:
        for video, recording in sources.annotated[name].items():
            listed = sources.videos[video]
            merged[video] = recording._replace(duration_s=listed.frames / listed.fps, fps=listed.fps)
    scored = [checks.without_ambiguous(recording) for recording in merged.values()]
    frames = {name: {"frames": sources.videos[name].frames} for name in merged}
    files = OrderedDict([("annotations.json", database(scored, frames)),
                         ("with_ambiguous.json", database(merged.values(), frames)),
                         ("blocked.txt", "".join(name + "\n" for name in checks.BLOCKED))])
    if sources.scores is not None:
        tested = [name for name, recording in merged.items() if recording.subset == TEST]
        files["external_scores.json"] = external_document(
            {name: sources.scores[_number(name) - 1, [number - 1 for number in CLASSES.values()]] for name in tested},
            list(CLASSES))
    counts = [(subset, [one for one in scored if one.subset == subset]) for subset in (VALIDATION, TEST)]
    said += ["%s: %d videos, %d instances, and %d ambiguous ones that annotations.json leaves out" % (
        subset, len(chosen), sum(len(one.labels) for one in chosen),
        sum(merged[one.id].labels.count(AMBIGUOUS) for one in chosen)) for subset, chosen in counts]
    return Prepared("thumos14", files, checks.TITLES, tuple(checks.disagreements(sources, merged)), tuple(said))


def read_sources(folder):
    """Every file of a folder that is known, and sentences on those that are missing."""
    needed = [name for _, name in LISTS + TABLES]
    known = needed + [GROUND_TRUTH, CLASS_NUMBERS, OFFICIAL, CHARACTERISTICS, SCORES]
    paths = {name: os.path.join(folder, name) for name in known if os.path.isfile(os.path.join(folder, name))}
    missing = [name for name in needed if name not in paths]
    if missing:
        raise UserError("%s has no %s; THUMOS14 needs %s" % (folder, missing[0], ", ".join(needed)))
    videos, annotated, rows = OrderedDict(), OrderedDict(), OrderedDict()
    for subset, name in LISTS:
        for video, facts in _videos(paths[name], subset):
            if video in videos:
                raise UserError("%s lists the video %s twice" % (paths[name], video))
            videos[video] = facts
    for subset, name in TABLES:
        rows[name] = read_rows(paths[name], COLUMNS)
        annotated[name] = make_recordings(_by_video(rows[name], "video", "start", "end", _named), subset)
        _check_listed(annotated[name], videos, paths[name])
    if GROUND_TRUTH in paths:
        rows[GROUND_TRUTH] = read_rows(paths[GROUND_TRUTH], TRUTH_COLUMNS)
        annotated[GROUND_TRUTH] = make_recordings(
            _by_video(rows[GROUND_TRUTH], "video-name", "t-init", "t-end", _numbered), TEST)
    for name in (OFFICIAL, CHARACTERISTICS):
        if name in paths:
            annotated[name] = OrderedDict(read_ground_truth(paths[name]))
    numbers = _class_numbers(paths[CLASS_NUMBERS]) if CLASS_NUMBERS in paths else {}
    scores = None
    if SCORES in paths:
        tested = [_number(name) for name in annotated[TABLES[1][1]]]
        scores = read_matrix(paths[SCORES], max(tested), max(CLASSES.values()))[0]
    said = ["%s is not there, so nothing is compared with it" % name for name in known if name not in paths]
    return Sources(videos, annotated, rows, numbers, scores), said


def _videos(path, subset):
    """Name and :class:`Video` of each entry of a ``.mat`` list."""
    for index, entry in enumerate(read_struct(path, "videos"), 1):
        place = "%s, video %d" % (path, index)
        name, action, others = (entry.get(key) for key in ("video_name", "primary_action", "secondary_actions"))
        numbers = [entry.get(key) for key in ("video_duration_seconds", "number_of_frames", "frame_rate_FPS")]
        if not (isinstance(name, str) and isinstance(action, str)):
            raise UserError("%s has no 'video_name' or 'primary_action'" % place)
        if not all(isinstance(value, (int, float)) and 0 < value < 1e9 for value in numbers):
            raise UserError("%s (%.40s) must have 'video_duration_seconds', 'number_of_frames' and 'frame_rate_FPS' "
                            "above 0" % (place, name))
        duration, frames, fps = numbers
        yield name, Video(subset, float(duration), int(frames), float(fps), (action,) + tuple(_texts(others)))


def _texts(value):
    """The texts in a value of a MATLAB file, which may lie in cells of cells."""
    if isinstance(value, str):
        return [value] if value else []
    return [text for inner in value for text in _texts(inner)] if isinstance(value, tuple) else []


def _by_video(rows, video, start, end, label):
    """Lists of ``(start, end, label)`` by video."""
    found = OrderedDict()
    for row in rows:
        found.setdefault(row[video], []).append((row.number(start), row.number(end), label(row)))
    return found


def _named(row):
    if row["type"] != AMBIGUOUS and row["type"] not in CLASSES:
        raise UserError("%s: '%.40s' is no class of THUMOS14's temporal detection" % (row.place, row["type"]))
    return row["type"]


def _numbered(row):
    """The label by its number among the sorted classes, from 0 on; -1 is ambiguous."""
    number = row.number("label-idx")
    if number not in range(-1, len(CLASSES)):
        raise UserError("%s: 'label-idx' must be a whole number from -1 to %d, not %g"
                        % (row.place, len(CLASSES) - 1, number))
    return (list(CLASSES) + [AMBIGUOUS])[int(number)]


def _class_numbers(path):
    document = read_json(path, "class numbers")
    if not isinstance(document, dict) or not all(type(value) is int for value in document.values()):
        raise UserError('%s must be {"class": number, ...}' % path)
    return document


def _check_listed(names, videos, path):
    unlisted = [name for name in names if name not in videos]
    if unlisted:
        raise UserError("%s has instances of '%.60s', which no list of videos (%s) has"
                        % (path, unlisted[0], ", ".join(name for _, name in LISTS)))


def _number(video):
    """The number at the end of a video's name."""
    digits = video.rpartition("_")[2]
    if not (digits.isdigit() and int(digits) > 0):
        raise UserError("the video '%.60s' has no number at its end, which %s needs" % (video, SCORES))
    return int(digits)
