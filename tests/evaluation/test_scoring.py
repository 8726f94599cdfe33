"""Class maps, blocked recordings, ambiguous instances, unknown labels: who counts, and what is said of it."""

import json

import numpy as np
import pytest

from tad.errors import DataWarning, UserError
from tad.evaluation.evaluate import Measures, evaluate
from tad.evaluation.rules import read_blocked, read_class_map, read_rules
from tests.evaluation.test_evaluate import annotations, detections, write
from tests.helpers import call, write_json


def files(tmp_path, truth, found):
    return write(tmp_path / "truth.json", annotations(**truth)), write(tmp_path / "found.json", detections(**found))


@pytest.mark.parametrize("text", ['{"0": "x", "1": "y"}', '{"x": 0, "y": 1}', '["x", "y"]', "0 x\n1 y\n", "0,x\n1,y",
                                  "0\tx\n\n1\ty\n", "\ufeff0 x\n1 y"])
def test_class_maps_of_every_form(tmp_path, text):
    path = tmp_path / "map"
    path.write_bytes(text.encode("utf-8"))
    assert read_class_map(str(path)) == {"0": "x", "1": "y"}


def test_names_with_spaces_stay_whole(tmp_path):
    path = tmp_path / "map"
    path.write_text("7 Clean and Jerk\n8 \"x\"\n")
    assert read_class_map(str(path)) == {"7": "Clean and Jerk", "8": "x"}


@pytest.mark.parametrize("text, words", [
    ("", "no class map"), ("x\n", "no class map"), ("[1]", "no class map"), ('{"a": null}', "no class map"),
    ("{", "JSON"), ("{}", "no class map"),
    ('{"a": 1, "b": 1}', "maps '1' to both 'a' and 'b'"), ('{"a": "x", "a": "y"}', "stands twice"),
    ("0,x\n0,y", "to both")])
def test_broken_class_maps_are_told(tmp_path, text, words):
    path = tmp_path / "map"
    path.write_text(text)
    with pytest.raises(UserError, match=words) as raised:
        read_class_map(str(path))
    assert str(path) in str(raised.value)


def test_a_class_map_renames_detections(tmp_path):
    truth, found = files(tmp_path, {"a": [((0, 1), "x"), ((2, 3), "y")]}, {"a": [((0, 1), "0", .9), ((2, 3), "y", .8)]})
    path = write(tmp_path / "map.json", {"x": 0})
    metrics = evaluate(truth, found, "0.5", rules=read_rules(class_map=path))
    assert metrics["mAP"] == {"0.5": 1.0} and metrics["handling"]["class_map"] == path
    other = write(tmp_path / "map.json", {"0": "q", "y": "r"})
    with pytest.raises(UserError, match="no label of .* is one of the annotations"):
        evaluate(truth, found, "0.5", rules=read_rules(class_map=other))


def test_blocked_recordings_do_not_count_at_all(tmp_path):
    truth, found = files(tmp_path, {"a": [((0, 1), "x")], "b": [((0, 1), "x")]},
                         {"a": [((0, 1), "x", .5)], "b": [((5, 6), "x", .9)], "c": [((5, 6), "x", .9)]})
    with pytest.warns(DataWarning):
        assert evaluate(truth, found, "0.5")["mAP"] == {"0.5": pytest.approx(1 / 6.0)}
    for text in ('["b", "c", "unheard of"]', "b\n\nc\n"):
        (tmp_path / "blocked").write_text(text)
        metrics = evaluate(truth, found, "0.5", rules=read_rules(blocked=str(tmp_path / "blocked")))
        assert metrics["mAP"] == {"0.5": 1.0} and metrics["scored_recordings"] == ["a"]
        assert metrics["handling"]["blocked_recordings"] == 1 and metrics["handling"]["blocked_detections"] == 2
    (tmp_path / "blocked").write_text('{"b": 1}')
    with pytest.raises(UserError, match="must be a list of ids"):
        read_blocked(str(tmp_path / "blocked"))
    with pytest.raises(UserError, match="cannot read the blocked recordings"):
        read_blocked(str(tmp_path / "nothing"))
    (tmp_path / "blocked").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        read_blocked(str(tmp_path / "blocked"))


