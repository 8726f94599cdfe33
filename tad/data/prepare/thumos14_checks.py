"""Where THUMOS14's files contradict one another. Each kind is explained in docs/public-data.md."""

from collections import OrderedDict, defaultdict

from tad.data.naming import count, shortened
from tad.data.prepare import instances
from tad.data.prepare.instances import absent, classes_together, differing, instance_faults
from tad.data.prepare.prepared import Disagreement

VALIDATION, TEST = "validation", "test"
AMBIGUOUS = "Ambiguous"
# The 20 classes with their numbers among the 101 of UCF-101, by which val_Annotation.csv and uNet_test.npy go
CLASSES = OrderedDict((
    ("BaseballPitch", 7), ("BasketballDunk", 9), ("Billiards", 12), ("CleanAndJerk", 21), ("CliffDiving", 22),
    ("CricketBowling", 23), ("CricketShot", 24), ("Diving", 26), ("FrisbeeCatch", 31), ("GolfSwing", 33),
    ("HammerThrow", 36), ("HighJump", 40), ("JavelinThrow", 45), ("LongJump", 51), ("PoleVault", 68), ("Shotput", 79),
    ("SoccerPenalty", 85), ("TennisSwing", 92), ("ThrowDiscus", 93), ("VolleyballSpiking", 97)))
# What SSN, AFSD and ActionFormer leave out of their evaluations
BLOCKED = ("video_test_0000270", "video_test_0001292", "video_test_0001496")
RATES = (24000 / 1001.0, 24.0, 25.0, 30000 / 1001.0, 30.0)
FRAME_SLACK = 1.5  # frames that a column may be from its seconds: times have one decimal, and frames are cut or rounded

TITLES = OrderedDict((
    ("blocked", "test videos that evaluations leave out"),
    ("videos", "videos that one file has and another does not"),
    ("ambiguous", "videos with ambiguous instances, which some files leave out"),
    ("instances", "videos whose instances differ between files"),
    ("subsets", "names of the subsets"),
    ("numbering", "numbers of the classes"),
    ("actions", "videos whose annotated classes are not those of the lists of videos"),
    ("frame rate", "frame rates that differ"),
    ("frame count", "numbers of frames that differ"),
    ("duration", "durations that differ by more than a frame"),
    ("own duration", "videos whose frames do not last as long as their duration says"),
    ("frame columns", "videos whose frame columns are not their seconds at their frame rate"),
    ("frames between", "videos whose frame columns differ between the two test tables"),
) + tuple(instances.TITLES.items()) + (
    ("scores", "videos whose best class by uNet_test.npy is not annotated"),
))


def disagreements(sources, merged):
    """All of them.

    :param sources: :class:`tad.data.prepare.thumos14.Sources`
    :param merged: the recordings that are written, by id, with ambiguous instances.
    """
    found = _blocked(sources, merged) + _between_files(sources) + _subsets(sources) + _numbering(sources)
    found += _actions(sources, merged) + _truth_facts(sources) + _own_duration(sources, merged)
    for name, columns in (("val_Annotation.csv", ("video", "start", "end", "startFrame", "endFrame")),
                          ("test_Annotation.csv", ("video", "start", "end", "startFrame", "endFrame")),
                          ("thumos14_test_groundtruth.csv", ("video-name", "t-init", "t-end", "f-init", "f-end"))):
        found += _frame_columns(sources, name, columns)
    found += _frames_between(sources)
    for name in ("val_Annotation.csv", "test_Annotation.csv"):
        recordings = [merged[video] for video in sources.annotated[name]]
        found += instance_faults(recordings, name) + classes_together(recordings, name)
    return found + _scores(sources, merged)


def _blocked(sources, merged):
    found = []
    for name in BLOCKED:
        if name not in merged:
            continue
        recording, video = merged[name], sources.videos[name]
        labels = sorted(set(recording.labels))
        late = int((recording.segments_s[:, 1] > recording.duration_s).sum())
        without = [place for place, annotated in sources.annotated.items()
                   if name not in annotated and any(other.subset in (TEST, "testing") for other in annotated.values())]
        found.append(Disagreement("blocked", name, "its action is %s by test_info.mat, its %s are %s, %d of them past "
                                  "its end; not in %s" % (video.labels[0], count(len(recording.labels), "instance"),
                                                      ", ".join(labels), late, ", ".join(without) or "none")))
    return found


