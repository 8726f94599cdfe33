"""Features in several files: the streams of a recording come side by side, whole or piece by piece, or a sentence."""

import os
import pickle
from functools import partial

import h5py
import numpy as np
import pytest

from tad.data import features, rows
from tad.data.features import FeatureError, FeatureStore
from tad.data.rows import open_rows
from tad.data.streams import Part, Streams, part_paths, streams_document
from tad.errors import UserError
from tests.helpers import call, read_json, sets, write_data, write_json


def write_streams(folder, rng, lengths, every=1, group=None, widths=(3, 2), shorter=1):
    """Two streams of HDF5 files, each in two parts; the second stream is ``shorter`` by so many rows.

    :param lengths: rows by recording.
    :returns: the path of the list, and the joined arrays by recording.
    """
    folder, names = str(folder), sorted(lengths)
    joined, listed = {name: [] for name in names}, []
    for stream, width in (("rgb", widths[0]), ("flow", widths[1])):
        parts = []
        for half in (0, 1):
            path = os.path.join(folder, "%s_%d.h5" % (stream, half))
            with h5py.File(path, "w") as archive:
                for name in names[half::2]:
                    count = lengths[name] - (shorter if stream == "flow" else 0)
                    array = rng.standard_normal((count, width)).astype(np.float32)
                    archive[name if group is None else group + "/" + name] = array
                    joined[name].append(array)
            parts.append(Part(path, group))
        listed.append(tuple(parts))
    path = write_json(os.path.join(folder, "features.json"), streams_document(Streams(tuple(listed), every), folder))
    return path, {name: np.concatenate([array[::every][:min(len(one[::every]) for one in arrays)] for array in arrays],
                                       axis=1) for name, arrays in joined.items()}


@pytest.mark.parametrize("every, group", [(1, None), (5, None), (1, "rgb and flow"), (3, "a/b")])
def test_streams_come_side_by_side(tmp_path, rng, monkeypatch, every, group):
    lengths = {"r%d" % number: int(rng.randint(2 * every + 2, 90)) for number in range(5)}
    path, wanted = write_streams(tmp_path, rng, lengths, every, group)
    store = FeatureStore(path, 1)
    assert store.ids == frozenset(lengths) and part_paths(path) == [
        str(tmp_path / name) for name in ("rgb_0.h5", "rgb_1.h5", "flow_0.h5", "flow_1.h5")]
    again = pickle.loads(pickle.dumps(store))  # as worker processes get it
    monkeypatch.setattr(rows, "SMALL_BYTES", 0)  # so that small files are read piece by piece too
    for name, array in wanted.items():
        np.testing.assert_array_equal(store.read(name), array)
        np.testing.assert_array_equal(again.read(name), array)
        lazy = open_rows(store, name)
        lazy.check()
        assert lazy.shape == array.shape
        for _ in range(8):
            first, last = sorted(rng.choice(len(array) + 1, 2, replace=False))
            np.testing.assert_array_equal(lazy[first:last], array[first:last])


def whole(store, name):
    return open_rows(store, name)[:]


def test_streams_may_differ_by_one_snippet_only(tmp_path, rng):
    for shorter, every, fine in ((0, 1, True), (1, 1, True), (2, 1, False), (5, 5, True), (12, 5, False)):
        path, wanted = write_streams(tmp_path, rng, {"a": 60, "b": 41}, every, shorter=shorter)
        store = FeatureStore(path)
        for read in (store.read, partial(whole, store)):
            if fine:
                np.testing.assert_array_equal(read("a"), wanted["a"])
            else:
                with pytest.raises(FeatureError, match="streams of different lengths .*rgb_0.h5, .*flow_0.h5") as told:
                    read("a")
                assert told.value.kind == "shape"


def test_a_recording_that_one_stream_lacks_is_missing(tmp_path, rng):
    path, _ = write_streams(tmp_path, rng, {"a": 20, "b": 30})
    with h5py.File(str(tmp_path / "flow_0.h5"), "a") as archive:
        del archive["a"]
        archive["other"] = np.ones((4, 2))
    store = FeatureStore(path)
    for read in (store.read, lambda name: open_rows(store, name)):
        with pytest.raises(FeatureError, match="no features in .*flow_0.h5 or .*flow_1.h5, but in other") as told:
            read("a")
        assert told.value.kind == "missing"
        with pytest.raises(FeatureError, match="no features in .*features.json"):
            read("nowhere")


