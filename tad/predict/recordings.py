"""The recordings that words on the command line stand for: feature files, stores, folders."""

import os
from typing import NamedTuple, Optional

from tad.data import streams
from tad.data.features import FOLDER_SUFFIXES, HDF5_SUFFIXES, FeatureStore
from tad.data.recipe import Recipe, read_recipe
from tad.errors import UserError

SEVERAL_SUFFIXES = HDF5_SUFFIXES + (".npz",)  # files with an array per recording
NAMED = 5  # ids that a message names


class Place(NamedTuple):
    """Where one recording's features are: ``name`` in ``store``; ``id`` is what it is called in the output."""

    id: str
    store: FeatureStore
    name: str
    recipe: Optional[Recipe]
    path: str


def find_recordings(words):
    """All recordings of some words, and the words that stand for none.

    :param words: list of ``FILE.npy``, ``.csv``, ``.npz``, ``.h5``, ``FILE.h5:ID``, or folders of feature files.
    :returns: list of :class:`Place`, and list of one sentence for each word that cannot be used.
    :raises UserError: two recordings would have the same id.
    """
    places, problems = [], []
    for word in words:
        try:
            places += _places(word)
        except UserError as error:
            problems.append(str(error))
    seen = {}
    for place in places:
        if place.id in seen:
            raise UserError("two recordings are called '%s': %s and %s; predict them one after the other"
                            % (place.id, seen[place.id], place.path))
        seen[place.id] = place.path
    return places, problems


def _places(word):
    path, member = _split(word)
    if not os.path.exists(path):
        raise UserError("there is no recording %s" % word)
    suffix = os.path.splitext(path)[1].lower()
    known = FOLDER_SUFFIXES + HDF5_SUFFIXES + (streams.SUFFIX,)
    if not os.path.isdir(path) and (suffix not in known or _is_other_json(path, suffix)):
        raise UserError("%s is not a recording: features are a folder or a file of one of the kinds %s"
                        % (path, ", ".join(known)))
    store = FeatureStore(path, 0)
    recipe = read_recipe(path)
    if member is not None:
        if member not in store.ids:
            raise UserError("%s has no recording '%s'; it has %s" % (path, member, _some(sorted(store.ids))))
        return [Place(member, store, member, recipe, word)]
    if not os.path.isdir(path) and len(store.ids) == 1:
        # The name inside a file of one array is often something like arr_0
        name, = store.ids
        own = os.path.splitext(os.path.basename(path))[0] if suffix == ".npz" else name
        return [Place(own, store, name, recipe, path)]
    inside = os.path.isdir(path)
    return [Place(name, store, name, read_recipe(store.place(name)[0]) if inside else recipe,
                  store.place(name)[0] if inside else "%s:%s" % (path, name)) for name in sorted(store.ids)]


def _is_other_json(path, suffix):
    """Whether a file is JSON of another kind than a list of feature files."""
    return suffix == streams.SUFFIX and not streams.lists_streams(path)


def _split(word):
    """``FILE.h5:ID`` to file and id; an existing file of that very name comes first."""
    if not os.path.exists(word):
        for index in (index for index, letter in enumerate(word) if letter == ":"):
            path, member = word[:index], word[index + 1:]
            if member and os.path.splitext(path)[1].lower() in SEVERAL_SUFFIXES and os.path.exists(path):
                return path, member
    return word, None


def _some(names):
    return ", ".join("'%s'" % name for name in names[:NAMED]) + (", ..." if len(names) > NAMED else "")
