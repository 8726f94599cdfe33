"""``tad data check``: every kind of problem is found by name, good data pass, and too much missing data fails."""

import json
import os

import numpy as np
import pytest

from tad.data.check.findings import TITLES
from tad.data.check.names import counterparts, plain, similar
from tests.helpers import call, change_json, read_json, write_data, write_json

GRID = ["--fps", 25, "--stride", 16, "--window", 16]


def check(folder, *arguments):
    return ["data", "check", "--annotations", os.path.join(str(folder), "annotations.json"), "--features",
            os.path.join(str(folder), "features")] + GRID + list(arguments)


def report(folder, capsys, *arguments):
    capsys.readouterr()
    code = call(check(folder, "--json", *arguments))
    return code, json.loads(capsys.readouterr().out)


def kinds(found):
    return {(one["kind"], one["recording"]) for one in found["findings"]}


def save(folder, name, array):
    np.save(os.path.join(str(folder), "features", name + ".npy"), array)


def edit(folder, change):
    change_json(os.path.join(str(folder), "annotations.json"), lambda document: change(document["database"]))


def add(name, start, end, label="nod"):
    return lambda folder: edit(folder, lambda d: d[name]["annotations"].append(
        {"segment": [start, end], "label": label}))


def many(folder, rng, **changes):
    """Forty recordings, so that one bad one is a small part of its subset."""
    return write_data(folder, rng, recordings=[int(value) for value in rng.randint(40, 60, 40)], tested=12, **changes)


def move(folder, old, new):
    os.rename(os.path.join(str(folder), "features", old), os.path.join(str(folder), "features", new))


PROBLEMS = [
    ("missing", "rec_1", lambda folder: os.unlink(os.path.join(str(folder), "features", "rec_1.npy"))),
    ("unreadable", "rec_1", lambda folder: open(os.path.join(str(folder), "features", "rec_1.npy"), "w").close()),
    ("shape", "rec_1", lambda folder: save(folder, "rec_1", np.zeros(45))),
    ("shape", "rec_1", lambda folder: save(folder, "rec_1", np.zeros((0, 5)))),
    ("not finite", "rec_1", lambda folder: save(folder, "rec_1", np.full((45, 5), np.inf))),
    ("width", "rec_39", lambda folder: save(folder, "rec_39", np.zeros((45, 6)))),
    ("length", "rec_1", lambda folder: edit(folder, lambda d: d["rec_1"].update(duration=500.0))),
    ("zero length", "rec_1", add("rec_1", 3, 3)),
    ("reversed", "rec_39", add("rec_39", 5, 3)),
    ("outside", "rec_1", add("rec_1", 900, 901)),
    ("past the end", "rec_1", add("rec_1", 20, 60)),
    ("duplicate", "rec_1", lambda folder: [add("rec_1", 0.5, 0.7)(folder) for _ in range(2)]),
    ("overlap", "rec_1", lambda folder: [add("rec_1", 0.5, edge)(folder) for edge in (0.7, 0.9)]),
    ("unknown label", "", add("rec_39", 1, 2, "zap")),
    ("absent class", "", add("rec_1", 1, 2, "zap")),
    ("background", "rec_1", lambda folder: edit(folder, lambda d: d["rec_1"].update(annotations=[]))),
    ("similar ids", "rec_1", lambda folder: move(folder, "rec_1.npy", "REC_1.npy")),
    ("similar ids", "rec_1", lambda folder: move(folder, "rec_1.npy", "rec_1.mp4.npy")),
    ("unused features", "", lambda folder: save(folder, "stranger", np.zeros((9, 5)))),
]


@pytest.mark.parametrize("kind, recording, spoil", PROBLEMS)
def test_each_problem_is_found_by_name(tmp_path, rng, capsys, kind, recording, spoil):
    many(tmp_path, rng)
    edit(tmp_path, lambda d: [d.pop("rec_0")])
    os.unlink(str(tmp_path / "features" / "rec_0.npy"))
    code, before = report(tmp_path, capsys)
    assert code == 0 and before["findings"] == [] and before["passed"], "good data"
    spoil(tmp_path)
    code, after = report(tmp_path, capsys)
    assert (kind, recording) in kinds(after) and code == 0
    assert len(after["findings"]) <= 3, "one mistake does not fill the list"
    assert call(check(tmp_path)) == 0
    text = capsys.readouterr().out
    assert TITLES[kind] in text and recording in text
    assert call(check(tmp_path, "--strict")) == 1


def test_counts_are_of_what_is_expected_found_and_used(tmp_path, rng, capsys):
    many(tmp_path, rng)
    os.unlink(str(tmp_path / "features" / "rec_1.npy"))
    save(tmp_path, "rec_2", np.full((45, 5), np.nan))
    save(tmp_path, "rec_3", np.zeros((45, 9)))
    code, found = report(tmp_path, capsys, "--threshold", 0.2)
    training = found["subsets"]["training"]
    assert code == 0 and (training["expected"], training["found"], training["used"]) == (28, 26, 25)
    assert training["left_out"] == ["rec_1", "rec_2", "rec_3"] and found["width"] == 5
    assert found["subsets"]["validation"]["left_out"] == []


