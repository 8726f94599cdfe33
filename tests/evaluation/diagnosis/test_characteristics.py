"""Characteristics: computed as DETAD's file has them, sorted into its buckets."""

import os

import numpy as np
import pytest

from tad.errors import UserError
from tad.evaluation.diagnosis.characteristics import (
    BORDERS,
    BUCKETS,
    FILE_BORDERS,
    measure,
    read_characteristics,
    sort_into_buckets,
)
from tad.evaluation.scoring import open_scoring
from tests.helpers import read_json, write_json


@pytest.fixture
def thumos14(shared_data):
    """The scoring of THUMOS14's test set, with durations from DETAD's file; and that file."""
    path = os.path.join(shared_data, "thumos14", "thumos14_test_extra_characteristics.json")
    detections = os.path.join(shared_data, "eval_reference", "thumos14_detections.json")
    return open_scoring(os.path.join(shared_data, "thumos14", "thumos_gt.json"), detections, "test"), path


def test_computed_equals_detads_file(thumos14):
    scoring, path = thumos14
    given, lacking = read_characteristics(path, scoring.truth, scoring.recordings, scoring.labels)
    assert lacking == 0
    entries = {name: entry["annotations"][0] for name, entry in read_json(path)["database"].items()}
    recordings = [recording._replace(duration_s=entries[recording.id]["length"] / entries[recording.id]["coverage"])
                  for recording in scoring.recordings]
    computed = measure(scoring.truth, recordings)
    for name in ("length", "num-instances"):
        np.testing.assert_allclose(computed[name], given[name], atol=1e-6)
    np.testing.assert_allclose(computed["coverage"], given["coverage"], rtol=5e-3)
    for each, other in zip(sort_into_buckets(computed, {}, "thumos14"), sort_into_buckets({
            "length": given["length"]}, given, "thumos14")):
        assert (each.name, each.source, other.source) == (other.name, "computed", "file")
        assert np.mean(each.bucket == other.bucket) > 0.995


def test_buckets_hold_their_upper_border():
    values = {"length": np.array([0.0, 3.0, 3.01, 12.0, 18.5, 1e9, np.nan]), "num-instances": np.arange(1.0, 8.0),
              "coverage": np.full(7, np.nan)}
    length, number = sort_into_buckets(values, {}, "thumos14")
    assert (length.name, number.name) == ("length", "num-instances")   # coverage is not known and not made up
    assert length.bucket.tolist() == [0, 0, 1, 2, 4, 4, -1] and number.bucket.tolist() == [0] + [1] * 6
    context = {"context-size": np.array([0.0, 6, 7, np.nan, 1, 2, 3]),
               "agreement": np.array([0, .2, .21, 1, 1.1, .5, .6])}
    agreement, size = [each for each in sort_into_buckets(values, context, "activitynet") if each.source == "file"]
    assert agreement.bucket.tolist() == [0, 0, 1, 4, -1, 2, 2] and size.bucket.tolist() == [0, 6, -1, -1, 1, 2, 3]
    assert [size.names[place] for place in size.bucket[:2]] == ["0", "6"]


def test_short_instances_get_thumos14s_borders():
    for seconds, style in ((4.0, "thumos14"), (40.0, "activitynet")):
        length = sort_into_buckets({"length": np.full(3, seconds)}, {}, "auto")[0]
        assert length.borders == BORDERS[style]["length"]


def test_every_bucket_has_a_name():
    for borders in list(BORDERS.values()) + [FILE_BORDERS]:
        for name, edges in borders.items():
            assert len(edges) == len(BUCKETS[name]) + 1


@pytest.mark.parametrize("document, words", [
    ([], 'no "database"'), ({"database": {"a": {"annotations": [{"label": "x"}]}}}, "annotation 0 must have"),
    ({"database": {"b": {"annotations": []}}}, "none of the scored instances"),
    ({"database": {"a": {"annotations": [{"label": "x", "segment": [0, 1], "length": "long"}]}}}, "'length' must be")])
def test_files_of_something_else_are_told(tmp_path, document, words):
    truth = write_json(tmp_path / "truth.json", {"database": {"a": {
        "subset": "t", "annotations": [{"label": "x", "segment": [0, 1]}]}}})
    scoring = open_scoring(truth, write_json(tmp_path / "found.json", {"results": {}}))
    path = write_json(tmp_path / "characteristics.json", document)
    with pytest.raises(UserError, match=words):
        read_characteristics(path, scoring.truth, scoring.recordings, scoring.labels)
