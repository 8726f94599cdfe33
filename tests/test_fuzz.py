"""Random bad input to every reader: a result or one sentence that names the file; no traceback, no hang.

``TAD_FUZZ_EXAMPLES=2000`` looks longer than the usual moment.
"""

import contextlib
import io
import json
import os
import zipfile
from functools import partial

import h5py
import numpy as np
import pytest

from tad.data.annotations import read_annotations, read_ground_truth
from tad.data.external import external_scores
from tad.data.features import FeatureStore
from tad.data.importers.database import Wishes, make_database, read_recordings
from tad.data.importers.labels import read_labels
from tad.data.importers.reading import Options
from tad.data.importers.registry import WORDS, read_files
from tad.data.recipe import read_recipe
from tad.data.rows import open_rows
from tad.data.signals import Columns, open_signals
from tad.errors import UserError
from tad.evaluation.detections import read_detection_table
from tad.evaluation.evaluate import evaluate
from tad.machines.entries import read_entries
from tad.pipeline import load_trained
from tad.settings import load_settings
from tests.bad_input import survives
from tests.helpers import TINY, call, sets, write_data, write_json

hypothesis = pytest.importorskip("hypothesis", reason="fuzzing needs hypothesis: pip install hypothesis")
st = hypothesis.strategies
EXAMPLES = int(os.environ.get("TAD_FUZZ_EXAMPLES", "60"))
fuzz = hypothesis.settings(max_examples=EXAMPLES, deadline=None, database=None, print_blob=True,
                           suppress_health_check=list(hypothesis.HealthCheck))

NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([
    0, -1, 1e308, -1e308, 10 ** 400, 2 ** 63, float("nan"), float("inf"), 1e-320, True]))
WORDS_OF_JSON = st.sampled_from([
    "database", "results", "annotations", "segment", "label", "duration", "fps", "subset", "score", "../../x", "a\0b",
    "\ud800", "x" * 300, "", "NaN", "1e999", "1_000", "\u0663"])
TEXT = st.one_of(st.text(max_size=20), WORDS_OF_JSON)
VALUES = st.recursive(st.one_of(st.none(), st.booleans(), NUMBERS, TEXT), lambda inner: st.one_of(
    st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)), max_leaves=12)
RAW = st.one_of(st.binary(max_size=200), st.sampled_from([
    b"", b"[" * 20000, b'{"a":' * 20000, b"9" * 20000, b'{"database": {"r": ' + b"[" * 900 + b"]" * 900 + b"}}",
    b'{"a": 1, "a": 2}', b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"NaN", b"-Infinity", b'"\\ud800"', b"\0" * 100]))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@st.composite
def spoiled(draw, document):
    """A good document in which some values, at any depth, are others, are gone, or have another name."""
    document = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(_places(document)) or [(None, None)]))
        if holder is None:
            return draw(VALUES)
        action = draw(st.sampled_from(["replace", "remove", "rename"]))
        if action == "replace" or isinstance(holder, list):
            holder[key] = draw(VALUES)
        elif action == "remove":
            del holder[key]
        else:
            holder[draw(TEXT)] = holder.pop(key)
    return document


def _places(document):
    if not isinstance(document, (dict, list)):
        return
    for key, value in list(document.items() if isinstance(document, dict) else enumerate(document)):
        yield document, key
        for inner in _places(value):
            yield inner


