"""Features whose channels lie in several files, such as TSN's rgb and flow: one small JSON file names the parts.

``{"version": 1, "streams": [["rgb_val.h5", "rgb_test.h5"], ["flow_val.h5", "flow_test.h5"]], "every": 5}``: the
channels of all streams are joined in this order; each stream is one or more feature stores of different recordings.
Paths are relative to the file's folder; ``{"path": "all.h5", "group": "rgb_val"}`` names a group of an HDF5 file.
``every`` 5 takes each fifth snippet of the parts (1 if it is left out). Nothing is copied.
"""

import os
from typing import NamedTuple, Optional, Tuple

from tad.data.annotations import read_json
from tad.errors import UserError

SUFFIX = ".json"
VERSION = 1
SLACK = 1  # snippets that streams may differ in length; flow has one frame less than rgb


class Part(NamedTuple):
    """One feature store; ``group`` is inside an HDF5 file, None for its top level."""

    path: str
    group: Optional[str] = None

    def __str__(self):
        return self.path if self.group is None else "%s, group %s" % (self.path, self.group)


class Streams(NamedTuple):
    """``streams`` are joined channel by channel; the parts of each have different recordings."""

    streams: Tuple[Tuple[Part, ...], ...]
    every: int = 1


def read_streams(path):
    """The parts that a JSON file names.

    :raises UserError: the file is no such list.
    """
    document = read_json(path, "list of feature files")
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise UserError('%s must be {"version": %d, "streams": [["rgb.h5"], ["flow.h5"]]} to name feature files'
                        % (path, VERSION))
    every = document.get("every", 1)
    if isinstance(every, bool) or not isinstance(every, int) or not 1 <= every <= 10000:
        raise UserError("%s: 'every' must be a whole number from 1 to 10000, not %.60r" % (path, every))
    streams = document.get("streams")
    if not isinstance(streams, list) or not streams or not all(isinstance(parts, list) and parts for parts in streams):
        raise UserError("%s: 'streams' must be a list of lists of feature files" % path)
    folder = os.path.dirname(os.path.abspath(path))
    return Streams(tuple(tuple(_part(part, folder, path) for part in parts) for parts in streams), every)


def streams_document(streams, folder):
    """What :func:`read_streams` reads, for a file in ``folder``."""
    def value(part):
        place = os.path.relpath(part.path, folder)
        return place if part.group is None else {"path": place, "group": part.group}

    return {"version": VERSION, "every": streams.every,
            "streams": [[value(part) for part in parts] for parts in streams.streams]}


def lists_streams(path):
    """Whether a JSON file is such a list, and not, for example, one of annotations."""
    document = read_json(path, "list of feature files")
    return isinstance(document, dict) and "streams" in document


def part_paths(path):
    """The files and folders that a feature store is made of besides itself; none unless it is a list of parts."""
    if not path.lower().endswith(SUFFIX):
        return []
    paths = [part.path for parts in read_streams(path).streams for part in parts]
    return sorted(set(paths), key=paths.index)


def common_length(lengths):
    """Snippets that all streams of a recording have, or None where they differ by more than :data:`SLACK`."""
    return min(lengths) if max(lengths) - min(lengths) <= SLACK else None


def _part(part, folder, path):
    if isinstance(part, dict) and set(part) <= {"path", "group"}:
        place, group = part.get("path"), part.get("group")
    else:
        place, group = part, None
    if not isinstance(place, str) or not place or "\0" in place or not (group is None or isinstance(group, str)):
        raise UserError('%s: a feature file must be "PATH" or {"path": PATH, "group": NAME}, not %.80r' % (path, part))
    place = os.path.join(folder, place)
    if place.lower().endswith(SUFFIX):
        raise UserError("%s names %s, another list; name the feature files themselves" % (path, place))
    return Part(place, group)
