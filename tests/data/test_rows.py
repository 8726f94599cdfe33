"""Rows: what is read piece by piece is what the file holds, never more than a block of it at once."""

import os

import h5py
import numpy as np
import pytest

from tad.data import rows as module
from tad.data.clips import CUTTERS, clip_count, interpolate
from tad.data.features import FeatureError, FeatureStore
from tad.data.rows import Rows, array_rows, open_rows
from tests.helpers import make_source, tiny_settings


@pytest.fixture
def lazy(monkeypatch):
    """Every file counts as large, and a block holds few rows."""
    monkeypatch.setattr(module, "SMALL_BYTES", 0)
    monkeypatch.setattr(module, "BLOCK_BYTES", 200)


def save(folder, kind, array):
    path = str(folder / ("store.h5" if kind == "h5" else "a.npy"))
    if kind == "h5":
        with h5py.File(path, "w") as archive:
            archive.create_dataset("a", data=array, chunks=(4, array.shape[1]), compression="gzip")
        return FeatureStore(path)
    np.save(path, np.asfortranarray(array) if kind == "fortran" else array)
    return FeatureStore(str(folder))


@pytest.mark.parametrize("kind", ["npy", "fortran", "h5"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int16, ">f4"])
def test_slices_are_those_of_the_array(tmp_path, rng, lazy, kind, dtype):
    array = (100 * rng.standard_normal((83, 5))).astype(dtype)
    rows = open_rows(save(tmp_path, kind, array), "a")
    assert rows.shape == (83, 5) and len(rows) == 83
    for first in rng.randint(0, 83, 60).tolist() + list(range(0, 80, 3)):
        last = first + rng.randint(1, 30)
        found = rows[first:last]
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, array[first:last].astype(np.float32))
    rows.check()
    np.testing.assert_array_equal(rows.map(lambda piece: 2 * piece)[3:9], 2 * array[3:9].astype(np.float32))


def test_no_more_than_a_block_is_read_at_once(tmp_path, rng, lazy, monkeypatch):
    asked = []
    whole = module._npy_piece
    monkeypatch.setattr(module, "_npy_piece", lambda path, first, last: asked.append(last - first) or whole(
        path, first, last))
    rows = open_rows(save(tmp_path, "npy", rng.standard_normal((500, 5)).astype(np.float32)), "a")
    for first in range(0, 490, 4):
        rows[first:first + 8]
    assert max(asked) <= 10 and len(asked) <= 500 / 2
    del asked[:]
    rows[490:491], rows[100:101], rows[300:301]
    assert sum(asked) <= 12, "rows far from each other must not draw whole blocks"


@pytest.mark.parametrize("kind", ["npy", "h5"])
def test_values_that_are_not_finite_are_named_by_their_place_in_the_recording(tmp_path, rng, lazy, kind):
    array = rng.standard_normal((60, 5))
    array[41, 3] = np.nan
    rows = open_rows(save(tmp_path, kind, array), "a")
    rows[0:41], rows[42:60]
    for work in (lambda: rows[38:44], rows.check):
        with pytest.raises(FeatureError, match="the first in snippet 41, channel 3"):
            work()


@pytest.mark.parametrize("array, words", [
    (np.zeros(7), "shape"), (np.zeros((2, 3, 4)), "shape"), (np.zeros((0, 4)), "empty"), (np.zeros((4, 0)), "empty"),
    (np.array([["a", "b"]]), "numbers are needed"), (np.zeros((3, 2), complex), "numbers are needed"),
])
def test_what_cannot_be_features(array, words):
    with pytest.raises(FeatureError, match=words):
        array_rows(array)


def test_broken_files_are_told(tmp_path, lazy):
    np.save(str(tmp_path / "short.npy"), np.zeros((50, 4)))
    with open(str(tmp_path / "short.npy"), "r+b") as stream:
        stream.truncate(400)
    np.save(str(tmp_path / "objects.npy"), np.array([[{}]], dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("not an array")
    (tmp_path / "nothing.npy").write_bytes(b"")
    store = FeatureStore(str(tmp_path))
    for name in store.ids:
        with pytest.raises(FeatureError, match="unreadable"):
            open_rows(store, name)
    with pytest.raises(FeatureError, match="has no features"):
        open_rows(store, "absent")
    np.save(str(tmp_path / "late.npy"), np.zeros((50, 4)))
    rows = open_rows(FeatureStore(str(tmp_path)), "late")
    os.unlink(str(tmp_path / "late.npy"))
    with pytest.raises(FeatureError, match="unreadable"):
        rows[0:3]


def test_small_files_and_csv_are_read_whole(tmp_path, rng):
    array = rng.standard_normal((9, 3)).astype(np.float32)
    np.save(str(tmp_path / "a.npy"), array)
    np.savetxt(str(tmp_path / "b.csv"), array, delimiter=",", fmt="%.9g")
    store = FeatureStore(str(tmp_path))
    for name in "ab":
        np.testing.assert_array_equal(open_rows(store, name)[0:9], array)


@pytest.mark.parametrize("mode", ["windows", "rescale"])
@pytest.mark.parametrize("snippets", [1, 5, 32, 33, 400, 1001])
def test_clips_of_rows_are_those_of_the_array(rng, mode, snippets):
    source, features = make_source(rng, snippets)
    settings = tiny_settings("dataset.mode=%s" % mode).dataset
    longest = []
    rows = Rows(features.shape, lambda first, last: longest.append(last - first) or features[first:last])
    pairs = list(zip(CUTTERS[mode](source, features, settings, 32), CUTTERS[mode](source, rows, settings, 32)))
    assert len(pairs) == clip_count(snippets, settings, 32)
    for whole, lazy in pairs:
        np.testing.assert_array_equal(whole.features, lazy.features)
    assert max(longest) <= 64


def test_interpolating_rows_equals_interpolating_the_array(rng):
    features = rng.standard_normal((70, 3)).astype(np.float32)
    for step in (0.3, 1.0, 1.7, 9.0):
        positions = rng.uniform(-2, 5) + step * np.arange(40)
        np.testing.assert_array_equal(interpolate(array_rows(features), positions), interpolate(features, positions))
