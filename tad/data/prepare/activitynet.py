"""ActivityNet 1.3 from BSN's files: segments in seconds, and a table of frames, rates and subsets.

Ids keep the ``v_`` that these files and the usual feature files have; the official evaluator's ids have none.
"""

import os
from collections import Counter, OrderedDict
from typing import NamedTuple

from tad.data.annotations import number, read_ground_truth, read_json, text
from tad.data.naming import shortened
from tad.data.prepare import instances
from tad.data.prepare.instances import classes_together, database, instance_faults, make_recordings
from tad.data.prepare.prepared import Disagreement, Prepared
from tad.data.prepare.tables import read_rows
from tad.data.prepare.video_scores import external_document, read_listed
from tad.errors import UserError

ACTIONS, INFO, NAMES = "anet_anno_action.json", "video_info_new.csv", "action_name.csv"
OFFICIAL = "activity_net.v1-3.min.json"  # the organizers' own annotations, compared if they are there
SAMPLE = "sample_detection_prediction.json"  # the organizers' example, with all videos of the subset validation
SCORES = ("cuhk_val_simp_share.json", "cuhk_val_simp_7.json")
COLUMNS = ("video", "numFrame", "seconds", "fps", "rfps", "subset", "featureFrame")
SCORED = "validation"

TITLES = OrderedDict((
    ("videos", "videos that one file has and another does not"),
    ("classes", "classes that one file has and another does not"),
    ("duration", "durations that differ"),
    ("frame count", "numbers of frames that differ"),
    ("feature frames", "numbers of frames with features that differ"),
    ("frame rate", "nominal frame rates that are not frames by seconds"),
    ("features past the end", "videos whose features go on after their last frame"),
    ("no instances", "videos of a scored subset without instances"),
    ("several classes", "videos with instances of several classes"),
) + tuple(instances.TITLES.items()))


class Facts(NamedTuple):
    """Numbers on one video in one file."""

    duration_s: float
    frames: float
    feature_frames: float


def prepare(folder, scores=None):
    """Annotations and, with a score file, video-level scores from the files in a folder.

    :param scores: CUHK's score file; None takes one that is in the folder, if there is.
    :returns: :class:`tad.data.prepare.prepared.Prepared`
    :raises UserError: a needed file is missing, or one cannot be understood.
    """
    paths = {name: os.path.join(folder, name) for name in (ACTIONS, INFO, NAMES, OFFICIAL, SAMPLE) + SCORES}
    missing = [name for name in (ACTIONS, INFO) if not os.path.isfile(paths[name])]
    if missing:
        raise UserError("%s has no %s; ActivityNet needs %s and %s" % (folder, missing[0], ACTIONS, INFO))
    segments, facts = _read_actions(paths[ACTIONS])
    rows = OrderedDict((row["video"], row) for row in read_rows(paths[INFO], COLUMNS))
    info = {name: Facts(row.number("seconds"), row.number("numFrame"), row.number("featureFrame"))
            for name, row in rows.items()}
    recordings = []
    for name in segments:
        if name in rows:
            known = info[name]
            rate = known.frames / known.duration_s if known.frames > 0 and known.duration_s > 0 else None
            recordings += make_recordings({name: segments[name]}, rows[name]["subset"], {name: known.duration_s},
                                          {name: rate}).values()
    if not recordings:
        raise UserError("%s and %s have no video in common" % (paths[ACTIONS], paths[INFO]))
    extra = {name: {"frames": int(known.frames), "feature_frames": int(known.feature_frames)}
             for name, known in info.items()}
    found = _absent(facts, info) + _numbers(facts, rows, info) + _instances(recordings)
    said = ["%s: %d videos, %d instances" % (
        subset, sum(one.subset == subset for one in recordings),
        sum(len(one.labels) for one in recordings if one.subset == subset))
        for subset in sorted({one.subset for one in recordings})]
    files = OrderedDict([("annotations.json", database(recordings, extra))])
    labels = {label for one in recordings for label in one.labels}
    found += _names(paths, labels, said) + _official(paths[OFFICIAL], recordings, said)
    found += _sample(paths[SAMPLE], recordings)
    scores = scores or next((paths[name] for name in SCORES if os.path.isfile(paths[name])), None)
    if scores is not None:
        files["external_scores.json"], more = with_scores(scores, False, recordings, "v_", labels)
        found += more
    else:
        said.append("no score file, so no external_scores.json; --scores FILE names CUHK's %s" % SCORES[0])
    return Prepared("activitynet", files, TITLES, tuple(found), tuple(said))


def with_scores(path, logits, recordings, prefix, labels, subset=SCORED):
    """The external scores of one subset's recordings, and what disagrees with the annotations.

    :param prefix: what ids have that the score file's may lack.
    """
    table, names = read_listed(path, logits)
    table = {video if video.startswith(prefix) else prefix + video: row for video, row in table.items()}
    place = os.path.basename(path)
    wanted = [one.id for one in recordings if one.subset == subset]
    found = [Disagreement("classes", "", "'%s' is in %s and not in the annotations" % (name, place))
             for name in sorted(set(names) - labels)]
    found += [Disagreement("classes", "", "'%s' is annotated and not in %s" % (name, place))
              for name in sorted(labels - set(names))]
    found += [Disagreement("videos", name, "is annotated (%s) and not in %s" % (subset, place))
              for name in wanted if name not in table]
    found += [Disagreement("videos", name, "is in %s and not annotated" % place)
              for name in sorted(set(table) - {one.id for one in recordings})]
    chosen = {name: table[name] for name in wanted if name in table}
    if not chosen:
        raise UserError("%s has scores of no video of the subset '%s'; it has %s" % (path, subset, shortened(table)))
    return external_document(chosen, names), found