def test_ambiguous_instances_are_no_class_and_excuse_detections(tmp_path):
    truth, found = files(tmp_path, {"a": [((0, 10), "x"), ((20, 30), "Ambiguous")]},
                         {"a": [((25, 40), "x", .9), ((0, 10), "x", .8), ((20, 30), "Ambiguous", 1.0)]})
    assert evaluate(truth, found, "0.5")["AP_per_class"]["x"] == {"0.5": 0.5}
    metrics = evaluate(truth, found, "0.5", rules=read_rules(ignored=("Ambiguous",)))
    assert metrics["AP_per_class"] == {"x": {"0.5": 1.0}} and metrics["instances"] == 1
    assert metrics["handling"]["ignored_instances"] == 1
    with pytest.warns(DataWarning, match="no instance of the ignored label 'Unclear'"):
        evaluate(truth, found, "0.5", rules=read_rules(ignored=("Unclear",)))


def test_what_happened_is_said(tmp_path):
    truth, found = files(tmp_path, {"a": [((0, 1), "x")]},
                         {"a": [((0, 1), "x", .5), ((0, 1), "q", .5)], "elsewhere": [((0, 1), "x", .4)]})
    with pytest.warns(DataWarning):
        said = evaluate(truth, found, "0.5")["handling"]
    assert said["unknown_labels"] == ["q"] and said["detections_of_unknown_labels"] == 1
    assert said["detections_elsewhere"] == 1 and said["examples_elsewhere"] == ["elsewhere"]
    assert said["subset"] == "test" and "equal score" in said["ties"]
    json.dumps(said, allow_nan=False)


def test_segments_of_no_length_are_told_with_the_first_entry(tmp_path, capsys):
    """A detections file with [start, length] in place of [start, end] shows here."""
    truth, found = files(tmp_path, {"a": [((0, 1), "x"), ((3, 3), "x")]},
                         {"b": [], "a": [((0, 1), "x", .5), ((9, 2), "x", .4), ((3, 3), "x", .3)]})
    assert call(["eval", "--ground-truth", truth, "--detections", found, "--tiou", "0.5"]) == 0
    said = capsys.readouterr().out
    assert "not to be found: 1 instance with an end not after the start" in said
    assert "find nothing: 2 detections with an end not after the start, the first: recording 'a', detection 1" in said


def test_labels_without_an_instance_to_find_are_told(tmp_path, capsys):
    truth, found = files(tmp_path, {"a": [((0, 1), "x"), ((0, 1), "Ambiguous")], "b": [((0, 1), "y")]},
                         {"a": [((0, 1), "x", .5), ((0, 1), "y", .5), ((2, 3), "y", .4), ((0, 1), "Ambiguous", .5)]})
    rules = read_rules(blocked=write_json(tmp_path / "blocked", ["b"]), ignored=("Ambiguous",))
    metrics = evaluate(truth, found, "0.5", rules=rules)
    said = metrics["handling"]
    assert said["unscored_labels"] == ["Ambiguous", "y"] and said["detections_of_unscored_labels"] == 3
    assert said["unknown_labels"] == [] and metrics["detections"] == 1 and list(metrics["AP_per_class"]) == ["x"]
    assert call(["eval", "--ground-truth", truth, "--detections", found, "--blocked", str(tmp_path / "blocked"),
                 "--ignore-label", "Ambiguous", "--output", str(tmp_path / "metrics.json")]) == 0
    said = capsys.readouterr().out
    assert "3 detections of labels without an instance to find in subset 'test': Ambiguous, y" in said


def test_proposals_of_any_label_count(tmp_path):
    truth, found = files(tmp_path, {"a": [((0, 1), "x"), ((4, 5), "y")]}, {"a": [((0, 1), "q", .5), ((4, 5), "r", .5)]})
    with pytest.warns(DataWarning, match="not in the annotations"):
        metrics = evaluate(truth, found, "0.5", measures=Measures(("map", "ar"), proposals=2))
    assert metrics["mAP"] == {"0.5": 0.0} and metrics["proposals"]["AR"] == {"1": 0.5, "2": 1.0}


def test_recall_of_thumos14_is_found_where_it_stands(shared_data):
    """AR@AN named in the metrics is that of the curve, for a most that no named number divides evenly."""
    folder = shared_data + "/thumos14/thumos_gt.json", shared_data + "/eval_reference/thumos14_detections.json"
    proposals = evaluate(folder[0], folder[1], "0.5", "test", measures=Measures(("ar",), proposals=1000))["proposals"]
    assert list(proposals["AR"]) == ["10", "50", "100", "200", "500", "1000"]
    assert np.interp(50, proposals["curve"]["AN"], proposals["curve"]["AR"]) == pytest.approx(proposals["AR"]["50"])
