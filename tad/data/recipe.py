"""Feature recipes: a small JSON file beside prepared features that says how they were made.

``FOLDER/recipe.json`` belongs to a folder of feature files, ``FILE.recipe.json`` to a single file. Features without one
are fine: then nothing is known of them but their arrays. The file holds the fields of :class:`Recipe`, and
``"version": 1``::

    {"version": 1, "made_by": "tad data features ...", "fps": 50, "stride": 25, "window": 50, "width": 300,
     "layout": "TC", "dtype": "float32"}
"""

import math
import os
import re
import warnings
from typing import Any, Dict, NamedTuple, Optional, Tuple

from tad.data.annotations import read_json
from tad.data.features import FOLDER_SUFFIXES
from tad.errors import DataNote, UserError, reporter
from tad.files import write_json
from tad.settings import replace

FOLDER_RECIPE = "recipe.json"
FILE_SUFFIX = ".recipe.json"
VERSION = 1
LAYOUTS = ("TC", "CT")


class Statistics(NamedTuple):
    """Mean and deviation of each channel that the features were z-normalized with already."""

    mean: Tuple[float, ...]
    deviation: Tuple[float, ...]


class Recipe(NamedTuple):
    """How features were made; ``None`` stands for what is not known.

    ``fps`` is the rate of the frames (samples, for a sensor) that snippets were computed from; ``stride`` and
    ``window`` count those frames. ``width`` is the number of channels. ``layout`` is ``TC`` for arrays ``(snippets,
    channels)``, the only one that ``tad`` trains on, or ``CT``. ``normalization`` is what was applied to the features
    before they were written; ``None`` for none. ``other`` holds the keys that are not known here; they are kept.
    """

    made_by: Optional[str] = None
    source: Optional[str] = None
    backbone: Optional[str] = None
    weights_sha256: Optional[str] = None
    fps: Optional[float] = None
    stride: Optional[float] = None
    window: Optional[float] = None
    width: Optional[int] = None
    layout: Optional[str] = None
    dtype: Optional[str] = None
    normalization: Optional[Statistics] = None
    other: Optional[Dict[str, Any]] = None


UNKNOWN = Recipe()
GRID_KEYS = ("fps", "stride", "window")
# Features that differ in one of these mean something else to a detector
COMPARED = ("width", "fps", "stride", "window", "backbone", "weights_sha256", "normalization")


def recipe_path(features):
    """Where the recipe of a feature folder or file is, whether or not it exists."""
    if os.path.isdir(features):
        return os.path.join(features, FOLDER_RECIPE)
    return features + FILE_SUFFIX


def find_recipe(features):
    """The existing recipe file of a feature folder, a feature file, or a file in a folder that has one; else None."""
    places = [recipe_path(features)]
    if not os.path.isdir(features) and os.path.splitext(features)[1].lower() in FOLDER_SUFFIXES:
        places.append(os.path.join(os.path.dirname(os.path.abspath(features)), FOLDER_RECIPE))
    return next((place for place in places if os.path.isfile(place)), None)


def read_recipe(features):
    """The recipe of a feature folder or file.

    :returns: :class:`Recipe`, or None where there is no recipe file.
    :raises UserError: the recipe file cannot be read or holds a value that makes no sense.
    """
    path = find_recipe(features)
    return None if path is None else recipe_from_dict(read_json(path, "feature recipe"), path)


def write_recipe(features, recipe):
    """Write the recipe of an existing feature folder or file, atomically; returns the path of the recipe.

    :raises UserError: a value makes no sense, or the file cannot be written.
    """
    path = recipe_path(features)
    values = recipe_to_dict(recipe)
    recipe_from_dict(values, path)
    write_json(path, values)
    return path


def recipe_to_dict(recipe):
    """Plain values for JSON; what is not known is left out."""
    known = {key: value for key, value in recipe._asdict().items() if key != "other" and value is not None}
    if recipe.normalization is not None:
        known["normalization"] = {"mean": [float(value) for value in recipe.normalization.mean],
                                  "deviation": [float(value) for value in recipe.normalization.deviation]}
    return dict(recipe.other or {}, version=VERSION, **known)


def recipe_from_dict(values, place):
    """The inverse of :func:`recipe_to_dict`.

    :param place: what messages name as the place of the values.
    :raises UserError: a key has a value of another type or out of range.
    """
    if not isinstance(values, dict):
        raise UserError("%s must hold an object like {\"version\": 1, \"fps\": 25, ...}, not a %s"
                        % (place, type(values).__name__))
    version = values.get("version")
    if isinstance(version, bool) or version != VERSION:
        raise UserError("%s: 'version' must be %d, not %s; is it a feature recipe, and of this version of tad?"
                        % (place, VERSION, _shortened(version)))
    known = {}
    for key, (fits, wanted) in _FIELDS.items():
        value = values.get(key)
        if value is not None and not fits(value):
            raise UserError("%s: '%s' must be %s, not %s" % (place, key, wanted, _shortened(value)))
        known[key] = value
    recipe = Recipe(other={key: value for key, value in values.items() if key != "version" and key not in _FIELDS},
                    **known)
    return recipe if recipe.normalization is None else _with_statistics(recipe, place)


def differences(wanted, found):
    """What sets two recipes apart for a detector, in words; what one of them does not know is not compared.

    :returns: list of text such as ``stride 8 where 16 is needed``.
    """
    told = []
    for key in COMPARED[:-1]:
        mine, theirs = getattr(wanted, key), getattr(found, key)
        if mine is not None and theirs is not None and not _same(mine, theirs):
            told.append("%s %s where %s is needed" % (_WORDS.get(key, key), _value(theirs), _value(mine)))
    return told + _other_statistics(wanted.normalization, found.normalization)