def _read_actions(path):
    """Segments and :class:`Facts` by video."""
    document = read_json(path, "annotations")
    if not isinstance(document, dict) or not document:
        raise UserError('%s must be {video: {"duration_second", "duration_frame", "feature_frame", "annotations"}}'
                        % path)
    segments, facts = OrderedDict(), {}
    for name, entry in document.items():
        text(name, "%s: the name of a video" % path)
        place = "%s, video '%s'" % (path, name)
        if not isinstance(entry, dict) or not isinstance(entry.get("annotations"), list):
            raise UserError("%s must have 'annotations'" % place)
        facts[name] = Facts(*(number(entry.get(key), "%s: '%s'" % (place, key))
                              for key in ("duration_second", "duration_frame", "feature_frame")))
        segments[name] = [_instance(one, place) for one in entry["annotations"]]
    return segments, facts


def _instance(one, place):
    segment = one.get("segment") if isinstance(one, dict) else None
    if not isinstance(segment, list) or len(segment) != 2 or "label" not in one:
        raise UserError('%s: an annotation must be {"segment": [start, end], "label": name}' % place)
    return tuple(number(value, place + ": 'segment'") for value in segment) + (text(one["label"], place + ": 'label'"),)


def _absent(facts, info):
    return instances.absent(facts, info, (ACTIONS, INFO))


def _numbers(facts, rows, info):
    found = []
    for name, known in info.items():
        row, nominal = rows[name], rows[name].number("fps")
        other = facts.get(name, known)
        both = "%%.10g in %s, %%.10g in %s" % (ACTIONS, INFO)
        # The segments' file has sums of seconds, which differ in the last of sixteen digits
        if abs(other.duration_s - known.duration_s) > 1e-6:
            found.append(Disagreement("duration", name, both % (other.duration_s, known.duration_s)))
        if other.frames != known.frames:
            found.append(Disagreement("frame count", name, both % (other.frames, known.frames)))
        if other.feature_frames != known.feature_frames:
            found.append(Disagreement("feature frames", name, both % (other.feature_frames, known.feature_frames)
                                      + ", of %d frames" % known.frames))
        if known.feature_frames > known.frames:
            found.append(Disagreement("features past the end", name, "features of %d frames, where there are %d"
                                      % (known.feature_frames, known.frames)))
        if abs(nominal - row.number("rfps")) > 0.1:
            found.append(Disagreement("frame rate", name, "fps %g, but %.6g frames by seconds"
                                      % (nominal, row.number("rfps"))))
    return found


def _instances(recordings):
    found = [Disagreement("no instances", one.id, "subset %s" % one.subset)
             for one in recordings if not one.labels and one.subset != "testing"]
    for one in recordings:
        if len(set(one.labels)) > 1:
            found.append(Disagreement("several classes", one.id, ", ".join(
                "%s %d times" % pair for pair in sorted(Counter(one.labels).items()))))
    return found + instance_faults(recordings, ACTIONS) + classes_together(recordings, ACTIONS)


def _names(paths, labels, said):
    if not os.path.isfile(paths[NAMES]):
        said.append("%s is not there, so nothing is compared with it" % NAMES)
        return []
    names = {row["action"] for row in read_rows(paths[NAMES], ("action",))}
    return [Disagreement("classes", "", "'%s' is in %s and not in %s" % ((name,) + pair))
            for only, pair in ((labels - names, (ACTIONS, NAMES)), (names - labels, (NAMES, ACTIONS)))
            for name in sorted(only)]


def _official(path, recordings, said):
    """Videos that the organizers' file has and BSN's have not: those that were gone when BSN's were made."""
    if not os.path.isfile(path):
        said.append("%s is not there, so nothing is compared with it" % OFFICIAL)
        return []
    official = {"v_" + name: one for name, one in read_ground_truth(path).items()}
    mine = {one.id: one for one in recordings}
    return instances.absent(official, mine, (OFFICIAL, ACTIONS)) + [
        Disagreement("duration", name, "%.10g in %s, %.10g in %s" % (official[name].duration_s, OFFICIAL,
                                                                      mine[name].duration_s, INFO))
        for name in mine if name in official and official[name].duration_s is not None
        and abs(official[name].duration_s - mine[name].duration_s) > 0.1]


def _sample(path, recordings):
    """Videos that the organizers' example of a detections file has and the annotations do not."""
    if not os.path.isfile(path):
        return []
    document = read_json(path, "detections")
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, dict):
        raise UserError('%s must hold {"results": {video: [...]}}' % path)
    known = {one.id for one in recordings}
    return [Disagreement("videos", "v_" + name, "is in %s and not in %s" % (SAMPLE, ACTIONS))
            for name in sorted(results) if "v_" + name not in known]
