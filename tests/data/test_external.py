"""External scores: read strictly, and every label or recording that does not match is told."""

import warnings

import numpy as np
import pytest

from tad.data.external import external_scores
from tad.errors import DataWarning, UserError
from tests.helpers import write_json

CLASSES = ("jump", "run", "sit")
GOOD = {"a": {"run": 0.5, "jump": 1, "sit": "0.25"}, "b": {"jump": 0, "run": 0, "sit": 1}}


@pytest.mark.parametrize("document", [GOOD, {"results": GOOD}, {"version": "1", "results": GOOD}])
def test_scores_in_the_order_of_the_classes(tmp_path, document):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = external_scores(write_json(tmp_path / "s.json", document), CLASSES, ["b", "a"])
    assert list(found) == ["b", "a"]
    np.testing.assert_array_equal(found["a"], [1, 0.5, 0.25])
    assert external_scores(None, CLASSES, ["a"]) == {}


def test_what_does_not_match_is_told(tmp_path):
    path = write_json(tmp_path / "s.json", {"a": {"run": 0.5, "fly": 0.3}, "z": {"jump": 0.5}})
    with pytest.warns(DataWarning) as told:
        found = external_scores(path, CLASSES, ["a", "b"])
    np.testing.assert_array_equal(found["a"], [0, 0.5, 0])
    assert set(found) == {"a"}
    text = " | ".join(str(one.message) for one in told)
    assert "does not know, which count for nothing: 'fly'" in text and "will not be detected: 'sit'" in text
    assert "recordings, where the detector's own scores are used alone: 'b'" in text and len(told) == 3


@pytest.mark.parametrize("document, words", [
    ([], "must hold"), ({}, "must hold"), ({"results": []}, "must hold"), ({"a": [1]}, "scores of 'a' must be"),
    ({"a": {"run": "x"}}, "'run' in 'a' must be a number"), ({"a": {"run": True}}, "must be a number"),
    ({"a": {"run": 1.5}}, "must be from 0 to 1, not 1.5"), ({"a": {"run": -0.1}}, "from 0 to 1"),
    ({"a": {"run": None}}, "must be a number"), ({"a": {"fly": 0.5}}, "no label of the detector; it has 'fly'"),
    ({"z": {"run": 0.5, "jump": 1, "sit": 0}}, "scores of no recording that is detected in; it has 'z'"),
])
def test_mistakes_are_one_sentence(tmp_path, document, words):
    with pytest.raises(UserError) as raised:
        external_scores(write_json(tmp_path / "s.json", document), CLASSES, ["a", "b"])
    assert words in str(raised.value) and "s.json" in str(raised.value) and "\n" not in str(raised.value)