def _between_files(sources):
    """Videos and instances; ambiguous instances are compared only where both files have any."""
    found = []
    for table in ("val_Annotation.csv", "test_Annotation.csv"):
        base = sources.annotated[table]
        subset = next(iter(base.values())).subset
        for name, recording in base.items():
            if AMBIGUOUS in recording.labels:
                without = [place for place, other in sources.annotated.items()
                           if name in other and AMBIGUOUS not in other[name].labels]
                found.append(Disagreement("ambiguous", name, "%s in %s%s" % (
                    count(recording.labels.count(AMBIGUOUS), "instance"), table,
                    ", none in " + ", ".join(without) if without else "")))
        for place, other in sources.annotated.items():
            same = {name: recording for name, recording in other.items()
                    if _SUBSETS.get(recording.subset, recording.subset) == subset}
            if place == table or not same:
                continue
            places = (table, place)
            found += absent(base, same, places)
            has_ambiguous = any(AMBIGUOUS in recording.labels for recording in same.values())
            mine = base if has_ambiguous else {name: without_ambiguous(recording) for name, recording in base.items()}
            found += differing(mine, same, places)
    return found


_SUBSETS = {"train": VALIDATION, "testing": TEST}


def without_ambiguous(recording):
    """A recording with its instances of the 20 classes alone."""
    kept = [index for index, label in enumerate(recording.labels) if label != AMBIGUOUS]
    return recording._replace(segments_s=recording.segments_s[kept],
                              labels=tuple(recording.labels[index] for index in kept))


def _subsets(sources):
    found = []
    for place, annotated in sources.annotated.items():
        for name in sorted({recording.subset for recording in annotated.values()} - {VALIDATION, TEST}):
            found.append(Disagreement("subsets", "", "%s calls '%s' what the videos' own names call '%s'"
                                      % (place, name, _SUBSETS.get(name, "?"))))
    return found


def _numbering(sources):
    found = []
    for place in ("val_Annotation.csv", "test_Annotation.csv"):
        for label, number in sorted({(row["type"], row["type_idx"]) for row in sources.rows[place]}):
            if str(dict(CLASSES, **{AMBIGUOUS: 0})[label]) != number:
                found.append(Disagreement("numbering", "", "%s numbers %s %s, UCF-101 %d"
                                          % (place, label, number, dict(CLASSES, **{AMBIGUOUS: 0})[label])))
    for index, (label, number) in enumerate(CLASSES.items()):
        words = ["%d in type_idx of the annotation tables and as column + 1 of uNet_test.npy" % number]
        if "thumos14_test_groundtruth.csv" in sources.rows:
            words.append("%d in label-idx of thumos14_test_groundtruth.csv" % index)
        if sources.numbers:
            words.append("%s in thumos_classes_idx.json" % sources.numbers.get(label, "missing"))
        found.append(Disagreement("numbering", "", "%s is %s" % (label, ", ".join(words))))
    return found


def _actions(sources, merged):
    found = []
    for name, recording in merged.items():
        known, annotated = sources.videos[name].labels, set(recording.labels) - {AMBIGUOUS}
        more, less = sorted(annotated - set(known)), [] if known[0] in annotated else [known[0]]
        if more or less:
            found.append(Disagreement("actions", name, "the list has %s; %s" % (", ".join(known), "; ".join(
                ["annotated, but not listed: " + ", ".join(more)] * bool(more)
                + ["first in the list, but not annotated: " + ", ".join(less)] * bool(less)))))
    return found