@pytest.mark.parametrize("missing, threshold, code", [(2, None, 0), (3, None, 1), (3, 0.11, 0), (1, 0, 1), (0, 0, 0)])
def test_the_threshold(tmp_path, rng, capsys, missing, threshold, code):
    """28 training recordings: 2 are 7%, 3 are 11%."""
    many(tmp_path, rng)
    for index in range(missing):
        os.unlink(str(tmp_path / "features" / ("rec_%d.npy" % index)))
    arguments = [] if threshold is None else ["--threshold", threshold]
    assert report(tmp_path, capsys, *arguments)[0] == code
    assert call(check(tmp_path, *arguments)) == code
    out = capsys.readouterr().out
    assert ("FAILED: more than" in out) == (code == 1)
    if missing:
        assert "left out of 'training': %d of 28 recordings" % missing in out and "rec_0" in out
    assert call(check(tmp_path, "--allow-missing", *arguments)) == 0
    assert ("rec_0" in capsys.readouterr().out) == (missing > 0)


def test_the_stride_that_would_fit_is_told(tmp_path, rng, capsys):
    config = many(tmp_path, rng)
    edit(tmp_path, lambda d: d["rec_1"].update(
        duration=(8 + 17.5 * (np.load(str(tmp_path / "features" / "rec_1.npy")).shape[0] - 0.5)) / 25.0 + 0.001))
    code, found = report(tmp_path, capsys)
    text = [one["text"] for one in found["findings"] if one["kind"] == "length"]
    assert code == 0 and len(text) == 1 and "stride 17.5 would fit" in text[0] and "before it" in text[0]
    assert call(["data", "check", "--config", config]) == 0
    assert "stride 17.5 would fit" in capsys.readouterr().out


def test_what_no_training_gets_past_fails_even_when_missing_is_allowed(tmp_path, rng, capsys):
    many(tmp_path, rng)
    edit(tmp_path, lambda d: [entry.update(fps=0.5) for entry in d.values()])
    code, found = report(tmp_path, capsys, "--allow-missing")
    assert code == 1 and "cover another time than every recording lasts" in found["findings"][0]["text"]


def test_thousands_of_problems_stay_readable(tmp_path, rng, capsys):
    many(tmp_path, rng)
    edit(tmp_path, lambda d: d.update({"lost_%d" % index: {"subset": "training", "duration": 9, "annotations": [
        {"segment": [2, 1], "label": "nod"}]} for index in range(3000)}))
    assert call(check(tmp_path)) == 1
    out = capsys.readouterr().out
    assert out.count("\n") < 40 and max(map(len, out.splitlines())) < 300 and "and 2995 more (--json lists all)" in out
    code, found = report(tmp_path, capsys)
    assert code == 1 and len(found["subsets"]["training"]["left_out"]) == 3000
    assert sum(one["kind"] == "reversed" for one in found["findings"]) == 3000


def test_annotations_alone(tmp_path, rng, capsys):
    write_data(tmp_path, rng)
    add("rec_1", 5, 3)(tmp_path)
    assert call(["data", "check", "--annotations", tmp_path / "annotations.json"]) == 0
    out = capsys.readouterr().out
    assert "reversed" in out and "--features looks at features too" in out


def test_the_recipe_gives_the_rate_and_contradictions_are_told(tmp_path, rng, capsys):
    many(tmp_path, rng)
    recipe = {"version": 1, "fps": 25, "stride": 16, "window": 16}
    write_json(tmp_path / "features" / "recipe.json", recipe)
    paths = check(tmp_path)[:6]
    assert call(paths) == 0
    assert "cover" not in capsys.readouterr().out
    code, found = report(tmp_path, capsys, "--stride", 8)
    assert ("recipe", "") in kinds(found)


@pytest.mark.parametrize("arguments, words", [
    ([], "--config FILE, or --annotations"), (["--annotations", "gone.json"], "gone.json"),
    (["--config", "gone.yaml"], "gone.yaml"), (["--annotations", "annotations.json", "--features", "gone"], "gone"),
    (["--annotations", "annotations.json", "--subset", "x"], "no recording in subset 'x'"),
    (["--annotations", "annotations.json", "--threshold", "2"], "max_missing"),
    (["--annotations", "annotations.json", "--config", "my.yaml"], "either")])
def test_mistakes_on_the_command_line(tmp_path, rng, monkeypatch, capsys, arguments, words):
    write_data(tmp_path, rng)
    monkeypatch.chdir(str(tmp_path))
    assert call(["data", "check"] + arguments) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_names():
    assert plain("Rec_1.MP4 ") == plain("rec_1") and plain("e\u0301") == plain("\u00e9")
    assert plain("v1.2") != plain("v1")
    assert similar(["a", "A", "b", "c.npy", "c"]) == [["A", "a"], ["c", "c.npy"]]
    assert counterparts(["X", "y", "z"], ["x", "y"]) == {"X": "x"}


def test_real_data_pass(shared_data, capsys):
    for arguments in (["--config", "mocap6"], ["--annotations", os.path.join(shared_data, "hapt", "annotations.json"),
                                               "--features", os.path.join(shared_data, "hapt", "signals.npz")]):
        assert call(["data", "check"] + arguments) == 0
        assert "passed" in capsys.readouterr().out
    path = os.path.join(shared_data, "activitynet", "anet_anno_action.json")
    assert read_json(path)["v_H-yBxySDyTw"]["annotations"][0]["segment"] == [0, 0], "the dozen of zero length"
