"""Annotation files: what is read, what is repaired with a word, and what is refused with a sentence."""

import json
import os
import warnings

import numpy as np
import pytest

from tad.data.annotations import class_names, in_subset, number, read_annotations, read_ground_truth
from tad.errors import DataWarning, UserError
from tests.helpers import read_json, write_json


def one(tmp_path, entry):
    return write_json(tmp_path / "ann.json", {"database": {"rec": entry}})


def annotated(*segments, **more):
    return dict({"subset": "training", "duration": 10.0,
                 "annotations": [{"segment": list(segment), "label": "x"} for segment in segments]}, **more)


def test_reading_a_good_file(tmp_path):
    path = write_json(tmp_path / "ann.json", {"version": "1", "taxonomy": [], "database": {
        "b": {"subset": "test", "url": "http://", "annotations": []},
        "a": {"subset": "training", "duration": "12.5", "fps": 25, "annotations": [
            {"segment": ["0.5", 3], "label": "x"}, {"segment": [2, 12.5], "label": 7}]}}})
    recordings = read_annotations(path)
    assert list(recordings) == ["b", "a"]
    assert recordings["a"].duration_s == 12.5 and recordings["a"].fps == 25.0
    np.testing.assert_array_equal(recordings["a"].segments_s, [[0.5, 3], [2, 12.5]])
    assert recordings["a"].labels == ("x", "7")
    assert recordings["b"].segments_s.shape == (0, 2) and recordings["b"].duration_s is None
    assert class_names(recordings.values()) == ("7", "x")
    assert [recording.id for recording in in_subset(recordings, "test", path)] == ["b"]
    assert [recording.id for recording in in_subset(recordings, "all", path)] == ["b", "a"]


@pytest.mark.parametrize("segment, words, kept", [
    ((3, 3), "zero length", None), ((5, 2), "reversed", None), ((12, 15), "outside the recording", None),
    ((-5, -1), "outside the recording", None), ((-2, 4), "reaches past the recording", [0, 4]),
    ((6, 13), "reaches past the recording", [6, 10]), ((-1, 99), "reaches past the recording", [0, 10]),
])
def test_imperfect_segments_lenient_and_strict(tmp_path, segment, words, kept):
    path = one(tmp_path, annotated((1, 2), segment))
    with pytest.warns(DataWarning, match=words) as told:
        found = read_annotations(path)["rec"]
    assert len(told) == 1 and "rec: annotation 1 (x)" in str(told[0].message)
    np.testing.assert_array_equal(found.segments_s, [[1, 2]] + ([kept] if kept else []))
    assert len(found.labels) == len(found.segments_s)
    with pytest.raises(UserError, match=words):
        read_annotations(path, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_ground_truth(path)["rec"].segments_s, [[1, 2], segment])


def test_rounding_at_the_end_is_not_worth_a_word(tmp_path):
    found = read_annotations(one(tmp_path, annotated((-0.005, 4), (5, 10.009))), strict=True)["rec"]
    np.testing.assert_array_equal(found.segments_s, [[0, 4], [5, 10]])


def test_without_duration_no_end_is_known(tmp_path):
    found = read_annotations(one(tmp_path, annotated((5, 1e6), duration=None)), strict=True)["rec"]
    np.testing.assert_array_equal(found.segments_s, [[5, 1e6]])


def test_without_duration_the_words_speak_of_the_beginning_only(tmp_path):
    with pytest.warns(DataWarning) as told:
        read_annotations(one(tmp_path, annotated((-5, 3), (-5, -2), duration=None)))
    assert [str(one.message).partition("the recording ")[2] for one in told] == [
        "(from 0 s on); cut there", "(from 0 s on); left out"]


@pytest.mark.parametrize("entry, words", [
    (annotated(duration="long"), "'duration' must be a number, not 'long'"),
    (annotated(duration=-3), "'duration' must be above 0"), (annotated(duration=0), "'duration' must be above 0"),
    (annotated(duration=True), "must be a number"), (annotated(duration=[5]), "must be a number"),
    (annotated(fps="25fps"), "'fps' must be a number"), (annotated(fps=0), "'fps' must be above 0"),
    (annotated(("a", 3)), "'segment' must be a number, not 'a'"), (annotated((1, None)), "must be a number"),
    (annotated((1, float("nan"))), "must be a number, not nan"), (annotated((1, float("inf"))), "must be a number"),
    (annotated((1, 10 ** 400)), "must be a number"),
    (annotated((1, 2, 3)), r"must be \[start, end\]"), (annotated((1,)), r"must be \[start, end\]"),
    (dict(annotated(), annotations=[{"label": "x"}]), "annotation 0 must be"),
    (dict(annotated(), annotations=[{"segment": [0, 1]}]), "annotation 0 must be"),
    (dict(annotated(), annotations=[[0, 1, "x"]]), "annotation 0 must be"),
    (dict(annotated(), annotations={"x": [0, 1]}), "'annotations' must be a list"),
    ([1, 2], "must be an object"), (None, "must be an object"),
])
def test_what_is_not_a_number_or_not_the_format_is_an_error(tmp_path, entry, words):
    for read in (read_annotations, read_ground_truth):
        with pytest.raises(UserError, match=words) as raised:
            read(one(tmp_path, entry))
        assert "ann.json" in str(raised.value) and "rec" in str(raised.value)


@pytest.mark.parametrize("content, words", [
    (b"", "not valid JSON"), (b"{", "not valid JSON"), (b"a,b\n1,2\n", "not valid JSON"), (b"\xff\xfe{}", "not UTF-8"),
    (b"[]", "no \"database\""), (b"{}", "no \"database\""), (b'{"database": []}', "no \"database\""),
    (b'{"database": {}}', "is empty"), (b"[" * 100000, "nested too deeply"),
])
def test_files_of_another_kind(tmp_path, content, words):
    path = tmp_path / "ann.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as raised:
        read_annotations(str(path))
    assert "ann.json" in str(raised.value)


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(UserError, match="cannot read the annotations .*nowhere.json: No such file"):
        read_annotations(str(tmp_path / "nowhere.json"))
    with pytest.raises(UserError, match="Is a directory"):
        read_annotations(str(tmp_path))


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = tmp_path / "ann.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"database": {"rec": annotated((1, 2))}}).encode("utf-8"))
    assert list(read_annotations(str(path))) == ["rec"]


def test_an_unknown_subset_names_those_there_are(tmp_path):
    recordings = read_annotations(one(tmp_path, annotated((1, 2))))
    with pytest.raises(UserError, match="no recording in subset 'train'; its subsets are: 'training'"):
        in_subset(recordings, "train", "ann.json")


def test_number():
    assert [number(value, "x") for value in (3, 2.5, "1e3", " 7 ")] == [3.0, 2.5, 1000.0, 7.0]


def test_the_real_files_are_read(shared_data):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        thumos = read_annotations(os.path.join(shared_data, "thumos14", "thumos_gt.json"))
        hapt = read_annotations(os.path.join(shared_data, "hapt", "annotations.json"))
    assert all(issubclass(one_told.category, DataWarning) for one_told in told)
    assert sum(len(recording.labels) for recording in hapt.values()) == 813
    document = read_json(os.path.join(shared_data, "thumos14", "thumos_gt.json"))["database"]
    assert set(thumos) == set(document)
