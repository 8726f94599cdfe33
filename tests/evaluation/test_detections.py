"""Detection files: what is written is what is read; what is broken is named."""

import json

import numpy as np
import pytest

from tad.errors import UserError
from tad.evaluation.detections import read_detections, write_detections
from tad.postprocess.fusion import NOTHING, Detections


def test_round_trip(tmp_path, rng):
    found = Detections(rng.uniform(0, 99, (7, 2)), rng.randint(0, 2, 7), rng.random_sample(7))
    path = str(tmp_path / "d.json")
    write_detections(path, {"a": found, "b": NOTHING}, ("x", "y"))
    back = read_detections(path)
    assert list(back) == ["a", "b"] and back["b"] == []
    for (label, score, start, end), segment, index, expected in zip(back["a"], *found):
        assert label == "xy"[index]
        assert (score, start, end) == pytest.approx((expected, segment[0], segment[1]), abs=1e-4)
    with open(path) as stream:
        assert set(json.load(stream)) == {"version", "results", "external_data"}


def good(**changes):
    return dict({"label": "x", "score": 0.5, "segment": [1, 2]}, **changes)


@pytest.mark.parametrize("results, words", [
    ([good()], "no \"results\""), (None, "no \"results\""), ({"a": good()}, "must be a list"),
    ({"a": {"x": 1}}, "must be a list"), ({"a": None}, "must be a list"), ({"a": [5]}, "detection 0 must be"),
    ({"a": [good(), {"label": "x"}]}, "detection 1 must be"), ({"a": [good(score=float("nan"))]}, "'score'.*not nan"),
    ({"a": [good(score=None)]}, "'score' must be a number"), ({"a": [good(score="high")]}, "'score' must be a number"),
    ({"a": [good(segment=[1])]}, "'segment' must be"), ({"a": [good(segment=[1, "b"])]}, "'segment' must be a number"),
    ({"a": [good(segment=[0, float("inf")])]}, "'segment' must be a number"), ({"a": [good(segment=5)]}, "'segment'"),
])
def test_broken_files_name_the_entry(tmp_path, results, words):
    path = tmp_path / "d.json"
    path.write_text(json.dumps({"results": results}))
    with pytest.raises(UserError, match=words) as raised:
        read_detections(str(path))
    assert "d.json" in str(raised.value)


def test_a_file_that_is_cut_off_names_the_recording(tmp_path):
    path = tmp_path / "d.json"
    path.write_text(json.dumps({"results": {"a": [good()], "b": [good(), good()]}})[:-9])
    with pytest.raises(UserError, match="d.json is not valid JSON: .*, in recording 'b'\\)"):
        read_detections(str(path))


def test_results_that_stand_twice_are_no_file(tmp_path):
    path = tmp_path / "d.json"
    path.write_text('{"results": {"a": []}, "results": {}}')
    with pytest.raises(UserError, match='d.json has "results" twice'):
        read_detections(str(path))


def test_numbers_as_text_are_taken(tmp_path):
    path = tmp_path / "d.json"
    path.write_text(json.dumps({"results": {"a": [good(score="0.25", segment=["1", "2.5"])]}}))
    assert read_detections(str(path)) == {"a": [("x", 0.25, 1.0, 2.5)]}


def test_scores_that_json_cannot_hold_are_never_written(tmp_path):
    found = Detections(np.zeros((1, 2)), np.zeros(1, np.int64), np.array([np.nan]))
    with pytest.raises(ValueError):
        write_detections(str(tmp_path / "d.json"), {"a": found}, ("x",))
