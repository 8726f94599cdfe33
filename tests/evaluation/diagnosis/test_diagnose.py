"""The diagnosis against a literal version of DETAD's definitions, and by hand."""

import json
import os
from collections import Counter

import numpy as np
import pytest

from tad.errors import UserError
from tad.evaluation.diagnosis.diagnose import diagnose
from tad.evaluation.diagnosis.errors import TYPES
from tad.evaluation.scoring import open_scoring
from tests.evaluation import slow
from tests.helpers import write_json

THRESHOLDS = (0.3, 0.6)


def make(tmp_path, annotated, found, durations=None, rules=None):
    database = {name: {"subset": "test", "annotations": [{"segment": each, "label": label} for each, label in rows]}
                for name, rows in annotated.items()}
    for name, duration in (durations or {}).items():
        database[name]["duration"] = duration
    results = {name: [{"segment": list(segment), "label": label, "score": score} for segment, label, score in rows]
               for name, rows in found.items()}
    paths = write_json(tmp_path / "truth.json", {"database": database}), write_json(tmp_path / "found.json",
                                                                                   {"results": results})
    return open_scoring(*paths) if rules is None else open_scoring(*paths, rules=rules)


def random_case(tmp_path, rng, detections=120):
    def segment():
        start, length = rng.uniform(0, 50), rng.uniform(0.5, 12)
        return start, start + length

    annotated = {name: [(segment(), "xyz"[rng.randint(3)]) for _ in range(9)] for name in "abcd"}
    rows = [row for name in "abcd" for row in annotated[name]]
    assert {label for _, label in rows} == set("xyz")
    found = {name: [] for name in "abcd"}
    for score in rng.permutation(detections):
        name = "abcd"[rng.randint(4)]
        near, _ = annotated[name][rng.randint(9)]
        guess = segment() if rng.uniform() < 0.3 else (near[0] + rng.normal(0, 1), near[1] + rng.normal(0, 1))
        if guess[1] > guess[0]:
            found[name].append((guess, "xyz"[rng.randint(3)], float(score)))
    return make(tmp_path, annotated, found, dict.fromkeys("abcd", 80.0))


class Slow:
    """One threshold of one scoring, detection after detection."""

    def __init__(self, scoring, threshold, limit=None):
        truth, found = scoring.truth, scoring.found
        self.truth, self.classes = truth, len(scoring.labels)
        self.instances = Counter(truth.labels.tolist())
        self.weight = len(truth.labels) / float(len(self.instances))
        self.ranked = {label: sorted(np.flatnonzero(found.labels == label).tolist(), key=lambda i: -found.scores[i])
                       for label in range(self.classes)}
        if limit:
            self.ranked = {label: rows[:limit * self.instances[label]] for label, rows in self.ranked.items()}
        self.found, self.taken = found, {}
        for label, rows in self.ranked.items():
            mine = np.flatnonzero(truth.labels == label)
            for place, taken in slow.greedy(truth.take(mine), found.take(rows), threshold).items():
                self.taken[rows[place]] = None if taken is None else int(mine[taken])
        self.type = {row: self._type(row, threshold) for row in self.taken}

    def _type(self, row, threshold):
        if self.taken[row] is not None:
            return "true positive"
        overlaps = [(slow.tiou(self.found.segments[row], self.truth.segments[place]), place)
                    for place in np.flatnonzero(self.truth.recordings == self.found.recordings[row])]
        best, place = max(overlaps)
        same = self.truth.labels[place] == self.found.labels[row]
        if best >= threshold:
            return "double detection" if same else "wrong label"
        if best >= 0.1:
            return "localization" if same else "confusion"
        return "background"

    def mean_ap(self, without=None, member=None):
        values = []
        for label, rows in self.ranked.items():
            number = sum(1 for place in range(len(self.truth.labels)) if self.truth.labels[place] == label
                         and (member is None or member[place]))
            kept = [row for row in rows if self.type[row] != without
                    and (member is None or self.taken[row] is None or member[self.taken[row]])]
            if number:
                hits = [self.taken[row] is not None for row in kept]
                values.append(slow.average_precision(hits, number, self.weight))
        return np.mean(values)

    def found_instances(self):
        """Those found where normalized precision is above 5 %."""
        result = set()
        for label, rows in self.ranked.items():
            right = 0
            for rank, row in enumerate(rows):
                if self.taken[row] is not None:
                    right += 1
                    scaled = right / float(self.instances[label]) * self.weight
                    if scaled / (scaled + rank + 1 - right) > 0.05:
                        result.add(self.taken[row])
        return result


