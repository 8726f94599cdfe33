"""Imports features: finds, orients, joins and writes them, one recording in memory at a time."""

import contextlib
import os
import tempfile
from collections import Counter, OrderedDict
from typing import NamedTuple, Optional, Tuple

import h5py
import numpy as np
from tqdm import tqdm

from tad.data.check.names import difference, respelled
from tad.data.features import HDF5_SUFFIXES, FeatureError
from tad.data.importers.arrays import find_items, shape_of, squeezed_shape
from tad.data.importers.orientation import WORDS, Evidence, decide, oriented
from tad.data.naming import check_file_name, count, shortened
from tad.data.recipe import Recipe, read_recipe, write_recipe
from tad.errors import UserError
from tad.files import atomic_write, make_folder

LONGEST_GAP = 2  # snippets by which two streams of one recording may differ; the longer one is cut


class FeatureWishes(NamedTuple):
    """What the user knows of the features.

    ``layout``: TC, CT or None to look; ``strip``: endings that are no part of ids; ``ids``: as the annotations spell
    them; the rest goes into the recipe.
    """

    layout: Optional[str] = None
    strip: Tuple[str, ...] = ()
    evidence: Evidence = Evidence()
    recipe: Recipe = Recipe()
    force: bool = False
    ids: Tuple[str, ...] = ()


class Stream(NamedTuple):
    """One source of features: items and number of snippets by id, the arrays' layout, their commonest width."""

    path: str
    items: dict
    layout: str
    width: int
    snippets: dict


def import_features(paths, output, wishes):
    """Write the features in some folders or files, joined channel by channel, into one store with a recipe.

    :param paths: one path for each stream (for example RGB and flow).
    :param output: a folder, or an HDF5 file.
    :returns: list of sentences that say what was found, done and left out.
    :raises UserError: the layout is not to be known, nothing is usable, or the output exists.
    """
    check_free(output, wishes.force)
    _check_kind(output)
    said, left_out = [], OrderedDict()
    streams = [open_stream(path, wishes, said, left_out) for path in paths]
    names = _common_ids(streams, said)
    spelling = _spelling(names, wishes.ids, said)
    for name in names:
        check_file_name(spelling.get(name, name), output)
    width = sum(stream.width for stream in streams)
    written, lengths, odd = 0, [], []
    with _writer(output) as write:
        for name in tqdm(names, desc="import", unit="recording", disable=None):
            try:
                array = _joined(streams, name)
            except FeatureError as error:
                left_out.setdefault("unusable", []).append("%s %s" % (name, error))
                continue
            if not np.isfinite(array).all():
                odd.append(name)
            write(spelling.get(name, name), array)
            written += 1
            lengths.append(len(array))
        if not written:
            raise UserError("no recording of %s could be imported: %s"
                            % (", ".join(paths), shortened(sum(left_out.values(), []), 3)))
    said.append("%s written, %d channels, %d to %d snippets" % (count(written, "recording"), width, min(lengths),
                                                               max(lengths)))
    if odd:
        said.append("NaN or infinite values in %s, written as they are: %s" % (count(len(odd), "recording"),
                                                                               shortened(odd)))
    said += ["left out, %s: %d: %s" % (reason, len(places), shortened(places, 3))
             for reason, places in left_out.items()]
    said.append("recipe: " + write_recipe(output, _recipe(paths, wishes, width)))
    return said


def check_free(output, force):
    """Refuse an output that holds something, unless it may be replaced.

    :raises UserError: there is something.
    """
    taken = os.path.exists(output) and not (os.path.isdir(output) and not os.listdir(output))
    if taken and not force:
        raise UserError("%s exists already; choose another --output, or replace it with --force" % output)


def _check_kind(output):
    if os.path.exists(output) and os.path.isdir(output) == output.lower().endswith(HDF5_SUFFIXES):
        raise UserError("%s is a %s, and the output would not be one; choose another --output"
                        % (output, "folder" if os.path.isdir(output) else "file"))