def with_recipe(settings, recipe, place):
    """Settings whose ``dataset.fps``, ``stride`` and ``window`` come from the features' recipe where they were null.

    What is taken is told as a :class:`tad.errors.DataNote`. A stride or window that nobody knows is 1.

    :param settings: :class:`tad.config.Settings`
    :param recipe: :class:`Recipe` or None.
    :param place: the recipe's file, for messages.
    :raises UserError: settings and recipe contradict each other, or the arrays lie on their side.
    """
    recipe = recipe or UNKNOWN
    check_layout(recipe, place)
    taken = []
    for key in GRID_KEYS:
        given, known = getattr(settings.dataset, key), getattr(recipe, key)
        if given is None and known is not None:
            taken.append("%s %g" % (key, known))
        elif given is not None and known is not None and not _same(given, known):
            raise UserError("dataset.%s is %g, but %s says that the features were made with %s %g; correct one of "
                            "them, or leave dataset.%s out" % (key, given, place, key, known, key))
    if taken:
        warnings.warn("%s taken from %s" % (", ".join(taken), place), DataNote, stacklevel=2)
    return filled(settings, recipe)


def filled(settings, recipe):
    """As :func:`with_recipe`, without a look or a word: for settings that nobody trains with."""
    values = {}
    for key, default in zip(GRID_KEYS, (None, 1.0, 1.0)):
        known = getattr(recipe or UNKNOWN, key)
        known = default if known is None else known
        if getattr(settings.dataset, key) is None and known is not None:
            values["dataset__" + key] = float(known)
    return replace(settings, **values)


def check_layout(recipe, place):
    """Refuse features whose recipe says that they are ``(channels, snippets)``."""
    if recipe.layout == "CT":
        raise UserError("%s says that the arrays are (channels, snippets), where (snippets, channels) is needed; turn "
                        "them with tad data import" % place)


def at_rate_of(recordings, recipe, place, strict):
    """Recordings without those ``fps`` that contradict the features' recipe: it knows the frames that were used."""
    if recipe is None or recipe.fps is None:
        return recordings
    other = [recording for recording in recordings
             if recording.fps is not None and not _same(recording.fps, recipe.fps)]
    if not other:
        return recordings
    reporter(strict)("recipe", "%s (%d of %d recordings)" % (other[0].id, len(other), len(recordings)),
                     "its fps is %g in the annotations and %g in %s" % (other[0].fps, recipe.fps, place),
                     "the latter is used")
    return [recording._replace(fps=recipe.fps) for recording in recordings]


def check_recipe(wanted, found, place):
    """Refuse features that were made in another way than those that a detector learned from.

    :param wanted: the detector's :class:`Recipe`; ``found``: that of the features.
    :param place: names the features in the message.
    """
    told = differences(wanted, found)
    if told:
        raise UserError("%s: the features are of another recipe than those that the detector learned from: %s; prepare "
                        "them in the same way, or train on such features" % (place, ", ".join(told)))


def _is_text(value):
    return isinstance(value, str)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_statistics(value):
    return (isinstance(value, dict) and {"mean", "deviation"} <= set(value)
            and all(isinstance(value[key], list) and all(_is_number(item) for item in value[key])
                    for key in ("mean", "deviation"))
            and len(value["mean"]) == len(value["deviation"]) and all(item > 0 for item in value["deviation"]))


_FIELDS = {
    "made_by": (_is_text, "text"),
    "source": (_is_text, "text"),
    "backbone": (_is_text, "text"),
    "weights_sha256": (lambda value: _is_text(value) and re.match(r"^[0-9a-f]{64}$", value), "64 hexadecimal digits"),
    "fps": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "stride": (lambda value: _is_number(value) and value > 0, "a number of frames above 0"),
    "window": (lambda value: _is_number(value) and value >= 0, "a number of frames, 0 or more"),
    "width": (_is_count, "a whole number above 0"),
    "layout": (lambda value: value in LAYOUTS, "one of %s" % ", ".join(LAYOUTS)),
    "dtype": (_is_text, "text"),
    "normalization": (_is_statistics, "{\"mean\": [numbers], \"deviation\": [as many numbers above 0]}"),
}
_WORDS = {"weights_sha256": "backbone weights"}


def _with_statistics(recipe, place):
    statistics = Statistics(*(tuple(float(value) for value in recipe.normalization[key]) for key in Statistics._fields))
    if recipe.width is not None and len(statistics.mean) != recipe.width:
        raise UserError("%s: 'normalization' is of %d channels, but 'width' is %d"
                        % (place, len(statistics.mean), recipe.width))
    return recipe._replace(normalization=statistics)


def _same(one, other):
    return one == other if isinstance(one, str) else math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)


def _other_statistics(wanted, found):
    if wanted is None or found is None:
        if wanted is found:
            return []
        return ["normalized values where unnormalized ones are needed" if wanted is None else
                "unnormalized values where normalized ones are needed"]
    same = len(wanted.mean) == len(found.mean) and all(
        math.isclose(mine, theirs, rel_tol=1e-5, abs_tol=1e-8)
        for mine, theirs in zip(wanted.mean + wanted.deviation, found.mean + found.deviation))
    return [] if same else ["values normalized with other statistics"]


def _value(value):
    if isinstance(value, str):
        return "'%s'" % (value if len(value) <= 40 else value[:12] + "...")
    return "%g" % value


def _shortened(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
