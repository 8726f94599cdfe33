"""Which formats there are, and which one some files have."""

import os
from collections import OrderedDict
from typing import Any, NamedTuple

from tad.data.importers import activitynet, boris, elan, label_studio, table, thumos, via
from tad.data.importers.reading import InputFile, Reading, unite
from tad.data.naming import shortened
from tad.errors import UserError


class Format(NamedTuple):
    """A format: the word for ``--format``, its name, and the module that reads it."""

    word: str
    name: str
    module: Any


# Asked in this order: what is special before what is general
FORMATS = (
    Format("elan", "ELAN .eaf", elan),
    Format("boris", "BORIS project or exported events", boris),
    Format("via", "VGG Image Annotator 3 project", via),
    Format("label-studio", "Label Studio JSON", label_studio),
    Format("activitynet", "ActivityNet-style JSON", activitynet),
    Format("thumos", "THUMOS text files", thumos),
    Format("csv", "table with one action (or one frame) a row", table),
)
WORDS = tuple(entry.word for entry in FORMATS)


def read_files(paths, options, word=None):
    """The annotations in some files or folders.

    :param word: a format of ``WORDS``; None looks into the files.
    :returns: :class:`tad.data.importers.reading.Reading`
    :raises UserError: nothing can be read, or the files have several formats.
    """
    files = [InputFile(path, options.encoding) for path in _input_paths(paths)]
    if word is not None:
        chosen = next(entry for entry in FORMATS if entry.word == word)
        return _read(chosen, files, options)
    recognised = [(file, _format_of(file)) for file in files]
    found = [entry for entry in FORMATS if any(other is entry for _, other in recognised)]
    if not found:
        raise UserError(_nothing_recognised(files))
    if len(found) > 1:
        raise UserError("the files have several formats (%s); import one at a time, or force one with --format %s"
                        % (", ".join("%s: %s" % (next(file.path for file, other in recognised if other is entry),
                                                 entry.name) for entry in found), "|".join(e.word for e in found)))
    chosen = found[0]
    reading = _read(chosen, [file for file, entry in recognised if entry is chosen], options)
    strange = [file.path for file, entry in recognised if entry is None]
    return reading._replace(left_out=reading.left_out + [("files of no known format", path) for path in strange])


def _read(chosen, files, options):
    try:
        return chosen.module.read(files, options)
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        # Other tools' files have parts that mean nothing here: a strange one is told where a reader stumbles over it
        raise UserError("%s cannot be read as %s: a part is missing or of another kind (%s: %.100s)"
                        % (shortened(file.path for file in files), chosen.name, type(error).__name__, error))


def read_inputs(inputs, options, word=None):
    """The annotations in some inputs, each a path or ``SUBSET=PATH``.

    :returns: one :class:`tad.data.importers.reading.Reading`; recordings of ``SUBSET=PATH`` have that subset.
    :raises UserError: as :func:`read_files`; or a recording is in two subsets.
    """
    groups = OrderedDict()
    for text in inputs:
        subset, path = _subset_and_path(text)
        groups.setdefault(subset, []).append(path)
    readings = OrderedDict((subset, read_files(paths, options, word)) for subset, paths in groups.items())
    if list(readings) == [None]:
        return readings[None]
    about, owner = {}, {}
    for subset, reading in readings.items():
        names = {row.recording for row in reading.rows} | set(reading.about)
        for name in sorted(names):
            if name in owner and owner[name] != subset:
                raise UserError("recording '%s' is in the files of '%s' and in those of '%s'"
                                % (name, owner[name], subset))
            owner[name] = subset
            unite(about, name, **dict(reading.about[name]._asdict() if name in reading.about else {},
                                      **({} if subset is None else {"subset": subset})))
    parts = list(readings.values())
    return Reading("; ".join(part.title for part in parts), sum((part.rows for part in parts), []), about,
                   list(OrderedDict.fromkeys(sum((part.said for part in parts), []))),
                   sum((part.left_out for part in parts), []))


def _subset_and_path(text):
    subset, sign, path = text.partition("=")
    return (subset, path) if sign and subset and not os.path.exists(text) and os.path.exists(path) else (None, text)


def _format_of(file):
    return next((entry for entry in FORMATS if entry.module.recognises(file)), None)


def _input_paths(paths):
    """The files themselves, and those in folders (also nested ones), without hidden ones."""
    found = []
    for path in paths:
        if not os.path.exists(path):
            raise UserError("there is no %s" % path)
        if not os.path.isdir(path):
            found.append(path)
            continue
        inside = []
        for place, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            inside += [os.path.join(place, name) for name in sorted(names) if not name.startswith(".")]
        if not inside:
            raise UserError("the folder %s holds no file" % path)
        found += inside
    return found


def _nothing_recognised(files):
    readable = [file for file in files if file.is_text]
    if readable:
        return "%s: recognised no format of annotations; force one with --format %s" % (
            shortened(file.path for file in readable), "|".join(WORDS))
    if len(files) == 1 and not files[0].text.strip():  # asking for the text tells what keeps it from being read
        return "%s is empty" % files[0].path
    return "none of %s is readable text" % shortened(file.path for file in files)
