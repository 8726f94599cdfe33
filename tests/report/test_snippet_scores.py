"""Per-snippet scores of a run folder."""

import os

import numpy as np
import pytest

from tad.data.naming import file_name
from tad.errors import UserError
from tad.postprocess.curves import Curves
from tad.report.snippet_scores import MOST_DRAWN, read_scores, replaced_scores, scores_folder


def curves(rng, count=9):
    return Curves(np.arange(count) / 2.0, rng.uniform(size=(3, count)).astype(np.float32))


@pytest.mark.parametrize("name", ["a", "a/b", "../a", ".a", "a b\u65e5", "x" * 300])
def test_what_was_kept_is_read(tmp_path, rng, name):
    made, folder = curves(rng), str(tmp_path / "run" / "scores")
    os.makedirs(os.path.dirname(folder))
    with replaced_scores(folder, [name, "another"]) as keep:
        keep(name, made)
    assert os.listdir(folder) == [file_name(name) + ".npz"]
    found = read_scores(folder, name)
    np.testing.assert_array_equal(found.pop("times"), made.times)
    for values, key in zip(made.values, ("actionness", "startness", "endness")):
        np.testing.assert_allclose(found.pop(key), values, atol=1e-3)
    assert not found and read_scores(folder, "another") is None


def test_what_others_saved_is_read(tmp_path, rng):
    curve = rng.uniform(size=9)
    np.savez(str(tmp_path / "a.npz"), times=np.arange(9), actionness=curve, other=np.zeros(3))
    found = read_scores(str(tmp_path), "a")
    assert set(found) == {"times", "actionness"}
    np.testing.assert_allclose(found["actionness"], curve, atol=1e-6)


def test_what_is_kept_anew_takes_the_place_of_all_that_was(tmp_path, rng):
    folder, first, second = str(tmp_path / "scores"), curves(rng), curves(rng, 4)
    with replaced_scores(folder, "abc") as keep:
        for name in "abc":
            keep(name, first)
    with pytest.raises(KeyboardInterrupt):
        with replaced_scores(folder, "ab") as keep:
            keep("a", second)
            raise KeyboardInterrupt
    assert len(read_scores(folder, "a")["times"]) == len(read_scores(folder, "b")["times"]) == 9
    with replaced_scores(folder, "ab") as keep:
        keep("a", second)
    assert len(read_scores(folder, "a")["times"]) == 4
    assert read_scores(folder, "b") is None, "those of an earlier detector"
    assert len(read_scores(folder, "c")["times"]) == 9, "not asked about"
    assert os.listdir(str(tmp_path)) == ["scores"], "nothing is left lying about"


def test_a_place_that_is_taken_is_told_before_the_work(tmp_path):
    (tmp_path / "scores").write_text("mine")
    with pytest.raises(UserError, match="which is a file.*report.curves=false"):
        with replaced_scores(str(tmp_path / "scores"), "a"):
            raise AssertionError("it began")
    assert (tmp_path / "scores").read_text() == "mine"


def test_nothing_is_made_without_curves(tmp_path):
    with replaced_scores(str(tmp_path / "scores"), "a"):
        assert len(os.listdir(str(tmp_path))) == 1
    assert os.listdir(str(tmp_path)) == []


def test_each_detections_file_has_a_place_of_its_own():
    assert scores_folder(os.path.join("run", "detections.json")) == os.path.join("run", "scores")
    assert scores_folder("found.json") == "found.scores"


def test_long_curves_keep_their_peaks(tmp_path, rng):
    size = int(rng.randint(MOST_DRAWN + 1, 5 * MOST_DRAWN))
    curve = np.zeros(size)
    curve[rng.randint(size)] = 1.0
    np.savez(str(tmp_path / "a.npz"), times=np.arange(size), startness=curve)
    found = read_scores(str(tmp_path), "a")
    assert len(found["times"]) == len(found["startness"]) == MOST_DRAWN and found["startness"].max() == 1
    assert (np.diff(found["times"]) > 0).all()


@pytest.mark.parametrize("arrays, words", [
    ({"times": np.arange(3)}, "must hold"), ({"actionness": np.arange(3)}, "must hold"),
    ({"times": np.arange(3), "endness": np.zeros(4)}, "one number for each snippet"),
    ({"times": np.arange(3), "endness": np.array([0, np.nan, 0])}, "finite"),
    ({"times": np.array([0, 2, 1]), "endness": np.zeros(3)}, "must rise"),
    ({"times": np.array(["a", "b"]), "endness": np.zeros(2)}, "cannot read"),
    ({"times": np.array([None, {}], dtype=object), "endness": np.zeros(2)}, "cannot read"),
])
def test_what_does_not_fit_is_told(tmp_path, arrays, words):
    np.savez(str(tmp_path / "a.npz"), **arrays)
    with pytest.raises(UserError, match=words) as caught:
        read_scores(str(tmp_path), "a")
    assert "a.npz" in str(caught.value)


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    with pytest.raises(UserError, match="cannot read the snippet scores"):
        read_scores(str(tmp_path), "a")
