"""Feature stores: what was written is what is read, and every broken file is told by name."""

import os
import pickle

import h5py
import numpy as np
import pandas
import pytest

from tad.data.features import FeatureError, FeatureStore
from tad.errors import UserError


@pytest.fixture
def arrays(rng):
    return {name: rng.standard_normal(shape)
            for name, shape in (("a", (9, 4)), ("b.c", (1, 1)), ("long name", (3, 70)))}


def save_folder(path, arrays, suffix):
    os.makedirs(path)
    for name, array in arrays.items():
        target = os.path.join(path, name + suffix)
        if suffix == ".npy":
            np.save(target, array)
        elif suffix == ".npz":
            np.savez(target, anything=array)
        else:
            np.savetxt(target, array, delimiter=",")
    return path


def save_store(tmp_path, arrays, kind):
    path = str(tmp_path / "store")
    if kind in (".npy", ".npz", ".csv"):
        return save_folder(path, arrays, kind)
    if kind == "one.npz":
        np.savez_compressed(path + ".npz", **arrays)
        return path + ".npz"
    with h5py.File(path + ".h5", "w") as archive:
        for name, array in arrays.items():
            archive[name] = array
        archive["group/inner"] = np.zeros((2, 2))
    return path + ".h5"


@pytest.mark.parametrize("kind", [".npy", ".npz", ".csv", "one.npz", "hdf5"])
def test_every_store_gives_the_arrays_back(tmp_path, arrays, kind):
    store = FeatureStore(save_store(tmp_path, arrays, kind))
    assert store.ids == frozenset(arrays)
    for name, array in arrays.items():
        assert name in store
        found = store.read(name)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, array.astype(np.float32))
    with pytest.raises(FeatureError, match="has no features in"):
        store.read("absent")


@pytest.mark.parametrize("kind", [".npy", "one.npz", "hdf5"])
def test_a_store_travels_to_another_process(tmp_path, arrays, kind):
    store = pickle.loads(pickle.dumps(FeatureStore(save_store(tmp_path, arrays, kind))))
    np.testing.assert_array_equal(store.read("a"), arrays["a"].astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32, np.uint8, ">f4"])
def test_other_number_types(tmp_path, dtype):
    array = np.arange(12).reshape(4, 3).astype(dtype)
    np.testing.assert_array_equal(FeatureStore(save_folder(str(tmp_path / "s"), {"a": array}, ".npy")).read("a"), array)


def test_fortran_order_and_other_case_of_suffix(tmp_path, rng):
    array = np.asfortranarray(rng.standard_normal((5, 3)).astype(np.float32))
    np.save(str(tmp_path / "a.npy"), array)
    os.rename(str(tmp_path / "a.npy"), str(tmp_path / "a.NPY"))
    (tmp_path / "notes.txt").write_text("ignored")
    store = FeatureStore(str(tmp_path))
    assert store.ids == {"a"}
    np.testing.assert_array_equal(store.read("a"), array)


def broken_npy(path):
    with open(path, "wb") as stream:
        stream.write(b"\x93NUMPY\x01\x00 not really")


def truncated_npy(path):
    np.save(path, np.zeros((50, 4)))
    with open(path, "r+b") as stream:
        stream.truncate(400)


