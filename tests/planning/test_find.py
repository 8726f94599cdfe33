"""Finding annotations, features and subsets in a folder."""

import os
import shutil

import numpy as np
import pytest

from tad.data.annotations import Recording
from tad.errors import UserError
from tad.planning.find import choose_subsets, find_data
from tests.helpers import write_data, write_json


@pytest.fixture
def folder(tmp_path, rng):
    write_data(tmp_path / "data", rng)
    return str(tmp_path / "data")


def test_annotations_and_features_are_found(folder):
    write_json(os.path.join(folder, "other.json"), [1, 2])
    write_json(os.path.join(folder, "features", "recipe.json"), {"version": 1})
    found = find_data(folder)
    assert (os.path.basename(found.annotations), os.path.basename(found.features)) == ("annotations.json", "features")
    assert len(found.recordings) == 4


def test_of_two_sets_of_features_the_one_with_a_recipe_is_meant(folder):
    shutil.copytree(os.path.join(folder, "features"), os.path.join(folder, "more"))
    with pytest.raises(UserError, match="features, more.*--features"):
        find_data(folder)
    write_json(os.path.join(folder, "more", "recipe.json"), {"version": 1})
    assert find_data(folder).features.endswith("more")
    assert find_data(folder, features=os.path.join(folder, "features")).features.endswith("features")


def test_features_of_other_recordings_do_not_count(folder):
    np.savez(os.path.join(folder, "strangers.npz"), nobody=np.zeros((3, 2)))
    assert find_data(folder).features.endswith("features")


def test_what_is_missing_or_ambiguous_is_said(folder, tmp_path):
    with pytest.raises(UserError, match="not a folder"):
        find_data(str(tmp_path / "nothing"))
    with pytest.raises(UserError, match="give the folder"):
        find_data()
    with pytest.raises(UserError, match="--features: there is no"):
        find_data(folder, features="nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no annotations"):
        find_data(str(tmp_path / "empty"))
    shutil.copy(os.path.join(folder, "annotations.json"), os.path.join(folder, "fold.json"))
    with pytest.raises(UserError, match="annotations.json, fold.json.*--annotations"):
        find_data(folder)
    shutil.rmtree(os.path.join(folder, "features"))
    with pytest.raises(UserError, match="no features of an annotated recording, such as 'rec_0'"):
        find_data(folder, annotations=os.path.join(folder, "fold.json"))


def recordings(*subsets):
    """One recording of each subset; a name that ends in - has no action."""
    return {str(index): Recording(str(index), name.rstrip("-"), 1.0, None, np.zeros((0, 2)),
                                  () if name.endswith("-") else ("wave",)) for index, name in enumerate(subsets)}


@pytest.mark.parametrize("subsets, expected", [
    (("training", "validation", "testing-"), ("training", "validation")), (("Train", "TEST"), ("Train", "TEST")),
    (("train", "val", "test"), ("train", "val")), (("Validation", "Test"), ("Validation", "Test")),
    (("fold1", "test"), ("fold1", "test")), (("train", "fold2"), ("train", "fold2")), (("", ""), ("all", "all")),
    (("training", "testing-"), ("training", "training")),
])
def test_subsets_by_their_names(subsets, expected):
    assert choose_subsets(recordings(*subsets))[:2] == expected


def test_subsets_that_do_not_tell_are_asked_for():
    with pytest.raises(UserError, match="'a', 'b'; give --train-subset"):
        choose_subsets(recordings("a", "b"))
    assert choose_subsets(recordings("a", "b"), "b", "a")[:2] == ("b", "a")
    with pytest.raises(UserError, match="no subset 'c', but 'a', 'b'"):
        choose_subsets(recordings("a", "b"), "c")
    with pytest.raises(UserError, match="no action in any"):
        choose_subsets(recordings("a-", "b-"))


def test_features_that_are_named_otherwise_are_recognised_in_the_error(folder):
    features = os.path.join(folder, "features")
    for name in os.listdir(features):
        os.rename(os.path.join(features, name), os.path.join(features, name.upper().replace(".NPY", ".npy")))
    with pytest.raises(UserError, match="such as 'rec_0'; .* has 'REC_0': tad data import --features .* --anno"):
        find_data(folder)
    shutil.rmtree(features)
    with pytest.raises(UserError, match="do the names differ"):
        find_data(folder)
