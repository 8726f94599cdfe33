"""THUMOS14's two-stream features as one list of files: ``rgb_val``, ``flow_val``, ``rgb_test``, ``flow_test``.

G-TAD's and VSGN's TSN features have one row a frame (``allfrms``), of which G-TAD reads each fifth, in HDF5 files with
a dataset a video. Other strides are recognised by the number of rows.
"""

import os
from collections import OrderedDict

import numpy as np

from tad.data.features import HDF5_SUFFIXES, FeatureError, FeatureStore
from tad.data.prepare.prepared import Disagreement
from tad.data.recipe import FILE_SUFFIX, Recipe, recipe_to_dict
from tad.data.rows import open_rows
from tad.data.streams import Part, Streams, streams_document
from tad.errors import UserError

STREAMS, PARTS = ("rgb", "flow"), ("val", "test")
LIST = "features.json"
TITLES = OrderedDict((("features", "videos whose features are missing or of another length"),))


def with_features(prepared, features, stride, folder):
    """What was prepared, and the list of feature files, its recipe, and what is wrong with the features.

    :param prepared: :class:`tad.data.prepare.prepared.Prepared`
    :param features: folder of HDF5 files, or one HDF5 file with groups.
    :param stride: frames from one snippet to the next that are wanted.
    :param folder: where the list will be.
    :raises UserError: the features are not there, or of a stride that does not divide the wanted one.
    """
    streams = _find(features)
    entries = prepared.files["annotations.json"]["database"]
    shapes = _shapes(streams, entries)
    rates = [entries[name]["frames"] / float(rows) for lengths in shapes for name, (rows, _) in lengths.items()]
    if not rates:
        raise UserError("%s has features of no annotated video" % features)
    own = max(1, int(round(float(np.median(rates)))))
    if stride < 1 or stride % own:
        raise UserError("the features in %s have a row for each %d frames, so --stride must be a multiple of %d, not %d"
                        % (features, own, own, stride))
    width = sum(next(iter(lengths.values()))[1] for lengths in shapes if lengths)
    recipe = Recipe(made_by="tad data prepare thumos14", source=os.path.basename(os.path.abspath(features)),
                    backbone="TSN", stride=stride, window=own, width=width, layout="TC")
    files = OrderedDict(prepared.files)
    files[LIST] = streams_document(Streams(streams, stride // own), os.path.abspath(folder))
    files[LIST + FILE_SUFFIX] = recipe_to_dict(recipe)
    titles = OrderedDict(tuple(prepared.titles.items()) + tuple(TITLES.items()))
    said = "features: a row for each %s, %d channels; %s takes one in %d" % (
        "frame" if own == 1 else "%d frames" % own, width, LIST, stride // own)
    return prepared._replace(files=files, titles=titles, said=prepared.said + (said,),
                             disagreements=prepared.disagreements + tuple(_faults(shapes, entries, own)))


def _find(features):
    """The parts of each stream."""
    if os.path.isfile(features):
        place = {name: Part(features, name) for name in _names()}
    else:
        if not os.path.isdir(features):
            raise UserError("there are no features %s" % features)
        place = {}
        for name in _names():
            paths = [os.path.join(features, name + suffix) for suffix in HDF5_SUFFIXES]
            there = [path for path in paths if os.path.isfile(path)]
            if not there:
                raise UserError("%s has no %s.h5; needed are %s" % (features, name, ", ".join(
                    each + ".h5" for each in _names())))
            place[name] = Part(there[0])
    return tuple(tuple(place["%s_%s" % (stream, part)] for part in PARTS) for stream in STREAMS)


def _names():
    return ["%s_%s" % (stream, part) for stream in STREAMS for part in PARTS]


def _shapes(streams, entries):
    """For each stream, rows and width by annotated video."""
    found = []
    for parts in streams:
        lengths = {}
        for part in parts:
            store = FeatureStore(part.path, 0, part.group)
            for name in sorted(store.ids & set(entries)):
                try:
                    lengths[name] = open_rows(store, name).shape
                except FeatureError as error:
                    raise UserError("%s: %s %s" % (part.path, name, error))
        found.append(lengths)
    return found


def _faults(shapes, entries, own):
    """Videos that a stream lacks, and those whose streams differ from each other or from the video's frames."""
    for name, entry in entries.items():
        rows = [lengths[name][0] if name in lengths else None for lengths in shapes]
        missing = [stream for stream, length in zip(STREAMS, rows) if length is None]
        if missing:
            yield Disagreement("features", name, "no %s" % " and no ".join(missing))
        elif max(rows) - min(rows) > 1 or abs(max(rows) * own - entry["frames"]) > own + 1:
            yield Disagreement("features", name, "%s rows of %d frames, of a video of %d frames" % (
                ", ".join("%d %s" % (length, stream) for length, stream in zip(rows, STREAMS)), own, entry["frames"]))
