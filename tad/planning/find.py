"""Finds the annotations and the features in a folder, and the subsets to train and test on."""

import json
import os
from typing import Any, Dict, NamedTuple

from tad.data.annotations import read_annotations, read_json
from tad.data.check.names import counterparts
from tad.data.features import FOLDER_SUFFIXES, HDF5_SUFFIXES, FeatureStore
from tad.data.recipe import FILE_SUFFIX, FOLDER_RECIPE, find_recipe
from tad.errors import UserError

TRAIN_NAMES = ("training", "train", "trn", "learn")
VALIDATION_NAMES = ("validation", "valid", "val", "dev")
TEST_NAMES = ("test", "testing", "tst", "eval")


class Found(NamedTuple):
    """Paths of annotations and features, and the recordings by id."""

    annotations: str
    features: str
    recordings: Dict[str, Any]


def find_data(folder=None, annotations=None, features=None):
    """The annotations and features to plan for.

    :param folder: looked through for what is not given.
    :raises UserError: nothing, or several things that could be meant.
    """
    if folder is not None and not os.path.isdir(folder):
        raise UserError("%s is not a folder; give a folder of annotations and features, or --annotations and --features"
                        % folder)
    if folder is None and (annotations is None or features is None):
        raise UserError("give the folder of annotations and features, or both --annotations and --features")
    for option, path in (("--annotations", annotations), ("--features", features)):
        if path is not None and not os.path.exists(path):
            raise UserError("%s: there is no %s" % (option, path))
    annotations = annotations or find_annotations(folder)
    recordings = read_annotations(annotations)
    return Found(annotations, features or find_features(folder, recordings), recordings)


def find_annotations(folder):
    """The one ActivityNet-style file in a folder."""
    names = [name for name in sorted(os.listdir(folder)) if name.lower().endswith(".json")
             and name != FOLDER_RECIPE and not name.endswith(FILE_SUFFIX)]
    found = [name for name in names if is_annotations(os.path.join(folder, name))]
    if len(found) == 1:
        return os.path.join(folder, found[0])
    if found:
        raise UserError("%s holds several annotation files (%s); say which with --annotations"
                        % (folder, ", ".join(found)))
    raise UserError('%s holds no annotations (a .json file with a "database"); make one with tad data import, or give '
                    '--annotations' % folder)


def is_annotations(path):
    """Whether a file is JSON with a ``database``."""
    try:
        with open(path, encoding="utf-8-sig") as stream:
            beginning = stream.read(64).lstrip()
        return beginning.startswith("{") and isinstance(read_json(path, "annotations").get("database"), dict)
    except (OSError, UnicodeDecodeError):
        return False


def find_features(folder, recordings):
    """The one feature folder or file in a folder that holds annotated recordings; one with a recipe comes first."""
    places = [folder] + [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    counts = {place: len(ids_in(place) & set(recordings)) for place in places}
    found = [place for place in places if counts[place]]
    most = max(counts.values())
    if not most:
        raise UserError("%s holds no features of an annotated recording, such as '%s'; %s"
                        % (folder, min(recordings), _named_otherwise(places, recordings)))
    best = [place for place in found if counts[place] == most]
    with_recipe = [place for place in best if find_recipe(place)]
    chosen = with_recipe or best
    if len(chosen) > 1:
        raise UserError("%s holds several sets of features (%s); say which with --features"
                        % (folder, ", ".join(os.path.basename(place) or place for place in chosen)))
    return chosen[0]


def _named_otherwise(places, recordings):
    """What to do about features whose names are not those of the annotations."""
    for place in places:
        meant = counterparts(recordings, ids_in(place))
        if meant:
            return ("%s has '%s': tad data import --features %s --annotations FILE --output FOLDER names features as "
                    "the annotations do" % (place, meant[min(meant)], place))
    return "give --features, or do the names differ?"


def ids_in(place):
    """Ids of the recordings that a folder or file could hold features of; none of what is no feature store."""
    if os.path.isdir(place):
        return {os.path.splitext(name)[0] for name in os.listdir(place)
                if os.path.splitext(name)[1].lower() in FOLDER_SUFFIXES}
    if os.path.splitext(place)[1].lower() in (".npz",) + HDF5_SUFFIXES:
        return FeatureStore(place, 0).ids
    return set()


class Subsets(NamedTuple):
    """Values of ``dataset.train_subset`` and ``test_subset``, and why."""

    train: str
    test: str
    why: str


def choose_subsets(recordings, train=None, test=None):
    """The subsets to learn from and to score, by their names and by which of them show actions.

    :param recordings: dict id -> :class:`tad.data.annotations.Recording`
    :param train, test: what the user gave.
    :raises UserError: the names do not tell.
    """
    shown = {}
    for recording in recordings.values():
        shown[recording.subset] = shown.get(recording.subset, 0) + bool(recording.labels)
    for option, name in (("--train-subset", train), ("--test-subset", test)):
        if name is not None and name != "all" and name not in shown:
            raise UserError("%s: the annotations have no subset '%s', but %s" % (option, name, _quoted(shown)))
    useful = sorted(name for name in shown if shown[name])
    if not useful:
        raise UserError("the annotations have no action in any recording")
    if len(useful) == 1 and (train is None or test is None):
        only = useful[0] if len(shown) > 1 else "all"
        return Subsets(train or only, test or only, "only one subset has actions, so training and scoring see the same "
                       "recordings: such scores say nothing about new ones; give some recordings another 'subset'")
    guess = _by_names(useful)
    if guess is None and (train is None or test is None):
        raise UserError("which subset is to train on? The annotations have %s; give --train-subset and --test-subset"
                        % _quoted(shown))
    guess = guess or Subsets(train, test, "")
    return Subsets(train or guess.train, test or guess.test, "as given" if train and test else guess.why)


def _by_names(names):
    by_word = {}
    for name in names:
        for role, words in (("train", TRAIN_NAMES), ("validation", VALIDATION_NAMES), ("test", TEST_NAMES)):
            if name.lower() in words:
                by_word.setdefault(role, name)
    if "train" in by_word and ("validation" in by_word or "test" in by_word):
        return Subsets(by_word["train"], by_word.get("validation") or by_word["test"], "by their names")
    if "validation" in by_word and "test" in by_word:
        return Subsets(by_word["validation"], by_word["test"],
                       "there is no training subset, so learn from this one, as is the custom with THUMOS14")
    rest = [name for name in names if name not in by_word.values()]
    if len(names) == 2 and len(rest) == 1 and "train" in by_word:
        return Subsets(by_word["train"], rest[0], "the other of the two subsets")
    if len(names) == 2 and len(rest) == 1:
        held_out = by_word.get("validation") or by_word["test"]
        return Subsets(rest[0], held_out, "the other of the two subsets")
    return None


def _quoted(names):
    return ", ".join("'%s'" % name for name in sorted(names))


def relative_to(path, folder):
    """A path as a configuration in ``folder`` writes it: short where it lies near, absolute elsewhere."""
    relative = os.path.relpath(os.path.abspath(path), os.path.abspath(folder))
    return os.path.abspath(path) if relative.startswith(os.path.join("..", "..", "..")) else relative


def quoted_yaml(value):
    """A value as YAML on one line; JSON is YAML, and quotes what YAML would misread."""
    return json.dumps(value, ensure_ascii=False)
