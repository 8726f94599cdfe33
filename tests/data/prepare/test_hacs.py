"""HACS: a file of the published layout is read, what is wrong with it is told, and logits become probabilities."""

import os

import numpy as np
import pytest

from tad.data.prepare.hacs import prepare
from tad.errors import UserError
from tests.helpers import call, read_json, write_json

DATABASE = {
    "--0edUL8zmA": {"annotations": [{"label": "Dodgeball", "segment": [5.4, 11.6]},
                                    {"label": "Dodgeball", "segment": [12.6, 88.16]}],
                    "subset": "training", "duration": "92.166667", "url": "https://www.youtube.com/watch?v=--0edUL8zmA"},
    "b": {"annotations": [{"label": "Croquet", "segment": ["1", "9"]}, {"label": "Dodgeball", "segment": [8, 30]}],
          "subset": "validation", "duration": "20"},
    "c": {"annotations": [], "subset": "testing", "duration": 30},
    "d": {"annotations": [], "subset": "training"}}


def test_the_published_layout(tmp_path, rng):
    write_json(tmp_path / "HACS_segments_v1.1.1.json", {"database": DATABASE})
    logits = rng.uniform(-20, 20, 2)
    write_json(tmp_path / "validation94.32.json",
               {"results": {"b": [logits.tolist()]}, "class": ["Croquet", "Dodgeball"]})
    output = str(tmp_path / "out")
    assert call(["data", "prepare", "hacs", tmp_path, "--output", output]) == 0
    entry = read_json(os.path.join(output, "annotations.json"))["database"]["--0edUL8zmA"]
    assert entry == {"subset": "training", "duration": 92.166667, "annotations": [
        {"segment": [5.4, 11.6], "label": "Dodgeball"}, {"segment": [12.6, 88.16], "label": "Dodgeball"}]}
    scores = read_json(os.path.join(output, "external_scores.json"))["results"]["b"]
    wanted = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose([scores.get(name, 0) for name in ("Croquet", "Dodgeball")], wanted, atol=1e-6)
    kinds = read_json(os.path.join(output, "disagreements.json"))["kinds"]
    assert {kind: entry["count"] for kind, entry in kinds.items() if entry["count"]} == {
        "counts": 4, "no duration": 1, "no instances": 1, "several classes": 1, "past the end": 1,
        "classes together": 1}


@pytest.mark.parametrize("document, words", [
    ({}, 'must be {"results"'), ({"results": {"b": [0, 1]}, "class": ["A", "A"]}, "a name stands twice"),
    ({"results": {"b": [0]}, "class": ["Croquet", "Dodgeball"]}, "scores of 'b' must be a list of 2 numbers"),
    ({"results": {"b": [[[0]]]}, "class": ["Croquet"]}, "must be a number"),
    ({"results": {"b": ["x"]}, "class": ["Croquet"]}, "must be a number, not 'x'"),
    ({"results": {"b": [1]}, "class": [None]}, "must be text"),
])
def test_score_files_that_cannot_be_used(tmp_path, document, words):
    write_json(tmp_path / "HACS_segments_v1.1.1.json", {"database": DATABASE})
    write_json(tmp_path / "s.json", document)
    with pytest.raises(UserError) as told:
        prepare(str(tmp_path), str(tmp_path / "s.json"))
    assert words in str(told.value) and "s.json" in str(told.value)