@st.composite
def damaged(draw, content):
    """Bytes with some of them changed, cut, doubled or inserted."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        action = draw(st.sampled_from(["flip", "cut", "insert", "remove", "number"]))
        if action == "flip" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif action == "cut":
            del content[at:]
        elif action == "insert":
            content[at:at] = draw(st.binary(max_size=8))
        elif action == "number":
            content[at:at + 8] = draw(st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f", b"99999999"]))
        else:
            del content[at:at + draw(st.integers(1, 16))]
    return bytes(content)


def put(place, name, content):
    path = os.path.join(str(place), name)
    if isinstance(content, bytes):
        with open(path, "wb") as stream:
            stream.write(content)
    else:
        with open(path, "w") as stream:
            json.dump(content, stream)
    return path


ANNOTATIONS = {"version": "1", "database": {
    "r1": {"subset": "training", "duration": 30.5, "fps": 25, "annotations": [
        {"segment": [1.5, 4], "label": "wave"}, {"segment": ["5", "7.25"], "label": "nod"}]},
    "r2": {"subset": "validation", "duration": "20", "annotations": []}}}
DETECTIONS = {"version": "x", "external_data": {"left_out": ["r9"]}, "results": {
    "r1": [{"label": "wave", "score": 0.5, "segment": [1, 4]}, {"label": "nod", "score": "0.25", "segment": [5, 7]}]}}
RECIPE = {"version": 1, "fps": 25, "stride": 4, "window": 8, "width": 2, "layout": "TC", "source": "x",
          "normalization": {"mean": [0, 1], "deviation": [1, 1]}}
EXTERNAL = {"results": {"r1": {"wave": 0.5, "nod": 1}, "r2": {"wave": 0}}}


def actions_and_scores(path):
    read_ground_truth(path)
    return evaluate(path, put(os.path.dirname(path), "good.json", DETECTIONS), "0.5", "all")


def scored_detections(path):
    read_detection_table(path)
    return evaluate(put(os.path.dirname(path), "good.json", ANNOTATIONS), path, "0.3:0.1:0.7", "training")


def recipe_of(path):
    return read_recipe(path[:-len(".recipe.json")])


JSON_READERS = [("annotations.json", ANNOTATIONS, read_annotations), ("truth.json", ANNOTATIONS, actions_and_scores),
                ("detections.json", DETECTIONS, scored_detections), ("f.h5.recipe.json", RECIPE, recipe_of),
                ("external.json", EXTERNAL, lambda path: external_scores(path, ("wave", "nod"), ["r1", "r2"]))]


@pytest.mark.parametrize("name, good, read", JSON_READERS, ids=[reader[0] for reader in JSON_READERS])
def test_json(place, name, good, read):
    assert survives(read, put(place, name, good)) is not None, "the good document must be read"

    @fuzz
    @hypothesis.given(st.one_of(spoiled(good), spoiled(good), VALUES, RAW,
                                damaged(json.dumps(good).encode("utf-8"))))
    def run(content):
        survives(read, put(place, name, content))

    run()


CSV = b"recording,start,end,label,subset\nr1,1.5,4,wave,training\nr1,5,0:07.5,nod,training\nr2,1,2,wave,test\n"
FRAMES = b"recording,frame,label\nr1,0,a\nr1,1,a\nr1,2,b\n"
THUMOS = b"video_validation_0000051  67.5 75.9\nvideo_validation_0000052  1 2\n"
EAF = b"""<?xml version="1.0"?><ANNOTATION_DOCUMENT><HEADER><MEDIA_DESCRIPTOR MEDIA_URL="a.mp4"/></HEADER><TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="5"/><TIME_SLOT TIME_SLOT_ID="t2" TIME_VALUE="900"/></TIME_ORDER>
<TIER TIER_ID="x"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a" TIME_SLOT_REF1="t1" TIME_SLOT_REF2="t2">
<ANNOTATION_VALUE>wave</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>"""
VIA = {"project": {"pid": "x"}, "config": {}, "attribute": {"1": {"aname": "A", "type": 1, "options": {}}},
       "file": {"1": {"fid": "1", "fname": "a.mp4", "type": 4}}, "view": {"1": {"fid_list": ["1"]}},
       "metadata": {"1_x": {"vid": "1", "z": [1.5, 3], "xy": [], "av": {"1": "wave"}}}}
STUDIO = [{"id": 1, "data": {"video": "/a/b.mp4"}, "annotations": [{"id": 2, "result": [
    {"type": "labels", "value": {"start": 1, "end": 2, "labels": ["wave"]}, "from_name": "l", "to_name": "v"}]}]}]
BORIS = {"project_format_version": "7.0", "behaviors_conf": {"0": {"code": "wave", "type": "State event"}},
         "observations": {"o": {"type": "MEDIA", "file": {"1": ["a.mp4"]}, "events": [[1, "", "wave", "", ""],
                                                                                    [2, "", "wave", "", ""]]}}}
IMPORTS = [("a.csv", CSV), ("frames.csv", FRAMES), ("Wave_val.txt", THUMOS), ("a.eaf", EAF), ("via.json", VIA),
           ("studio.json", STUDIO), ("project.boris", BORIS), ("anet.json", ANNOTATIONS),
           ("flat.json", ANNOTATIONS["database"])]


def imported(path, word):
    reading = read_files([path], Options(confirm=lambda sentence: None, fps=25.0), word)
    with contextlib.suppress(UserError):  # what is made of several files need not name one
        return make_database(reading, Wishes(fps=25.0))


@pytest.mark.parametrize("name, good", IMPORTS, ids=[entry[0] for entry in IMPORTS])
def test_annotation_imports(place, name, good):
    @fuzz
    @hypothesis.given(st.one_of(RAW, damaged(good if isinstance(good, bytes) else json.dumps(good).encode("utf-8")),
                                st.just(good) if isinstance(good, bytes) else spoiled(good)),
                      st.sampled_from((None,) * 4 + WORDS))
    def run(content, word):
        survives(imported, put(place, name, content), word)

    run()


TABLES = [("labels.csv", b"1,wave\n2,nod\n", read_labels), ("labels.json", b'{"1": "wave"}', read_labels),
          ("durations.csv", b"recording,duration,fps\nr1,30,25\nr2,1:30,25\n", read_recordings),
          ("durations.json", b'{"r1": 30}', read_recordings)]


@pytest.mark.parametrize("name, good, read", TABLES, ids=[entry[0] for entry in TABLES])
def test_other_tables(place, name, good, read):
    assert survives(read, put(place, name, good))

    @fuzz
    @hypothesis.given(st.one_of(RAW, damaged(good)))
    def run(content):
        survives(read, put(place, name, content))

    run()


def written(save):
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()


def hdf5_bytes(array, **options):
    def save(stream):
        with h5py.File(stream, "w") as archive:
            archive.create_dataset("r1", data=array, **options)
            archive.create_dataset("r2", data=array[:3])

    return written(save)


ARRAY = np.arange(60, dtype=np.float32).reshape(20, 3)
FEATURES = [("r1.npy", written(lambda stream: np.save(stream, ARRAY))),
            ("r1.npz", written(lambda stream: np.savez(stream, ARRAY))),
            ("all.npz", written(lambda stream: np.savez_compressed(stream, r1=ARRAY, r2=ARRAY.T))),
            ("r1.csv", "\n".join(",".join(map(str, row)) for row in ARRAY.tolist()).encode("utf-8")),
            ("all.h5", hdf5_bytes(ARRAY)), ("packed.h5", hdf5_bytes(ARRAY, compression="gzip", chunks=(5, 3)))]


def _both_ways(store, name, _):
    open_rows(store, name).check()
    store.read(name)


def every_feature(path):
    store = FeatureStore(path)
    for name in sorted(store.ids):
        survives(partial(_both_ways, store, name), path)
    return store


def every_signal(path):
    read, ids = open_signals(path, Columns())
    return [survives(lambda _, name: read(name), path, name) for name in ids]


@pytest.mark.parametrize("name, good", FEATURES, ids=[entry[0] for entry in FEATURES])
def test_features(place, name, good):
    assert every_feature(put(place, name, good)).ids

    @fuzz
    @hypothesis.given(st.one_of(damaged(good), damaged(good), damaged(good), RAW))
    def run(content):
        path = put(place, name, content)
        survives(every_feature, path)
        if name.endswith(".csv"):
            survives(every_signal, path)

    run()


YAML = b"""seed: 3
dataset: {annotations: a.json, features: f, fps: 25, train_subset: "training"}
train: &t
  steps: 10
  learning_rate: 1e-3