def _truth_facts(sources):
    """Rate, frames and duration of the test videos by the ground truth table and by the list of videos."""
    facts = OrderedDict()
    for row in sources.rows.get("thumos14_test_groundtruth.csv", ()):
        if row["video-name"] in sources.videos:
            facts.setdefault(row["video-name"], set()).add(
                (row.number("frame-rate"), row.number("video-frames"), row.number("video-duration")))
    found = []
    for name, values in facts.items():
        video = sources.videos[name]
        for fps, frames, duration in sorted(values):
            both = "in thumos14_test_groundtruth.csv, %.10g in test_info.mat"
            if abs(fps / video.fps - 1) * video.frames > 0.5:  # it moves the last frame by half of one or more
                found.append(Disagreement("frame rate", name, ("%.10g " + both) % (fps, video.fps)))
            if frames != video.frames:
                found.append(Disagreement("frame count", name, ("%.10g " + both) % (frames, video.frames)))
            if abs(duration - video.duration_s) * video.fps > 1:
                found.append(Disagreement("duration", name, ("%.10g s " + both) % (duration, video.duration_s)))
    return found


def _own_duration(sources, merged):
    found = []
    for name in merged:
        video = sources.videos[name]
        missing = video.duration_s * video.fps - video.frames
        if abs(missing) > 1:
            found.append(Disagreement("own duration", name, "%d frames at %.6g a second last %.3f s, not %.3f s: %.1f "
                                      "frames %s" % (video.frames, video.fps, video.frames / video.fps,
                                                     video.duration_s, abs(missing),
                                                     "are missing" if missing > 0 else "too many")))
    return found


def _frame_columns(sources, place, columns):
    video, start, end, first, last = columns
    pairs = defaultdict(list)
    for row in sources.rows.get(place, ()):
        pairs[row[video]] += [(row.number(start), row.number(first)), (row.number(end), row.number(last))]
    found = []
    for name, times in pairs.items():
        own = sources.videos[name].fps if name in sources.videos else None
        if own is None or _off(times, own) <= FRAME_SLACK:
            continue
        fitting = [rate for rate in RATES if _off(times, rate) <= FRAME_SLACK]
        found.append(Disagreement("frame columns", name, "%s at %s, where its own rate is %.6g: up to %.0f frames off  "
                                  "(%s)" % (count(len(times) // 2, "instance"),
                                            " or ".join("%.6g" % rate for rate in fitting) or "no usual rate", own,
                                            _off(times, own), place)))
    return found


def _off(times, rate):
    """The most frames between a frame column and its seconds."""
    return max(abs(frame - second * rate) for second, frame in times)


def _frames_between(sources):
    tables = []
    for place, keys in (("test_Annotation.csv", ("video", "start", "end", "type_idx", "startFrame", "endFrame")),
                        ("thumos14_test_groundtruth.csv",
                         ("video-name", "t-init", "t-end", "label-idx", "f-init", "f-end"))):
        rows = sources.rows.get(place, ())
        tables.append({(row[keys[0]], row.number(keys[1]), row.number(keys[2]), _position(row, keys[3])):
                       (row.number(keys[4]), row.number(keys[5])) for row in rows})
    differing_by = defaultdict(list)
    for key, frames in tables[0].items():
        other = tables[1].get(key, frames)
        if other != frames:
            differing_by[key[0]].append(max(abs(one - two) for one, two in zip(frames, other)))
    return [Disagreement("frames between", name, "%s of test_Annotation.csv and thumos14_test_groundtruth.csv: up to "
                         "%d frames" % (count(len(values), "instance"), max(values)))
            for name, values in sorted(differing_by.items())]


def _position(row, key):
    """A class as its place among the sorted ones, in whichever way the column numbers them; -1 is ambiguous."""
    number = int(row.number(key))
    if key == "label-idx":
        return number
    numbers = list(CLASSES.values())
    return numbers.index(number) if number in numbers else -1


def _scores(sources, merged):
    if sources.scores is None:
        return []
    found, columns = [], [number - 1 for number in CLASSES.values()]
    for name, recording in merged.items():
        annotated = sorted(set(recording.labels) - {AMBIGUOUS})
        if recording.subset == TEST:
            row = sources.scores[int(name[-7:]) - 1, columns]
            best = list(CLASSES)[int(row.argmax())]
            if best not in annotated:
                found.append(Disagreement("scores", name, "%s (%.3f), annotated: %s" % (
                    best, row.max(), shortened(annotated) or "nothing")))
    return found