def open_stream(path, wishes, said, left_out):
    """The arrays of a folder or file, by id, and which of their axes is time.

    :param said: list that gets the sentences on what was recognised.
    :param left_out: dict reason -> list of places, which gets what cannot be used.
    :raises UserError: nothing is usable, or the layout is not to be known.
    """
    items, others = find_items(path, wishes.strip)
    if others:
        said.append("%s: %s no features: %s" % (path, count(len(others), "file") + (" holds" if len(others) == 1 else
                                                                                  " hold"),
                                                shortened([os.path.basename(one) for one in others])))
    shapes, raw = {}, Counter()
    for item in items:
        try:
            found = shape_of(item)
        except FeatureError as error:
            left_out.setdefault("unreadable", []).append("%s %s" % (item.id, error))
            continue
        shape = squeezed_shape(found)
        if shape is None or 0 in shape:
            left_out.setdefault("not two-dimensional", []).append("%s, shape %s" % (item.place, tuple(found)))
            continue
        if len(found) > 2:
            raw[len(found)] += 1
        shapes[item.id] = shape
    if not shapes:
        raise UserError("none of %s in %s can be read as (snippets, channels): %s"
                        % (count(len(items), "array"), path, shortened(sum(left_out.values(), []), 3)))
    layout, sentence = _decided(shapes, wishes, path)
    said.append("%s: %s" % (path, sentence))
    if raw:
        said.append("%s: axes of length 1 dropped in %s" % (path, count(sum(raw.values()), "recording")))
    time, channels = (0, 1) if layout == "TC" else (1, 0)
    widths = Counter(shape[channels] for shape in shapes.values())
    return Stream(path, {item.id: item for item in items if item.id in shapes}, layout, widths.most_common(1)[0][0],
                  {name: shape[time] for name, shape in shapes.items()})


def _decided(shapes, wishes, path):
    """The layout that the user or the recipe beside the features knows, or that the shapes tell."""
    recipe = read_recipe(path)
    if wishes.layout is None and recipe is not None and recipe.layout is not None:
        return recipe.layout, "read as %s: as their recipe says" % WORDS[recipe.layout]
    return decide(shapes, wishes.evidence, wishes.layout, path)


def _spelling(names, ids, said):
    """The annotations' ids for features whose own differ from them only in case, ending, blanks or Unicode form."""
    spelling = respelled(names, ids)
    if spelling:
        said.append("%s named as the annotations do: %s"
                    % (count(len(spelling), "recording"), shortened("'%s' for '%s' (%s)" % (
                        spelling[name], name, difference(name, spelling[name])) for name in sorted(spelling))))
    return spelling


def _common_ids(streams, said):
    names = [name for name in streams[0].items if all(name in stream.items for stream in streams)]
    for stream in streams:
        alone = sorted(set(stream.items) - set(names))
        if alone:
            said.append("%s has %s that another stream lacks, left out: %s"
                        % (stream.path, count(len(alone), "recording"), shortened(alone)))
    if not names:
        raise UserError("%s have no recording in common: '%s' and '%s', for example; --strip takes endings off ids"
                        % (" and ".join(stream.path for stream in streams), min(streams[0].items),
                           min(streams[-1].items)))
    return names


def _joined(streams, name):
    parts = [_loaded(stream, name) for stream in streams]
    lengths = [len(part) for part in parts]
    if max(lengths) - min(lengths) > LONGEST_GAP:
        raise FeatureError("has %s snippets in its streams" % " and ".join(map(str, lengths)))
    return np.concatenate([part[:min(lengths)] for part in parts], axis=1)


def _loaded(stream, name):
    array = np.asarray(stream.items[name].load())
    if array.dtype.kind not in "fiub":
        raise FeatureError("has features of type %s, where numbers are needed" % array.dtype)
    array = oriented(array.reshape(squeezed_shape(array.shape)), stream.layout)
    if array.shape[1] != stream.width:
        raise FeatureError("has %d channels where most have %d" % (array.shape[1], stream.width))
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


@contextlib.contextmanager
def _writer(output):
    """A function ``write(id, array)`` into a folder of ``.npy``, or into an HDF5 file that appears when all is done."""
    if not output.lower().endswith(HDF5_SUFFIXES):
        make_folder(output)

        def write(name, array):
            with atomic_write(os.path.join(output, name + ".npy"), "wb") as stream:
                np.save(stream, array, allow_pickle=False)

        yield write
        return
    folder = os.path.dirname(os.path.abspath(output))
    make_folder(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".import-") as place:
        temporary = os.path.join(place, "features.h5")
        with h5py.File(temporary, "w") as archive:
            yield lambda name, array: archive.create_dataset(name, data=array)
        os.replace(temporary, output)


def _recipe(paths, wishes, width):
    """What the user says of the features, then what the source's own recipe says."""
    known = read_recipe(paths[0]) if len(paths) == 1 else None
    recipe = known or Recipe()
    told = {key: value for key, value in wishes.recipe._asdict().items() if value is not None}
    return recipe._replace(width=width, layout="TC", dtype="float32", source=" + ".join(map(os.path.abspath, paths)),
                           **told)