deeplab: {strides: [1, 2, 2]}
"""
YAML_RAW = st.sampled_from([
    b"a: &a [*a]\n", b"train: &t {steps: *t}\n", b"train: &t\n  steps: 3\n  <<: *t\n", b"a: !!python/object:os.x y",
    b"seed: 0x" + b"f" * 9000, b"seed: " + b"9" * 9000, b"? [a]\n: b\n", b"? {a: b}\n: c\n", b"train: {1: 2}\n",
    b'dataset: {features: "a\\0b"}', b'dataset: {features: "\\ud800"}', b"seed: .nan", b"seed: .inf", b"- " * 5000,
    b"{" * 5000, b"a: !!binary x", b"a: !!set {b}", b"a: !!timestamp 2014-99-99", b"a: |\n  \tb",
    b"--- a\n--- b\n", b"seed: !!int x", b"seed: !!float x", b"seed: !!bool x", b"a: *b", b"<<: 3", b"a: !!omap [a]",
    b"train: {null: 3}", b"\xff", b"a: \x07", b"a: !!pairs [a]", b"!!map [a]", b"seed: !!timestamp x", b"a: =",
    b"%YAML 9.9\n---\na: b"])


@pytest.mark.parametrize("name, read", [("my.yaml", load_settings), ("machines.yaml", read_entries)])
def test_yaml(place, name, read):
    @fuzz
    @hypothesis.given(st.one_of(damaged(YAML), YAML_RAW, RAW, VALUES.map(lambda value: json.dumps(value).encode())))
    def run(content):
        survives(read, put(place, name, content))

    run()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A real checkpoint, its bytes and its text."""
    folder = tmp_path_factory.mktemp("trained")
    config = write_data(folder, np.random.RandomState(1))
    assert call(["train", "--config", config, "--output", folder / "run"] + sets(TINY)) == 0
    path = str(folder / "run" / "checkpoints" / "step_0000004.npz")
    with open(path, "rb") as stream:
        content = stream.read()
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return content, arrays, json.loads(arrays["meta"].tobytes().decode("utf-8"))


def test_checkpoints(place, trained):
    content, arrays, meta = trained
    assert survives(load_trained, put(place, "c.npz", content)) is not None
    ends = zipfile.ZipFile(io.BytesIO(content)).start_dir

    @fuzz
    @hypothesis.given(st.one_of(damaged(content[ends:]).map(lambda tail: content[:ends] + tail),
                                damaged(content[:2000]).map(lambda head: head + content[2000:]), RAW))
    def bytes_of(spoilt):
        survives(load_trained, put(place, "c.npz", spoilt))

    @fuzz
    @hypothesis.given(spoiled(meta))
    def meta_of(values):
        text = np.frombuffer(json.dumps(values).encode("utf-8"), np.uint8)
        path = os.path.join(str(place), "c.npz")
        np.savez(path, **dict(arrays, meta=text))
        survives(load_trained, path)

    bytes_of()
    meta_of()


def test_what_survives_is_checked_itself(tmp_path):
    """Or the tests above could not fail."""
    path = write_json(tmp_path / "x.json", {})
    with pytest.raises(ZeroDivisionError):
        survives(lambda path: 1 / 0, path)
    with pytest.raises(AssertionError, match="not named"):
        survives(lambda _: read_annotations(str(tmp_path / "other.json")), path)
