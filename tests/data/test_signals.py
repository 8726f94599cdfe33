"""Reading raw signals and filling what is missing."""

import numpy as np
import pytest

from tad.data.features import FeatureError
from tad.data.signals import Columns, channel_statistics, fill_missing, open_signals
from tad.errors import UserError


def write(folder, name, text):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return str(folder / name)


@pytest.mark.parametrize("text", [
    "x,y\n1,2\n3,4\n5,6\n", "1,2\n3,4\n5,6\n", "x;y\n1;2\n3;4\n5;6\n", "1\t2\n3\t4\n5\t6\n", "1 2\n3  4\n5 6\n",
    "\ufeffx,y\r\n1,2\r\n3,4\r\n5,6\r\n", '"x","y"\n"1","2"\n3,4\n5,6\n'])
def test_tables_with_and_without_names_and_of_every_separator(tmp_path, text):
    write(tmp_path, "a.txt", text)
    load, ids = open_signals(str(tmp_path))
    assert ids == ["a"]
    np.testing.assert_array_equal(load("a"), [[1, 2], [3, 4], [5, 6]])


def test_empty_cells_are_missing_samples(tmp_path):
    write(tmp_path, "a.csv", "x,y\n1,\nnan,4\n5,NA\n")
    load, _ = open_signals(str(tmp_path))
    np.testing.assert_array_equal(load("a"), [[1, np.nan], [np.nan, 4], [5, np.nan]])


def test_one_table_of_several_recordings(tmp_path):
    path = write(tmp_path, "all.csv", "who,t,x,note\nb,0,1,p\na,0,5,q\nb,1,2,r\na,1,6,s\n")
    load, ids = open_signals(path, Columns("who", "t", ("note",)))
    assert ids == ["a", "b"]
    np.testing.assert_array_equal(load("a"), [[5], [6]])
    np.testing.assert_array_equal(load("b"), [[1], [2]])


def test_where_the_clock_jumps_samples_are_missing(tmp_path):
    write(tmp_path, "a.csv", "ms,x\n100,1\n120,2\n140,3\n200,6\n219,7\n240,8\n")
    load, _ = open_signals(str(tmp_path), Columns(time="ms"))
    found = load("a")
    np.testing.assert_array_equal(found[:, 0], [1, 2, 3, np.nan, np.nan, 6, 7, 8])
    np.testing.assert_allclose(fill_missing(found)[:, 0], [1, 2, 3, 4, 5, 6, 7, 8])


@pytest.mark.parametrize("text, columns, words", [
    ("t,x\n0,1\n2,2\n1,3\n", Columns(time="t"), "ascend"),
    ("t,x\n0,1\n,2\n1,3\n", Columns(time="t"), "missing value in its time column"),
    ("t,x\n0,1\n1,2\n2,5\n1000,3\n", Columns(time="t"), "jumps"),
    ("x,label\n1,run\n2,walk\n", Columns(), "'label': 'run'.*--drop 'label'"),
    ("x\n1\n", Columns(drop=("x",)), "no column left"),
    ("", Columns(), "empty"), (b"\xff\xfe\x00", Columns(), "UTF-8"), ("x,y\n1,2\n3,4,5\n", Columns(), "cannot be read"),
])
def test_tables_that_cannot_be_used(tmp_path, text, columns, words):
    write(tmp_path, "a.csv", text)
    load, _ = open_signals(str(tmp_path), columns)
    with pytest.raises(FeatureError, match=words):
        load("a")


@pytest.mark.parametrize("name, columns, words", [
    ("nothing", Columns(), "there are no signals"), ("empty", Columns(), "holds no signals"),
    ("a.wav", Columns(), "must be a folder"),
    ("t.csv", Columns("nobody"), "no column 'nobody'"), ("a.npz", Columns("id"), "for tables"),
])
def test_sources_that_cannot_be_used(tmp_path, name, columns, words):
    (tmp_path / "empty").mkdir()
    write(tmp_path, "a.wav", "x")
    write(tmp_path, "t.csv", "id,x\n1,2\n")
    np.savez(str(tmp_path / "a.npz"), one=np.zeros((3, 2)))
    with pytest.raises(UserError, match=words):
        open_signals(str(tmp_path / name), columns)


def test_arrays_of_one_dimension_are_one_channel_and_infinity_is_missing(tmp_path):
    np.save(str(tmp_path / "a.npy"), np.array([1.0, np.inf, 3.0]))
    load, _ = open_signals(str(tmp_path))
    np.testing.assert_array_equal(load("a"), [[1], [np.nan], [3]])


def test_filling_keeps_samples_and_goes_straight_between_them(rng):
    samples = rng.standard_normal((50, 3))
    holed = samples.copy()
    holed[rng.random_sample((50, 3)) < 0.4] = np.nan
    holed[10] = samples[10]
    filled = fill_missing(holed)
    there = np.isfinite(holed)
    np.testing.assert_array_equal(filled[there], holed[there])
    assert np.isfinite(filled).all()
    assert filled.min() >= np.nanmin(holed) and filled.max() <= np.nanmax(holed)
    with pytest.raises(FeatureError, match="channel 1"):
        fill_missing(np.array([[1.0, np.nan], [2.0, np.nan]]))


def test_statistics_do_not_depend_on_where_recordings_end(rng):
    samples = rng.standard_normal((200, 4)) * 5 + 3
    cuts = sorted(rng.choice(np.arange(1, 200), 3, replace=False))
    whole = channel_statistics(lambda: iter([samples]))
    parts = channel_statistics(lambda: iter(np.split(samples, cuts)))
    np.testing.assert_array_equal(whole, parts)
    np.testing.assert_allclose(whole, [samples.mean(0), samples.std(0)], rtol=1e-12)
    assert channel_statistics(lambda: iter([np.ones((5, 1))]))[1] == 1.0


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("header", ["EMG 1;EMG 2\n", ""])
def test_decimal_commas_are_read_where_commas_do_not_divide(tmp_path, rng, separator, header):
    samples = rng.standard_normal((9, 2)) * 10.0 ** rng.randint(-9, 9, (9, 2))
    lines = [separator.join(repr(float(value)).replace(".", ",") for value in row) for row in samples]
    write(tmp_path, "s.csv", header.replace(" ", "_").replace(";", separator) + "\n".join(lines) + "\n")
    load, ids = open_signals(str(tmp_path))
    # Old pandas reads decimals with an error in the last bit
    np.testing.assert_allclose(load(ids[0]), samples, rtol=1e-14)


def test_a_mixture_of_commas_and_points_is_no_number(tmp_path):
    write(tmp_path, "s.csv", "0,5;1\n1.000,5;2\n")
    load, ids = open_signals(str(tmp_path))
    with pytest.raises(FeatureError, match="text where numbers are needed"):
        load(ids[0])
