"""Tables for the terminal: what they say of other measures, of what did not count, and of a diagnosis."""

import os
import re

import pytest

from tad.evaluation.diagnosis.diagnose import diagnose
from tad.evaluation.evaluate import Measures, evaluate_measures
from tad.evaluation.rules import read_rules
from tad.evaluation.scoring import open_scoring
from tad.report.tables import diagnosis_table, metrics_table
from tests.evaluation.test_evaluate import annotations, detections, write


def scoring(tmp_path, rules):
    truth = write(tmp_path / "truth.json", annotations(
        a=[((0, 10), "x"), ((20, 30), "y"), ((8, 12), "Ambiguous"), ((21, 25), "x")], b=[((0, 1), "x")]))
    found = write(tmp_path / "found.json", detections(a=[((0, 10), "x", .9), ((20, 30), "q", .8), ((40, 50), "y", .1)],
                                                      c=[((0, 1), "x", .5)]))
    return open_scoring(truth, found, "test", rules)


@pytest.mark.filterwarnings("ignore::tad.errors.DataWarning")
def test_everything_that_happened_is_said(tmp_path):
    (tmp_path / "blocked").write_text("b\n")
    case = scoring(tmp_path, read_rules(blocked=str(tmp_path / "blocked"), ignored=("Ambiguous",)))
    measures = Measures(("map", "ar", "snippets", "segmentation"), proposals=3, step_s=1.0, min_score=0.2)
    lines = metrics_table(evaluate_measures(case, (0.5,), measures)).splitlines()
    assert lines[0].split() == ["tIoU", "0.5", "avg"] and lines[4].split()[0] == "mAP"
    rest = "\n".join(lines[5:])
    for words in ("proposals: AR@3 ", "area under the AR-AN curve to 3: ", "snippets: mAP ", "over 30 snippets, ",
                  "from detections rasterized every 1 s", "segmentation: F1@10 ",
                  "of detections from score 0.2 on, every 1 s",
                  "4 snippets with several actions", "3 instances in 1 recording, 3 detections",
                  "blocked: 1 recording with annotations, 0 detections", "ignored: 1 instance of Ambiguous",
                  "counted for nothing: 1 detection of labels that the annotations lack: q",
                  "false positives: 1 detection in 1 recording outside subset 'test': c"):
        assert words in rest
    only = metrics_table(evaluate_measures(case, (0.5,), Measures(("ar",)))).splitlines()
    assert only[0].startswith("proposals: AR@1 0.") and not any("mAP" in line for line in only)


def test_a_diagnosis_names_buckets_types_and_the_worst_class(shared_data):
    folder = os.path.join(shared_data, "thumos14")
    case = open_scoring(os.path.join(folder, "thumos_gt.json"),
                        os.path.join(shared_data, "eval_reference", "thumos14_detections.json"), "test")
    diagnosis = diagnose(case, (0.5,))
    lines = diagnosis_table(diagnosis).splitlines()
    assert [line.split()[0] for line in lines if re.match(r"\d+G ", line)] == ["%dG" % (g + 1) for g in range(10)]
    worst = lines[[place for place, line in enumerate(lines) if line.startswith("class ")][0] + 1].split()[0]
    assert worst == min(diagnosis["per_class"], key=lambda label: diagnosis["per_class"][label]["AP_N"])
    assert any(line.startswith("XL") and line.endswith("above 18") for line in lines)
    assert any(line.startswith("length (s), from the annotations") for line in lines)
    assert lines[-1].startswith("note: no coverage")
    assert max(map(len, lines)) <= 120
