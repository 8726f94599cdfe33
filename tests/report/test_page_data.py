"""What the page is given: every number arrives, and no name can break out of it."""

import base64
import json
import re

import numpy as np
import pytest

import tad.report.page_data as page_data_module
from tad.errors import DataWarning
from tad.evaluation.evaluate import evaluate
from tad.report.compare import compare
from tad.report.html import safe_json, write_page
from tad.report.inputs import Asked, read_runs
from tad.report.page_data import page_data
from tad.report.paper_tables import summary_rows
from tests.report.made import HOSTILE, make_data, write_run


def unpacked(text, kind):
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def made(tmp_path, rng, **options):
    found = compare(read_runs([write_run(tmp_path / "run", *make_data(rng, **options))], Asked()))
    return found, page_data(found, "today", "1")


def test_columns_arrive_by_recording_and_score(tmp_path, rng):
    found, data = made(tmp_path, rng)
    rows = data["runs"][0]["detections"]
    recording, score = unpacked(rows["recording"], "<u4"), unpacked(rows["score"], "<f4")
    assert len(score) == 80 and (np.lexsort((-score, recording)) == np.arange(80)).all()
    start = unpacked(rows["start"], "<f4")
    assert sorted(start.tolist()) == sorted(found.results[0].found.segments[:, 0].astype(np.float32).tolist())
    assert data["durations"] and unpacked(data["truth"]["label"], "<u2").tolist() == found.truth.labels.tolist()


def test_too_many_detections_are_left_out_aloud_and_the_best_stay(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(page_data_module, "MOST_DETECTIONS", 30)
    with pytest.warns(DataWarning, match="best 30 detections; 50 detections less sure"):
        found, data = made(tmp_path, rng)
    run = data["runs"][0]
    assert run["dropped"] == 50
    kept = unpacked(run["detections"]["score"], "<f4")
    assert sorted(kept.tolist()) == np.sort(found.results[0].found.scores)[-30:].astype(np.float32).tolist()


def test_page_and_tables_say_the_number_of_detections_that_eval_says(tmp_path, rng):
    """Detections of labels that only other subsets or no annotations have count for nothing, here as there."""
    annotations, detections = make_data(rng)
    annotations["database"]["elsewhere"] = {"subset": "training", "annotations": [{"segment": [0, 1], "label": "rest"}]}
    for index, label in enumerate(("rest", "no such label", "wave")):
        detections["results"]["rec_%d" % index].append({"label": label, "score": 0.5, "segment": [1, 2]})
    detections["results"]["outside"] = [{"label": "nod", "score": 0.5, "segment": [1, 2]}]
    run = write_run(tmp_path / "run", annotations, detections)
    with pytest.warns(DataWarning):
        metrics = evaluate(str(tmp_path / "truth.json"), run + "/detections.json", "0.5", "validation")
    found = compare(read_runs([run], Asked()))
    data = page_data(found, "today", "1")["runs"][0]
    assert data["scored"] == metrics["detections"] == 82 and data["for_nothing"] == 2
    head, rows = summary_rows(found)
    assert dict(zip(head, rows[0]))["detections"] == 82


def test_no_name_ends_the_script(tmp_path, rng):
    _, data = made(tmp_path, rng, labels=HOSTILE, ids=HOSTILE, recordings=len(HOSTILE))
    path = str(tmp_path / "page.html")
    write_page(path, data)
    with open(path, encoding="utf-8", newline="") as stream:
        text = stream.read()
    assert text.count("<script") == text.count("</script>") == 2
    assert "<img" not in text and "\u2028" not in text
    held = re.search('<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL).group(1)
    assert set(json.loads(held)["labels"]) <= set(HOSTILE) and json.loads(held)["ids"] == list(HOSTILE)
    assert held.count("@@data@@") == text.count("@@data@@")


def test_the_page_asks_nobody(tmp_path, rng):
    path = str(tmp_path / "page.html")
    write_page(path, made(tmp_path, rng)[1])
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    assert "default-src 'none'" in text
    addresses = set(re.findall(r"\w+://[^\s\"')]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}, "the name of a namespace is no address that is asked"


def test_a_diagnosis_is_drawn_whatever_it_holds(tmp_path, rng):
    found = compare(read_runs([write_run(tmp_path / "run", *make_data(rng))], Asked()))
    gain = {"confusion": float("inf"), "localization": 0.25}
    for held in ({}, {"per_class": 3, "notes": 4, "characteristics": []},
                 {"average_mAP_N": float("nan"), "per_class": {"nod": {"gain": gain}, "wave": 1}, "curves": {}}):
        found.results[0] = found.results[0]._replace(diagnosis=held)
        drawn = page_data(found, "today", "1")["runs"][0]["diagnosis"]
        safe_json(drawn)
        assert drawn["average_mAP_N"] is None and "curves" not in drawn and len(drawn["classes"]) == 2
    assert drawn["classes"] == [{"AP_N": None, "gain": {"confusion": None, "localization": 0.25}}, None]


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(ValueError):
        safe_json({"x": float("nan")})