class Evil(object):
    """Unpickling it would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("make, words", [
    (lambda path: np.save(path, np.zeros(7)), "shape (7,)"),
    (lambda path: np.save(path, np.zeros((2, 3, 4))), "shape (2, 3, 4)"),
    (lambda path: np.save(path, np.float32(3)), "shape ()"),
    (lambda path: np.save(path, np.zeros((0, 4))), "empty features of shape (0, 4)"),
    (lambda path: np.save(path, np.zeros((4, 0))), "empty features"),
    (lambda path: np.save(path, np.array([["a", "b"]])), "numbers are needed"),
    (lambda path: np.save(path, np.zeros((3, 2), complex)), "numbers are needed"),
    (lambda path: np.save(path, np.array([[1.0, np.nan], [np.inf, 2]])), "2 values, the first in snippet 0, channel 1"),
    (lambda path: np.save(path, np.full((2, 2), 1e300)), "NaN or infinite"),
    (broken_npy, "unreadable"),
    (truncated_npy, "unreadable"),
    (lambda path: open(path, "wb").close(), "unreadable"),
])
def test_broken_features_say_why(tmp_path, make, words):
    make(str(tmp_path / "a.npy"))
    with pytest.raises(FeatureError) as raised:
        FeatureStore(str(tmp_path)).read("a")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_pickle_is_refused_and_never_run(tmp_path):
    trap = str(tmp_path / "trap")
    store = tmp_path / "store"
    store.mkdir()
    np.save(str(store / "a.npy"), np.array([[Evil(trap)]], dtype=object), allow_pickle=True)
    (store / "b.npy").write_bytes(pickle.dumps(Evil(trap)))
    for name in "ab":
        with pytest.raises(FeatureError, match="unreadable"):
            FeatureStore(str(store)).read(name)
    assert not os.path.exists(trap)


def test_several_arrays_in_one_npz_of_a_folder(tmp_path):
    np.savez(str(tmp_path / "a.npz"), x=np.zeros((2, 2)), y=np.zeros((2, 2)))
    with pytest.raises(FeatureError, match="has 2 arrays"):
        FeatureStore(str(tmp_path)).read("a")


@pytest.mark.parametrize("text, expected", [
    ("1,2\n3,4.5\n", [[1, 2], [3, 4.5]]),
    ("x,y\n1,2\n3,4.5\n", [[1, 2], [3, 4.5]]),
    ("\"x, or z\",y\n\"1\",2\n\n3,4.5\n", [[1, 2], [3, 4.5]]),
    ("\ufeff1,2\n3,1e1\n", [[1, 2], [3, 10]]),
    ("1\r\n2\r\n", [[1], [2]]),
    ("7", [[7]]),
])
def test_csv_with_and_without_names(tmp_path, text, expected):
    (tmp_path / "a.csv").write_bytes(text.encode("utf-8"))
    np.testing.assert_array_equal(FeatureStore(str(tmp_path)).read("a"), expected)


@pytest.mark.parametrize("text, words", [
    ("", "unreadable"), ("x,y\n", "empty features"), ("1,2\n3,\n", "NaN or infinite"), ("1,inf\n", "NaN or infinite"),
    ("1,2\nnan,4\n", "NaN or infinite"), ("1,2\n3,four\n", "'four'"), ("1,2\n3,4,5\n", "unreadable"),
    ("1;2\n3;4\n", "'3;4'"), ("1,2\n,\n", "NaN or infinite"),
])
def test_broken_csv_says_why(tmp_path, text, words):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(FeatureError) as raised:
        FeatureStore(str(tmp_path)).read("a")
    assert words in str(raised.value)


def test_csv_equals_pandas_on_random_numbers(tmp_path, rng):
    table = pandas.DataFrame(rng.standard_normal((20, 5)) * 10.0 ** rng.randint(-20, 20, (20, 5)))
    table.to_csv(str(tmp_path / "a.csv"), index=False, header=["c%d" % index for index in range(5)])
    np.testing.assert_array_equal(FeatureStore(str(tmp_path)).read("a"), table.values.astype(np.float32))


def test_hdf5_oddities(tmp_path):
    path = str(tmp_path / "s.hdf5")
    with h5py.File(path, "w") as archive:
        archive["good"] = np.ones((3, 2))
        archive["text"] = "hello"
        archive["dangling"] = h5py.SoftLink("/nowhere")
        archive["scalar"] = 3.0
    store = FeatureStore(path)
    assert store.ids == {"good", "text", "scalar"}
    np.testing.assert_array_equal(store.read("good"), np.ones((3, 2)))
    for name in ("text", "scalar", "dangling"):
        with pytest.raises(FeatureError):
            store.read(name)


def test_stores_that_cannot_be_opened(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "double").mkdir()
    np.save(str(tmp_path / "double" / "a.npy"), np.zeros((2, 2)))
    (tmp_path / "double" / "a.csv").write_text("1,2\n")
    for name in ("bad.npz", "bad.h5", "bad.txt"):
        (tmp_path / name).write_text("neither")
    with h5py.File(str(tmp_path / "none.h5"), "w") as archive:
        archive.create_group("g")
    for name, words in (("absent", "do not exist"), ("empty", "holds no .npy"), ("double", "two feature files for 'a'"),
                        ("bad.npz", "cannot read"), ("bad.h5", "cannot read"), ("bad.txt", "must be a folder"),
                        ("none.h5", "holds no dataset")):
        with pytest.raises(UserError, match=words) as raised:
            FeatureStore(str(tmp_path / name))
        assert name in str(raised.value)


def test_the_cache_is_bounded_and_saves_reading(tmp_path, rng):
    arrays = {str(index): rng.standard_normal((300, 1000)).astype(np.float32) for index in range(5)}  # 1.2 MB each
    folder = save_folder(str(tmp_path / "s"), arrays, ".npy")
    store = FeatureStore(folder, cache_mib=3)
    for name in list(arrays) * 2:
        np.testing.assert_array_equal(store.read(name), arrays[name])
        assert sum(array.nbytes for array in store._cache.values()) <= 3 * 2 ** 20
    newest = store.read("4")
    os.unlink(os.path.join(folder, "4.npy"))
    assert store.read("4") is newest