def test_equals_the_definitions(tmp_path, rng):
    scoring = random_case(tmp_path, rng)
    diagnosis = diagnose(scoring, THRESHOLDS, style="thumos14")
    everything, best = ([Slow(scoring, threshold, limit) for threshold in THRESHOLDS] for limit in (None, 10))
    assert diagnosis["average_mAP_N"] == pytest.approx(np.mean([each.mean_ap() for each in everything]))
    assert list(diagnosis["mAP_N"]) == ["0.3", "0.6"]
    errors = diagnosis["false_positives"]
    assert errors["average_mAP_N"] == pytest.approx(np.mean([each.mean_ap() for each in best]))
    for name in TYPES[1:]:
        expected = np.mean([each.mean_ap(without=name) - each.mean_ap() for each in best])
        assert errors["gain"][name] == pytest.approx(expected, abs=1e-12)
    for multiple, entry in enumerate(errors["profile"]):
        rows = [row for label, ranked in best[0].ranked.items()
                for row in ranked[multiple * best[0].instances[label]:(multiple + 1) * best[0].instances[label]]]
        assert entry["detections"] == len(rows)
        for name in TYPES:
            part = np.mean([[each.type[row] == name for row in rows] for each in best]) if rows else 0
            assert entry["share"][name] == pytest.approx(part)
    missed = 1 - np.mean([[place in each.found_instances() for place in range(36)] for each in everything], axis=0)
    lengths = scoring.truth.segments[:, 1] - scoring.truth.segments[:, 0]
    for bucket in diagnosis["characteristics"]["length"]["buckets"]:
        member = (lengths > bucket["above"]) & (lengths <= (bucket["up_to"] or np.inf))
        assert bucket["instances"] == member.sum()
        if member.any():
            assert bucket["false_negatives"] == pytest.approx(missed[member].mean())
            expected = np.mean([each.mean_ap(member=member) for each in everything])
            assert bucket["average_mAP_N"] == pytest.approx(expected)
        else:
            assert bucket["average_mAP_N"] is bucket["false_negatives"] is None
    for place, label in enumerate("xyz"):
        mine = diagnosis["per_class"][label]
        assert mine["false_negatives"] == pytest.approx(missed[scoring.truth.labels == place].mean())
        mistaken = sum(each.type[row] in ("wrong label", "confusion") for each in best for row in each.ranked[place])
        assert sum(mine["confused_with"].values()) == pytest.approx(mistaken / 2.0)


def test_every_type_by_hand(tmp_path):
    annotated = {"a": [((0, 10), "x"), ((20, 30), "y")], "b": [((0, 10), "x")]}
    found = {"a": [((0, 10), "x", .9), ((0, 9), "x", .8), ((21, 30), "x", .7), ((0, 3), "x", .6), ((28, 40), "x", .5),
                   ((50, 60), "x", .4)]}
    errors = diagnose(make(tmp_path, annotated, found), (0.5,))["per_class"]["x"]
    assert errors["errors"] == dict.fromkeys(TYPES, pytest.approx(1 / 6.0))
    assert errors["confused_with"] == {"y": 2.0} and errors["false_negatives"] == 0.5


def test_an_instance_of_the_own_label_counts_among_equals(tmp_path):
    """THUMOS14 annotates every CliffDiving as Diving too: a second Diving there is double, not of a wrong label."""
    annotated = {"a": [((0, 10), "CliffDiving"), ((0, 10), "Diving")]}
    found = {"a": [((0, 10), "Diving", .9), ((0, 10), "Diving", .8)]}
    errors = diagnose(make(tmp_path, annotated, found), (0.5,))["per_class"]["Diving"]["errors"]
    assert errors["double detection"] == 0.5


def test_the_end_of_the_diagnosis(tmp_path, rng):
    """No detections at all; perfect ones; instances that DETAD leaves out; durations that nobody knows."""
    annotated = {"a": [((0, 10), "x"), ((20, 30), "x"), ((5, 5), "x"), ((0, 99), "z")], "b": [((1, 4), "y")]}
    perfect = {name: [(segment, label, rng.uniform()) for segment, label in rows] for name, rows in annotated.items()}
    nothing = diagnose(make(tmp_path, annotated, {}, {"a": 50.0}), (0.5,))
    assert nothing["average_mAP_N"] == 0 and nothing["excluded"] == 2 and nothing["classes"] == 2
    assert nothing["per_class"]["z"]["AP_N"] is None and nothing["per_class"]["x"]["false_negatives"] == 1
    assert nothing["false_positives"]["profile"][0]["detections"] == 0
    best = diagnose(make(tmp_path, annotated, perfect, {"a": 50.0}), (0.5, 1.0))
    assert best["average_mAP_N"] > 0.5 and best["per_class"]["y"]["AP_N"] == 1
    assert best["curves"]["precision"]["y"] == {"0.5": [1.0] * 101, "1": [1.0] * 101}
    for each in (nothing, best):
        json.dumps(each, allow_nan=False)
    unknown = diagnose(make(tmp_path, annotated, perfect), (0.5,))
    assert "coverage" not in unknown["characteristics"] and "no coverage" in unknown["notes"][0]
    with pytest.raises(UserError, match="no instance can be diagnosed"):
        diagnose(make(tmp_path, {"a": [((5, 5), "x")]}, {}), (0.5,))


def test_thumos14_in_a_blink(shared_data):
    """The made-up detections of the reference: true positives get rarer from multiple to multiple."""
    scoring = open_scoring(os.path.join(shared_data, "thumos14", "thumos_gt.json"),
                           os.path.join(shared_data, "eval_reference", "thumos14_detections.json"), "test")
    path = os.path.join(shared_data, "thumos14", "thumos14_test_extra_characteristics.json")
    diagnosis = diagnose(scoring, (0.5,), path)
    assert {name: each["source"] for name, each in diagnosis["characteristics"].items()} == {
        "coverage": "file", "length": "file", "num-instances": "file"}
    right = [entry["share"]["true positive"] for entry in diagnosis["false_positives"]["profile"]]
    assert right[0] > right[1] > right[2] and diagnosis["instances"] == 3311 and diagnosis["notes"] == []
    for characteristic in diagnosis["characteristics"].values():
        assert sum(bucket["instances"] for bucket in characteristic["buckets"]) == 3311
