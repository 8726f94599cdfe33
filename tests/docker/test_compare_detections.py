"""The comparison that carries a checkpoint through all environments."""

import copy

import compare_detections
import pytest

from tests.helpers import write_json


@pytest.fixture
def pair(tmp_path, rng):
    """Two files with the same detections; ``pair(change)`` changes the second and gives the differences."""
    results = {name: [{"label": "wave", "score": float(score), "segment": [float(score), float(score) + 1]}
                      for score in rng.uniform(0, 1, 9)] for name in ("one", "two")}
    one = write_json(tmp_path / "one.json", {"results": results})

    def compare(change):
        changed = copy.deepcopy(results)
        change(changed)
        return compare_detections.differences(one, write_json(tmp_path / "other.json", {"results": changed}))

    return compare


def test_the_same_in_another_order(pair):
    assert pair(lambda results: results["one"].reverse()) == []
    assert pair(lambda results: results["one"][3].update(score=results["one"][3]["score"] * (1 + 5e-5))) == []


@pytest.mark.parametrize("change, words", [
    (lambda results: results["one"][3].update(score=results["one"][3]["score"] * 1.0002 + 5e-6), "one: no partner"),
    (lambda results: results["one"][3].update(score=results["one"][3]["score"] / 2 - 1e-5), "one: no partner"),
    (lambda results: results["two"][0]["segment"].__setitem__(1, 7.0), "recording two: no partner"),
    (lambda results: results["two"][8].update(label="nod"), "no partner for wave"),
    (lambda results: results["one"].pop(), "9 and 8 detections"),
    (lambda results: results["one"].__setitem__(0, results["one"][1]), "no partner"),
    (lambda results: results.pop("two"), "recording two: in one file only")])
def test_a_difference_is_named(pair, change, words):
    found = pair(change)
    assert len(found) == 1 and words in found[0]
