"""Files made to fill the memory, to run code or to write elsewhere: refused at once, by name."""

import json
import os
import pickle
import tracemalloc
import warnings
import zipfile

import h5py
import numpy as np
import pytest
import torch

from tad.arrays import Archive, check_size, read_npy
from tad.compat import TORCH_VERSION
from tad.data.annotations import Recording, read_annotations, text
from tad.data.feature_writer import feature_writer
from tad.data.features import FeatureError, FeatureStore
from tad.data.importers.features import FeatureWishes, import_features
from tad.data.naming import check_file_name, file_name
from tad.data.rows import open_rows
from tad.engine.checkpoint import read_checkpoint, write_checkpoint
from tad.errors import UserError
from tad.pipeline import load_trained
from tad.postprocess.fusion import NOTHING
from tad.predict.output import Output
from tad.report.timeline import draw_timelines
from tad.settings import load_settings
from tests.bad_input import no_hang
from tests.helpers import TINY, call, sets, write_data

MIB = 2 ** 20
TRICKS = ["../../x", "/etc/x", "a/b", "a\\b", "..", ".", ".hidden", "", "a\0b", "x" * 300, "\u00e9" * 150,
          "line\nbreak", "\ud800", "tab\t"]


class Peak(object):
    """Fails where more memory was taken within it."""

    def __init__(self, most_mib):
        self.most = most_mib * MIB

    def __enter__(self):
        tracemalloc.start()

    def __exit__(self, kind, *error):
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert kind is not None or peak < self.most, "%d MiB were taken" % (peak // MIB)


def header(shape, dtype="<f4", begin=b""):
    content = ("{'descr': %r, 'fortran_order': False, 'shape': %r, }" % (dtype, shape)).encode("latin-1")
    content += b" " * (63 - (len(content) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content + begin


def refused(path, *words):
    """The features at a path are refused with these words and without memory, whichever way they are read."""
    with Peak(8), no_hang(20):
        try:
            store = FeatureStore(str(path))
        except UserError as error:
            told = [str(error)]
        else:
            told = []
            for read in (store.read, lambda name: open_rows(store, name).check()):
                with pytest.raises(FeatureError) as raised:
                    read(sorted(store.ids)[0])
                told.append(str(raised.value))
    for message in told:
        assert os.path.basename(str(path)) in message and all(word in message for word in words), message


@pytest.mark.parametrize("shape", [(2 ** 40, 4), (2 ** 61, 2 ** 61), (10 ** 30, 1), (10 ** 6, 10 ** 4)])
def test_a_npy_that_declares_too_much(tmp_path, shape):
    path = tmp_path / "r.npy"
    path.write_bytes(header(shape) + b"\0" * 100)
    refused(path)


@pytest.mark.parametrize("spoiled", [
    header((3, -1)), header((3.5, 2)), header("x"), header((True, 2)), header((2, 2), "O"), header((2, 2), "<f99"),
    header((2, 2), [["a"]]), b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{", b"\x93NUMPY\x09\x00", b"\x93NUMPY\x01\x00\xff\xff{",
    b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10000, b"\x93NUMPY\x01\x00\x04\x00{a:}"])
def test_a_npy_with_a_spoiled_header(tmp_path, spoiled):
    path = tmp_path / "r.npy"
    path.write_bytes(spoiled)
    refused(path)


def test_arrays_that_python_2_wrote_are_read(tmp_path):
    path = tmp_path / "r.npy"
    np.save(str(path), np.ones((4, 2), np.float32))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"(4, 2), ", b"(4L, 2L)"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # newer NumPy asks to save such files again
        assert read_npy(str(path)).shape == (4, 2)


def test_an_archive_that_unpacks_to_thousands_of_times_its_size(tmp_path):
    path = str(tmp_path / "r.npz")
    np.savez_compressed(path, a=np.zeros((75, MIB), np.float32))
    assert os.path.getsize(path) < MIB
    refused(path, "declares")
    np.savez_compressed(path, a=np.zeros((10, 1000), np.float32))
    assert FeatureStore(path).read("a").shape == (10, 1000), "small arrays of zeros are no bombs"


def test_an_archive_whose_members_contradict_themselves(tmp_path):
    path = str(tmp_path / "r.npz")
    for content in (header((2 ** 40, 4)) + b"\0" * 64, header((2, 2)) + b"\0" * 999, b"no array", header((4, 2))):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.npy", content)
        refused(path)
        with pytest.raises(UserError, match="r.npz is damaged or not a checkpoint"):
            read_checkpoint(path)


@pytest.mark.parametrize("options", [{}, {"chunks": (1024, 64)}, {"chunks": (1024, 64), "compression": "gzip"}])
def test_hdf5_that_declares_what_it_does_not_hold(tmp_path, options):
    path = str(tmp_path / "all.h5")
    with h5py.File(path, "w") as archive:
        archive.create_dataset("r", shape=(2 ** 34, 64), dtype="f4", **options)
    refused(path, "declares")


def test_hdf5_that_points_into_other_files(tmp_path):
    path = str(tmp_path / "all.h5")
    with h5py.File(path, "w") as archive:
        archive.create_dataset("r", shape=(4, 2), dtype="u1", external=[("/etc/hostname", 0, 8)])
    with pytest.raises(FeatureError, match="lie in another file"):
        FeatureStore(path).read("r")


def test_a_table_that_is_wide_once_and_long_elsewhere(tmp_path):
    path = tmp_path / "r.csv"
    path.write_bytes(b"1" + b",1" * 50000 + b"\n" + b"2\n" * 50000)
    refused(path, "lines of different lengths")


@pytest.mark.parametrize("content, words", [
    ('{"database": ' + "[" * 50000, "nested too deeply"),
    ('{"a": 1, "database": {"r": {}, "r": {}}}', "'r' stands twice"),
    ('{"database": {"r": {"duration": %s}}}' % ("9" * 500000), "digits"),
    ('{"database": {"r": {"duration": %s1%s}}}' % ("[" * 60, "]" * 60), "must be a number"),
    ('{"database": {"r": {"duration": "%s"}}}' % ("x" * 10 ** 6), "must be a number"),
    ('{"database": {"r": {"duration": 5, "annotations": [{"segment": [0, Infinity], "label": "a"}]}}}', "inf"),
    ('{"database": {"r": {"duration": NaN}}}', "nan"), ('{"database": {"a\\u0000b": {}}}', "U+0000"),
    ('{"database": {"r": {"annotations": [{"segment": [0, 1], "label": "\\ud800"}]}}}', "U+D800")])
def test_json_bombs(tmp_path, content, words):
    path = tmp_path / "a.json"
    path.write_text(content)
    with no_hang(20), pytest.raises(UserError) as raised:
        read_annotations(str(path))
    assert "a.json" in str(raised.value) and words in str(raised.value) and len(str(raised.value)) < 500


def test_yaml_bombs(tmp_path):
    path = tmp_path / "my.yaml"
    laughs = "a0: &a0 [x, x]\n" + "".join("a%d: &a%d [%s]\n" % (n, n, ", ".join(["*a%d" % (n - 1)] * 9))
                                          for n in range(1, 12))
    merged = "m0: &m0 {x0: 1}\n" + "".join("m%d: &m%d {<<: [%s]}\n" % (n, n, ", ".join(["*m%d" % (n - 1)] * 9))
                                           for n in range(1, 12))
    for content in (laughs, merged, "train: &t {steps: *t}\n"):
        path.write_text(content)
        with Peak(64), no_hang(20), pytest.raises(UserError, match="my.yaml is not valid YAML.*aliases"):
            load_settings(str(path))
    path.write_text("train: &t {steps: 7}\nseed: 3\n")
    assert load_settings(str(path)).train.steps == 7
    with no_hang(20), pytest.raises(UserError, match="cannot read the value"):
        load_settings(None, ["train=&t [*t]"])


def test_what_is_in_proportion_is_read():
    check_size(2 ** 28, 0)
    check_size(2 ** 40, 2 ** 34)
    with pytest.raises(ValueError, match="declares"):
        check_size(2 ** 28 + 1, 1000)


class Evil(object):
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "pth"])
def test_features_from_a_stranger_cannot_run_code(tmp_path, kind):
    trap, path = str(tmp_path / "trap"), str(tmp_path / ("r." + kind))
    evil = np.array([[Evil(trap)]], dtype=object)
    if kind == "npy":
        np.save(path, evil)
    elif kind == "npz":
        np.savez(path, r=evil)
    else:
        torch.save({"r": Evil(trap)}, path)
    for read in (lambda: FeatureStore(path).read("r"),
                 lambda: import_features([path], str(tmp_path / "out"), FeatureWishes(layout="TC"))):
        with pytest.raises((UserError, FeatureError), match="r." + kind):
            read()
    assert not os.path.exists(trap)
    pickle.loads(pickle.dumps(Evil(trap)))
    assert os.path.exists(trap), "the trap itself must work, or the test shows nothing"


@pytest.mark.skipif(TORCH_VERSION < (2, 6), reason="this PyTorch reads no file of tensors safely")
def test_a_tensor_that_pretends_to_be_large(tmp_path):
    path = str(tmp_path / "r.pt")
    torch.save(torch.zeros(1).expand(2 ** 31, 4), path)
    with Peak(8), pytest.raises(UserError, match="r.pt.*declares"):
        import_features([path], str(tmp_path / "out"), FeatureWishes(layout="TC"))


@pytest.mark.parametrize("name", TRICKS)
def test_ids_never_leave_their_folder(tmp_path, name):
    safe = file_name(name)
    assert os.path.basename(safe) == safe and not safe.startswith(".") and len(safe.encode("utf-8")) < 210
    assert safe != file_name("other") and safe.isprintable()
    folder = tmp_path / "out"
    recording = Recording(name, "", 5.0, None, np.zeros((0, 2)), ())
    pictures = draw_timelines(str(folder), [recording], {name: NOTHING}, ("a",))
    output = Output(("srt",), str(folder), None, 0.0)
    written = pictures + output.write_one(name, NOTHING, ("a",)) + [output.draw(name, NOTHING, ("a",), 4.0)]
    assert {os.path.dirname(os.path.realpath(path)) for path in written} == {os.path.realpath(str(folder))}
    assert sorted(os.listdir(str(tmp_path))) == ["out"]


@pytest.mark.parametrize("name", TRICKS)
@pytest.mark.parametrize("output", ["folder", "all.h5"])
def test_ids_that_are_paths_are_refused_as_names_of_features(tmp_path, name, output):
    os.mkdir(str(tmp_path / "folder"))
    with pytest.raises(UserError, match="cannot name features"):
        with feature_writer(str(tmp_path / output)) as write:
            write(name, [np.zeros((2, 3), np.float32)], 2, 3)
    assert [place for place, _, names in os.walk(str(tmp_path)) if names] == []


def test_ids_that_differ_have_files_that_differ(rng):
    names = ["a/b", "a_b", "a\\b", "../a_b", "x" * 300, "x" * 301]
    assert len({file_name(name) for name in names}) == len(names)
    for harmless in ("v_ab-1.2", "\u00e9t\u00e9 1", "x" * 200):
        check_file_name(harmless, "out")
        assert file_name(harmless) == harmless


def test_archive_members_with_paths_are_imported_under_their_folder_or_refused(tmp_path):
    path = str(tmp_path / "in.npz")
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../../x.npy", "/etc/y.npy"):
            archive.writestr(name, header((8, 2), begin=b"\0" * 64))
    with pytest.raises(UserError, match="cannot name features"):
        import_features([path], str(tmp_path / "out"), FeatureWishes(layout="TC"))
    assert os.listdir(str(tmp_path)) == ["in.npz"]


def test_names_are_text():
    assert text(3, "x") == "3" and text("caf\u00e9", "x") == "caf\u00e9"
    for value in (None, True, [1], {"a": 1}, "a\nb"):
        with pytest.raises(UserError, match="^here"):
            text(value, "here")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = write_data(folder, np.random.RandomState(1))
    assert call(["train", "--config", config, "--output", folder / "run"] + sets(TINY)) == 0
    return read_checkpoint(str(folder / "run" / "checkpoints" / "step_0000004.npz"))


@pytest.mark.skipif(TORCH_VERSION < (2, 0), reason="this PyTorch cannot tell a network's size without making it")
@pytest.mark.parametrize("key, value", [("deeplab.width", 2 ** 17), ("deeplab.blocks", 10 ** 9), ("width", 10 ** 8),
                                        ("deeplab.kernel", 10 ** 9 + 1), ("deeplab.proposal_width", 10 ** 7)])
def test_a_checkpoint_that_asks_for_a_giant_network(tmp_path, run, key, value):
    meta = json.loads(json.dumps(run.meta))
    if key == "width":
        meta.update(width=value)
    else:
        meta["settings"]["deeplab"][key.split(".")[1]] = value
    path = str(tmp_path / "c.npz")
    write_checkpoint(path, run._replace(meta=meta))
    with Peak(64), no_hang(30), pytest.raises(UserError, match="c.npz"):
        load_trained(path)


def test_a_checkpoint_with_weights_that_are_not_finite(tmp_path, run):
    name = next(name for name in run.tensors if name.startswith("averaged/") and name.endswith("weight"))
    path = str(tmp_path / "c.npz")
    write_checkpoint(path, run._replace(tensors=dict(run.tensors, **{name: run.tensors[name] * float("nan")})))
    with pytest.raises(UserError, match="c.npz has weights that are not finite"):
        load_trained(path)


def test_a_checkpoint_that_asks_for_too_many_proposals(tmp_path, run):
    meta = json.loads(json.dumps(run.meta))
    meta["settings"]["dataset"]["length"] = meta["settings"]["deeplab"]["max_duration"] = 65536
    path = str(tmp_path / "c.npz")
    write_checkpoint(path, run._replace(meta=meta))
    with pytest.raises(UserError, match="c.npz asks for .* proposals"):
        load_trained(path)


def test_archives_list_arrays_alone(tmp_path):
    path = str(tmp_path / "a.npz")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "x")
        archive.writestr("a.npy", header((1, 1), begin=b"\0" * 4))
    with Archive(path) as archive:
        assert archive.files == ["a"] and archive.form("a") == ((1, 1), np.dtype("<f4"))
