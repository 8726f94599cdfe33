"""Label Studio's JSON exports: video timelines, audio and time-series segments."""

from tad.data.importers.reading import Reading, Row, as_list, as_object, recording_name, unite
from tad.data.importers.times import parse_time
from tad.data.naming import shortened
from tad.errors import UserError

LABEL_KEYS = ("timelinelabels", "timeserieslabels", "labels", "videolabels", "hypertextlabels")
DATA_KEYS = ("video", "video_url", "videourl", "audio", "timeseries", "csv", "url")
_FIRST_FRAME = 1  # of a video timeline; both ends of its ranges are inside


def recognises(file):
    if not file.is_json or not isinstance(file.document, list) or not file.document:
        return False
    tasks = [task for task in file.document[:5] if isinstance(task, dict)]
    return bool(tasks) and all("annotations" in task or "completions" in task or _minimal_controls(task)
                               for task in tasks)


def read(files, options):
    """The segments of each task; of several annotations for one task the last one that was finished is taken."""
    rows, about, left_out, several = [], {}, [], []
    tasks = 0
    for file in files:
        if not isinstance(file.document, list):
            raise UserError("%s must be a list of tasks, as Label Studio exports JSON" % file.path)
        for index, task in enumerate(file.document):
            tasks += 1
            place = "%s, task %s" % (file.path, task.get("id", index) if isinstance(task, dict) else index)
            name = _recording(as_object(task, place), place)
            unite(about, name)
            for result in _results(task, place, several, left_out):
                rows += _result_rows(name, result, place, options, left_out)
    said = ["tasks with several annotations, of which one was taken: %s" % shortened(several)] if several else []
    return Reading("Label Studio: %d tasks" % tasks, rows, about, said, left_out)


def _recording(task, place):
    data = as_object(task.get("data", task), place + ": 'data'")
    path = next((data[key] for key in DATA_KEYS if isinstance(data.get(key), str)), None)
    if path is None:
        path = task.get("file_upload") or next(
            (value for value in data.values() if isinstance(value, str) and "/" in value), None)
    if not path:
        raise UserError("%s: found no file name in its data (%s)" % (place, ", ".join(map(str, data))))
    return _without_upload_prefix(recording_name(str(path)))


def _without_upload_prefix(name):
    """Label Studio puts eight hexadecimal digits before the name of an uploaded file."""
    prefix, dash, rest = name.partition("-")
    hexadecimal = len(prefix) == 8 and all(letter in "0123456789abcdef" for letter in prefix)
    return rest if dash and rest and hexadecimal else name


def _minimal_controls(task):
    """Controls of a JSON-MIN export: lists of segments at the top level of a task."""
    return [key for key, value in task.items() if isinstance(value, list) and value and all(
        isinstance(one, dict) and any(word in one for word in LABEL_KEYS) for one in value)]


def _results(task, place, several, left_out):
    """``(control, value)`` of the annotation that is taken."""
    if "annotations" not in task and "completions" not in task:
        return [(key, value) for key in _minimal_controls(task) for value in task[key]]
    listed = task.get("annotations", task.get("completions"))
    if not isinstance(listed, list):
        raise UserError("%s: 'annotations' must be a list" % place)
    finished = [one for one in listed if isinstance(one, dict) and not one.get("was_cancelled")
                and isinstance(one.get("result"), list)]
    for _ in range(len(listed) - len(finished)):
        left_out.append(("skipped (cancelled) annotations", place))
    if not finished:
        return []
    # A reviewed ground truth comes before the others, then the newest
    taken = max(finished, key=lambda one: (bool(one.get("ground_truth")),
                                           str(one.get("updated_at") or one.get("created_at") or "")))
    if len(finished) > 1:
        several.append("%s of task %s (%s)" % (taken.get("id", "one"), task.get("id", "?"), (
            "the ground truth" if taken.get("ground_truth") else "the newest of %d" % len(finished))))
        left_out += [("other annotations of a task that has several", place)] * (len(finished) - 1)
    return [(result.get("from_name", ""), dict(as_object(result.get("value", {}), place), _type=result.get("type")))
            for result in taken["result"] if isinstance(result, dict)]


def _result_rows(name, result, place, options, left_out):
    control, value = result
    labels = next((value[key] for key in LABEL_KEYS if isinstance(value.get(key), list)), None)
    ranges = value.get("ranges")
    if options.tiers and control not in options.tiers:
        left_out.append(("results of control '%s'" % control, place))
        return []
    if labels is None or (ranges is None and "start" not in value):
        left_out.append(("results that are no segments in time (%s)" % value.get("_type", control), place))
        return []
    if not labels:
        left_out.append(("segments without a label", place))
    if ranges is None:
        edges = [_edges(value, place, options.unit or "seconds")]
    else:
        edges = [_frames(one, place) for one in as_list(ranges, place + ": 'ranges'")]
    return [Row(name, start, end, unit, str(label), place) for start, end, unit in edges for label in labels]


def _edges(value, place, unit):
    start, unit = parse_time(str(value.get("start")), unit, place)
    end, unit = parse_time(str(value.get("end")), unit, place)
    return start, end, unit


def _frames(value, place):
    """Frames ``first..last``, both inside and counted from 1, as half-open edges from 0."""
    start, end, unit = _edges(value if isinstance(value, dict) else {}, place, "frames")
    return start - _FIRST_FRAME, end - _FIRST_FRAME + 1, unit
