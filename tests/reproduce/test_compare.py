"""Verdicts by hand: equal, close, different, and the first place."""

import math

import pytest
import torch

from tad.engine.checkpoint import Checkpoint
from tad.reproduce.compare import compare_json, compare_losses, compare_weights, worst


def test_losses_part_at_a_step():
    old = {10: {"total": 1.0}, 20: {"total": 0.5, "a": 0.25}}
    assert compare_losses(old, dict(old), 0)[0] == "equal"
    assert compare_losses(old, {10: {"total": 1.0}}, 0)[0] == "equal"
    verdict, text = compare_losses(old, {10: {"total": 1.0}, 20: {"total": 0.5, "a": 0.5}}, 0.1)
    assert verdict == "different" and "between step 10 and step 20: a is 0.5 and was 0.25" in text
    assert compare_losses(old, {10: {"total": 1.0}, 20: {"total": 0.5, "a": 0.26}}, 0.1)[0] == "close"
    assert compare_losses({1: {"a": 1.0}}, {1: {"b": 1.0}}, 0.9)[0] == "different"
    assert compare_losses({}, old, 0) == ("equal", "there is no step that both have logged")


@pytest.mark.parametrize("change, verdict", [(0.0, "equal"), (1e-6, "close"), (1.0, "different"),
                                             (math.nan, "different")])
def test_weights(change, verdict):
    old = Checkpoint({"a": torch.zeros(3), "b": torch.ones(2)}, {})
    new = Checkpoint({"a": torch.zeros(3), "b": torch.ones(2) + change}, {})
    found, text = compare_weights(old, new, 1e-5)
    assert found == verdict and (verdict == "equal" or "differs is b" in text)
    assert compare_weights(old, Checkpoint({"a": torch.zeros(3)}, {}), 1)[0] == "different"
    assert compare_weights(old, Checkpoint({"a": torch.zeros(3), "b": torch.ones(1)}, {}), 1)[0] == "different"
    assert compare_weights(old, Checkpoint({"a": torch.zeros(3), "b": torch.ones(2).double()}, {}), 1)[0] == "different"


@pytest.mark.parametrize("old, new, verdict, words", [
    ({"a": [1, 2.0]}, {"a": [1, 2.0]}, "equal", "equal"),
    ({"a": [1, 2.0]}, {"a": [1, 2.000001]}, "close", "/a/1: 2.000001 and was 2.0"),
    ({"a": [1, 2.0]}, {"a": [1, 3.0]}, "different", "/a/1"),
    ({"a": [1]}, {"a": [1, 1]}, "different", "2 entries and was 1 entries"),
    ({"a": 1}, {"b": 1}, "different", "/a: absent and was there"),
    ({"a": True}, {"a": "x"}, "different", "/a: x and was True"),
    ([], {}, "different", "the top"),
])
def test_documents(old, new, verdict, words):
    found, text = compare_json(old, new, 1e-5)
    assert found == verdict and words in text


def test_the_worst_part_decides():
    assert worst(["equal", "close", "equal"]) == "close"
    assert worst(["close", "different"]) == "different"
