"""HACS Segments from its own JSON file, ``HACS_segments_v1.1.1.json``, which is ActivityNet-style.

Written to the layout in the organizers' README; the file has no frame rates or numbers of frames.
"""

import os
from collections import Counter, OrderedDict

from tad.data.annotations import read_ground_truth
from tad.data.prepare import instances
from tad.data.prepare.activitynet import with_scores
from tad.data.prepare.instances import classes_together, database, instance_faults
from tad.data.prepare.prepared import Disagreement, Prepared
from tad.errors import UserError

SEGMENTS, SCORES = "HACS_segments_v1.1.1.json", "validation94.32.json"
CLASSES = 200
VIDEOS = {"training": 37613, "validation": 5981, "testing": 5987}  # the organizers' README

TITLES = OrderedDict((
    ("videos", "videos that one file has and another does not"),
    ("classes", "classes that one file has and another does not"),
    ("counts", "numbers that are not those of the organizers' README"),
    ("no duration", "videos without a duration"),
    ("no instances", "videos of a scored subset without instances"),
    ("several classes", "videos with instances of several classes"),
) + tuple(instances.TITLES.items()))


def prepare(folder, scores=None):
    """Annotations and, with a score file, video-level scores from the files in a folder.

    :param scores: TCANet's score file, of logits; None takes the one in the folder, if it is there.
    :returns: :class:`tad.data.prepare.prepared.Prepared`
    :raises UserError: a needed file is missing, or one cannot be understood.
    """
    path = os.path.join(folder, SEGMENTS)
    if not os.path.isfile(path):
        raise UserError("%s has no %s, which HACS needs" % (folder, SEGMENTS))
    recordings = list(read_ground_truth(path).values())
    labels = {label for one in recordings for label in one.labels}
    counts = Counter(one.subset for one in recordings)
    found = [Disagreement("counts", "", "%d videos of the subset '%s' in %s, %d in the README"
                          % (counts[subset], subset, SEGMENTS, VIDEOS.get(subset, 0)))
             for subset in sorted(set(counts) | set(VIDEOS)) if counts[subset] != VIDEOS.get(subset, 0)]
    if len(labels) != CLASSES:
        found.append(Disagreement("counts", "", "%d classes in %s, %d in the README"
                                  % (len(labels), SEGMENTS, CLASSES)))
    for one in recordings:
        if one.duration_s is None:
            found.append(Disagreement("no duration", one.id, "subset %s" % one.subset))
        if not one.labels and one.subset != "testing":
            found.append(Disagreement("no instances", one.id, "subset %s" % one.subset))
        if len(set(one.labels)) > 1:
            found.append(Disagreement("several classes", one.id, ", ".join(sorted(set(one.labels)))))
    found += instance_faults(recordings, SEGMENTS) + classes_together(recordings, SEGMENTS)
    files = OrderedDict([("annotations.json", database(recordings))])
    said = ["%s: %d videos" % pair for pair in sorted(counts.items())]
    scores = scores or os.path.join(folder, SCORES)
    if os.path.isfile(scores):
        files["external_scores.json"], more = with_scores(scores, True, recordings, "", labels)
        found += more
    else:
        said.append("no score file, so no external_scores.json; --scores FILE names TCANet's %s" % SCORES)
    return Prepared("hacs", files, TITLES, tuple(found), tuple(said))
