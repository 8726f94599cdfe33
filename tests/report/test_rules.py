"""Class maps, blocked recordings and ignored labels: the report's numbers are those of ``tad eval`` with the same."""

import warnings

import numpy as np
import pytest

from tad.errors import DataWarning, UserError
from tad.evaluation.average_precision import ANY_OVERLAP
from tad.evaluation.diagnosis.diagnose import diagnose
from tad.evaluation.rules import NO_RULES, Rules, read_rules, recorded_rules
from tad.evaluation.scoring import open_scoring
from tad.report.compare import compare
from tad.report.inputs import Asked, read_runs
from tad.report.kinds import TRUE, UNCOUNTED
from tad.segments import tiou
from tests.helpers import call, change_json, read_json, write_json
from tests.report.made import make_data, write_run

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)


@pytest.fixture
def ruled(tmp_path, rng):
    """A run whose detections have other names, with ambiguous instances and a blocked recording; and its rules."""
    annotations, detections = make_data(rng, labels=("a", "b", "Ambiguous"), recordings=7, detections=50)
    for rows in detections["results"].values():
        for row in rows:
            row["label"] = {"a": "0", "b": "1"}.get(row["label"], row["label"])
    folder = write_run(tmp_path / "run", annotations, detections)
    (tmp_path / "blocked").write_text("rec_2\n")
    write_json(tmp_path / "map.json", {"0": "a", "1": "b"})
    options = ["--class-map", tmp_path / "map.json", "--blocked", tmp_path / "blocked", "--ignore-label", "Ambiguous"]
    return folder, options


def measure(folder, truth, options):
    """``tad eval`` into the run folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # of the label that counts for nothing
        assert call(["eval", "--ground-truth", truth, "--detections", folder + "/detections.json", "--diagnose",
                     "--output", folder + "/metrics.json"] + options) == 0


def test_a_report_follows_the_rules_of_the_metrics(tmp_path, ruled, capsys):
    folder, options = ruled
    measure(folder, tmp_path / "truth.json", options)
    metrics = read_json(folder + "/metrics.json")
    for path in ("map.json", "blocked"):
        (tmp_path / path).unlink()  # what was used is in the metrics
    found = compare(read_runs([folder], Asked()))
    result, = found.results
    assert found.labels[:found.counted] == ("a", "b") and "rec_2" not in found.ids
    np.testing.assert_allclose(result.ap, [list(row.values()) for row in metrics["AP_per_class"].values()], atol=1e-12)
    assert result.diagnosis == read_json(folder + "/diagnosis.json"), "taken as it is, and no warning"
    facts = dict(result.run.facts)
    assert facts["ignored labels"] == "Ambiguous" and facts["blocked"] == "1 recording: rec_2"
    assert facts["class map"].endswith("map.json (2 labels)")
    assert call(["report", folder]) == 0


def test_options_are_the_same_as_recorded_rules(tmp_path, ruled):
    folder, options = ruled
    asked = read_rules(str(options[1]), str(options[3]), ["Ambiguous"])
    given = compare(read_runs([folder], Asked(rules=asked)))
    scoring = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        scoring = open_scoring(str(tmp_path / "truth.json"), folder + "/detections.json", rules=asked)
    assert given.results[0].diagnosis == diagnose(scoring, THRESHOLDS)
    assert call(["report", folder] + options) == 0
    # What is given goes before all that is recorded
    measure(folder, tmp_path / "truth.json", options)
    with pytest.warns(DataWarning, match="its metrics.json has mAP"):
        other = compare(read_runs([folder], Asked(rules=asked._replace(blocked=frozenset()))))
    assert "rec_2" in other.ids


def test_detections_on_ambiguous_instances_are_not_counted(tmp_path, ruled):
    folder, options = ruled
    found = compare(read_runs([folder], Asked(rules=read_rules(str(options[1]), None, ["Ambiguous"]))))
    result, = found.results
    excused = np.zeros(len(result.found.scores), bool)
    for number, recording in enumerate(result.run.ambiguous):
        own = np.flatnonzero(result.found.recordings == number)
        if len(recording.labels) and len(own):
            excused[own] = (tiou(result.found.segments[own], recording.segments_s) >= ANY_OVERLAP).any(axis=1)
    assert excused.any()
    known = result.found.labels < found.counted
    np.testing.assert_array_equal(result.kind == UNCOUNTED, ~known | excused & (result.kind != TRUE))


def test_runs_side_by_side_need_the_same_rules_but_may_have_names_of_their_own(tmp_path, ruled):
    folder, options = ruled
    measure(folder, tmp_path / "truth.json", options)
    other = write_run(tmp_path / "other", None, read_json(folder + "/detections.json"), str(tmp_path / "truth.json"))
    with pytest.raises(UserError, match="other blocked recordings or ignored labels.*--blocked FILE and --ignore-"):
        read_runs([folder, other], Asked())
    change_json(other + "/detections.json", lambda value: [
        row.update(label={"0": "a", "1": "b"}.get(row["label"], row["label"]))
        for rows in value["results"].values() for row in rows])
    measure(other, tmp_path / "truth.json", options[2:])
    first, second = compare(read_runs([folder, other], Asked())).results
    np.testing.assert_array_equal(first.ap, second.ap)


def test_rules_are_recorded_whole():
    for rules in (NO_RULES, Rules({"0": "x"}, frozenset("ab"), ("q",), "map.json")):
        assert recorded_rules(rules.recorded(), "m") == rules


@pytest.mark.parametrize("value", [3, [], {}, {"blocked": [1], "ignored": []}, {"blocked": [], "ignored": "all"},
                                   {"blocked": [], "ignored": [], "class_map": [["a", "b"]]},
                                   {"blocked": [], "ignored": [], "class_map": {"a": 1}},
                                   {"blocked": [[]], "ignored": [], "class_map": None},
                                   {"blocked": [], "ignored": [], "class_map_path": {}, "class_map": None}])
def test_rules_that_tad_eval_did_not_write_are_told(tmp_path, rng, value):
    folder = write_run(tmp_path / "run", *make_data(rng))
    write_json(folder + "/metrics.json", {"handling": {"rules": value}})
    with pytest.raises(UserError, match="metrics.json: its 'rules' are not as tad eval writes them"):
        read_runs([folder], Asked())