def test_only_what_is_asked_for_is_read(tmp_path, rng, monkeypatch):
    path, _ = write_streams(tmp_path, rng, {"a": 4000, "b": 10}, every=5)
    monkeypatch.setattr(rows, "SMALL_BYTES", 0)
    monkeypatch.setattr(rows, "BLOCK_BYTES", 1)
    read = []
    monkeypatch.setattr(rows, "_hdf5_piece", lambda place, name, first, last, real=rows._hdf5_piece:
                        read.append((first, last)) or real(place, name, first, last))
    monkeypatch.setattr(features, "_hdf5_dataset", None)
    lazy = open_rows(FeatureStore(path), "a")
    lazy[100:110]
    assert read == [(500, 546), (500, 546)], "of each stream, the frames from the first to the last snippet"


@pytest.mark.parametrize("document, words", [
    ([], "must be"), ({"version": 2, "streams": [["a.h5"]]}, "must be"), ({"version": 1}, "'streams' must be"),
    ({"version": 1, "streams": []}, "'streams' must be"), ({"version": 1, "streams": [[]]}, "'streams' must be"),
    ({"version": 1, "streams": [[3]]}, 'a feature file must be "PATH"'),
    ({"version": 1, "streams": [[{"path": "a.h5", "gruop": "x"}]]}, "a feature file must be"),
    ({"version": 1, "streams": [[{"group": "x"}]]}, "a feature file must be"),
    ({"version": 1, "streams": [["a\0"]]}, "a feature file must be"),
    ({"version": 1, "streams": [["features.json"]]}, "another list"),
    ({"version": 1, "streams": [["a.h5"]], "every": 0}, "'every' must be"),
    ({"version": 1, "streams": [["a.h5"]], "every": True}, "'every' must be"),
    ({"version": 1, "streams": [["absent.h5"]]}, "absent.h5 do not exist"),
])
def test_a_bad_list_is_one_sentence(tmp_path, document, words):
    path = write_json(tmp_path / "features.json", document)
    with pytest.raises(UserError) as told:
        FeatureStore(path)
    assert words in str(told.value) and "\n" not in str(told.value)


def test_parts_that_cannot_be_what_they_are_listed_as(tmp_path, rng):
    path, _ = write_streams(tmp_path, rng, {"a": 20, "b": 30})
    document = read_json(path)
    for streams, words in (([["rgb_0.h5", "rgb_0.h5"]], "both .*rgb_0.h5 and .*rgb_0.h5 have features of 'a'"),
                           ([[{"path": "rgb_0.h5", "group": "x"}]], "rgb_0.h5: there is no group 'x'"),
                           ([[{"path": "rgb_0.h5", "group": "a"}]], "rgb_0.h5: there is no group 'a'"),
                           ([[{"path": "folder", "group": "a"}]], "folder are no HDF5 file")):
        os.makedirs(str(tmp_path / "folder"), exist_ok=True)
        write_json(path, dict(document, streams=streams))
        with pytest.raises(UserError, match=words):
            FeatureStore(path)
    assert FeatureStore(write_json(path, dict(document, streams=[["rgb_0.h5"]]))).read("a").shape == (20, 3)


def test_a_training_on_streams_names_every_part(tmp_path, rng, capsys):
    from tests.helpers import TINY
    config = write_data(tmp_path, rng, recordings=(60, 50, 40), width=6)
    folder = tmp_path / "features"
    for stream, columns in (("rgb", slice(0, 4)), ("flow", slice(4, 6))):
        with h5py.File(str(tmp_path / (stream + ".h5")), "w") as archive:
            for name in sorted(os.listdir(str(folder))):
                archive[name[:-4]] = np.load(str(folder / name))[:, columns]
    listed = write_json(tmp_path / "features.json", {"version": 1, "streams": [["rgb.h5"], ["flow.h5"]]})
    run = str(tmp_path / "run")
    chosen = sets(TINY + ("dataset.features=" + listed, "dataset.cache_mib=0"))
    assert call(["traininfer", "--config", config, "--output", run] + chosen) == 0, capsys.readouterr().err
    assert {os.path.basename(path) for path in read_json(os.path.join(run, "manifest.json"))["data"]} == {
        "annotations.json", "features.json", "rgb.h5", "flow.h5"}
    assert call(["predict", run, listed, "--output", str(tmp_path / "found.json")]) == 0, capsys.readouterr().err
    assert set(read_json(str(tmp_path / "found.json"))["results"]) == {"rec_0", "rec_1", "rec_2"}
    plain = str(tmp_path / "plain")
    assert call(["traininfer", "--config", config, "--output", plain] + sets(TINY)) == 0
    one, other = (read_json(os.path.join(place, "metrics.json")) for place in (run, plain))
    assert one == other, "joined streams are the same features"
