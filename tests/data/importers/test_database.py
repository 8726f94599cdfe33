"""From actions to the annotation file: units, durations, subsets, splits, and what is said of them."""

import os
from collections import Counter

import numpy as np
import pytest

from tad.data.annotations import read_annotations
from tad.data.importers.database import Wishes, make_database, read_recordings, summary
from tad.data.importers.labels import read_labels
from tad.data.importers.reading import About, Reading, Row
from tad.data.importers.subsets import TRAINING, VALIDATION, listed_ids, split
from tad.errors import UserError
from tests.helpers import call, read_json, write_json


def write(path, text):
    with open(str(path), "w") as stream:
        stream.write(text)
    return str(path)


def reading(rows, about=None):
    return Reading("made up", [Row(*row, place="f, line %d" % index) for index, row in enumerate(rows)], about or {},
                   [], [])


def entries(read, **wishes):
    return make_database(read, Wishes(**wishes)).document["database"]


def test_units_become_seconds():
    read = reading([("a", 50, 100, "frames", "x"), ("a", 500, 1500, "milliseconds", "x"), ("b", 30, 60, "frames", "x")],
                   {"b": About(fps=30)})
    database = entries(read, fps=25, subset="s")
    assert [action["segment"] for action in database["a"]["annotations"]] == [[0.5, 1.5], [2, 4]]
    assert database["b"]["annotations"][0]["segment"] == [1, 2], "a recording's own rate comes first"
    assert (database["a"]["fps"], database["b"]["fps"]) == (25, 30)
    assert "fps" not in entries(read, fps=25, subset="s", keep_fps=False)["a"]
    with pytest.raises(UserError, match="f, line 0: the times count frames.*'a' is not known; give --fps"):
        entries(read, subset="s")
    known = reading([("a", 50, 100, "frames", "x")], {"a": About(duration_s=40, frames=1000)})
    assert entries(known, subset="s")["a"]["annotations"][0]["segment"] == [2, 4]


def test_durations_from_a_table_frames_or_features(tmp_path):
    path = write(tmp_path / "d.csv", "video;seconds;split;numFrame\na.mp4;12,5;train;\nb;;;250\nz;9;train;\n")
    read = reading([("a", 1, 2, "seconds", "x"), ("b", 1, 2, "seconds", "x"), ("c", 1, 2, "seconds", "x")])
    made = make_database(read, Wishes(recordings=path, fps=25, subset="rest", lengths={"c": 7.25}))
    database = made.document["database"]
    assert [database[name].get("duration") for name in "abc"] == [12.5, 10, 7.25]
    assert [database[name]["subset"] for name in "abc"] == ["train", "rest", "rest"] and "z" not in database
    assert any("1 recording without annotations left out: z" in line for line in made.said)
    both = entries(read, recordings=path, fps=25, subset="rest", background_recordings=True)
    assert both["z"] == {"subset": "train", "duration": 9, "fps": 25, "annotations": []}
    assert read_recordings(write_json(tmp_path / "d.json", {"a": "3.5"})) == {"a": About(duration_s=3.5)}
    for text, words in (("video,seconds\na,0\n", "line 2: 0 is not above 0"), ("a,b\n1,2\n", "needs a column named"),
                        ("video,seconds\na,long\n", "line 2: 'long' is not a time")):
        with pytest.raises(UserError, match="d.csv.*" + words):
            read_recordings(write(tmp_path / "d.csv", text))


def test_subsets_come_from_files_then_annotations_then_a_name(tmp_path):
    rows = [(name, 1, 2, "seconds", "x") for name in "abcd"]
    ids = write(tmp_path / "test.txt", "b\n# a comment\n\nd, 17\nunknown\n")
    made = make_database(reading(rows, {"c": About(subset="own")}),
                         Wishes(subset_files=(("test", ids),), subset="rest"))
    assert {name: entry["subset"] for name, entry in made.document["database"].items()} == {
        "a": "rest", "b": "test", "c": "own", "d": "test"}
    assert "1 recording without annotations, left out: unknown" in made.said[0]
    with pytest.raises(UserError, match="2 recordings are in no subset: a, c; --subset NAME"):
        entries(reading(rows), subset_files=(("test", ids),))
    with pytest.raises(UserError, match="--split is for annotations without subsets, and 1 of the 4"):
        entries(reading(rows, {"c": About(subset="own")}), split=0.5)
    with pytest.raises(UserError, match="holds no id"):
        listed_ids(write(tmp_path / "empty.txt", "# nothing\n"))
    with pytest.raises(UserError, match="cannot read the ids"):
        listed_ids(str(tmp_path / "gone.txt"))


def test_without_any_subset_a_part_is_held_out_and_it_is_said():
    made = make_database(reading([(name, 1, 2, "seconds", "x") for name in "abcdefghij"]), Wishes())
    assert Counter(entry["subset"] for entry in made.document["database"].values()) == {TRAINING: 8, VALIDATION: 2}
    assert "no subsets were given" in made.said[0] and "--split 0.2 --seed 0" in made.said[0]
    one = make_database(reading([("a", 1, 2, "seconds", "x")]), Wishes())
    assert one.document["database"]["a"]["subset"] == TRAINING and "only recording" in one.said[0]


def test_a_split_is_even_repeatable_and_blind_to_order(rng):
    names = ["r%02d" % index for index in range(30)]
    labels = {name: list("ab") * rng.randint(1, 4) + (["rare"] if name in names[4:7] else []) for name in names}
    first = split(labels, 0.2, 3)
    assert first == split({name: labels[name] for name in reversed(names)}, 0.2, 3)
    assert Counter(first.values()) == {TRAINING: 24, VALIDATION: 6}
    assert any(split(labels, 0.2, seed) != first for seed in range(4, 8))
    for seed in range(5):
        shown = {first_subset for name, first_subset in split(labels, 0.2, seed).items() if "rare" in labels[name]}
        assert shown == {TRAINING, VALIDATION}, "three recordings of a rare class are enough for both subsets"


@pytest.mark.parametrize("count, fraction, held_out", [(2, 0.01, 1), (2, 0.99, 1), (3, 0.9, 2), (40, 0.25, 10)])
def test_both_sides_of_a_split_hold_something(count, fraction, held_out):
    found = split({"r%d" % index: [] for index in range(count)}, fraction, 0)
    assert Counter(found.values())[VALIDATION] == held_out
    with pytest.raises(UserError, match="one recording cannot be split"):
        split({"r": ["x"]}, fraction, 0)


def test_the_summary_tells_everything_shortly():
    read = reading([("r%d" % index, 5, 6, "seconds", "l%d" % (index % 20)) for index in range(2000)])
    read.left_out.extend(("odd ones", "f, line %d" % index) for index in range(3000))
    made = make_database(read, Wishes(lengths={"r0": 3.0}))
    lines = summary(made, read)
    assert lines[0] == "2000 recordings, 2000 actions, 20 labels"
    assert any("left out: 3000 odd ones: f, line 0, f, line 1, f, line 2 and 2997 more" == line for line in lines)
    assert any("begin after its duration (r0)" in line and "--unit" in line for line in lines)
    assert max(map(len, lines)) < 400


def test_ids_that_look_alike_are_told(rng):
    """A random split may put one of them into each subset."""
    read = reading([(name, 1, 2, "seconds", "x") for name in rng.permutation(["b", "Clip 1", "clip 1", "c"])])
    lines = summary(make_database(read, Wishes()), read)
    assert [line for line in lines if "one recording?" in line] == [
        "ids that differ only in case, ending or Unicode form: 'Clip 1' and 'clip 1'; are they one recording?"]
    alone = reading([("b", 1, 2, "seconds", "x")])
    assert not any("one recording?" in line for line in summary(make_database(alone, Wishes()), alone))


def test_labels(tmp_path):
    names = {"0": "a", "1": "b c"}
    assert read_labels(write(tmp_path / "1", "0,a\n1,b c\n")) == names
    assert read_labels(write(tmp_path / "2", "a\nb c\n")) == names
    for value in (["a", "b c"], names, {"a": 0, "b c": 1}):
        assert read_labels(write_json(tmp_path / "3", value)) == names
    with pytest.raises(UserError, match="number,name"):
        read_labels(write(tmp_path / "4", "0,a\n0,b\n"))


def test_what_is_written_is_what_the_package_reads(tmp_path, shared_data):
    path = os.path.join(shared_data, "thumos14", "thumos_gt.json")
    output = str(tmp_path / "out.json")
    assert call(["data", "import", path, "--output", output]) == 0
    original, written = read_annotations(path), read_annotations(output)
    assert set(original) == set(written)
    for name, recording in original.items():
        order = np.lexsort((recording.segments_s[:, 1], recording.segments_s[:, 0]))
        np.testing.assert_allclose(written[name].segments_s, recording.segments_s[order], atol=1e-6)
        assert sorted(written[name].labels) == sorted(recording.labels)


def test_mocap_frames_give_the_shipped_actions(tmp_path, shared_data):
    path, output = os.path.join(shared_data, "mocap6", "actions_per_tstep.csv"), str(tmp_path / "out.json")
    assert call(["data", "import", path, "--output", output, "--yes", "--fps", 10, "--split", 0.2]) == 0
    shipped = read_annotations(os.path.join(os.path.dirname(os.path.abspath(read_annotations.__code__.co_filename)),
                                            "shipped", "mocap6", "annotations.json"))
    found = sorted(sorted(zip(recording.labels, recording.segments_s.round(6).tolist()))
                   for recording in read_annotations(output).values())
    assert found == sorted(sorted(zip(recording.labels, recording.segments_s.round(6).tolist()))
                           for recording in shipped.values())


@pytest.mark.parametrize("arguments, words", [
    ([], "give annotation files"), (["gone.csv"], "there is no gone.csv"),
    (["a.csv", "--split", "2"], "between 0 and 1"),
    (["a.csv", "--columns", "recording"], "NAME=VALUE"), (["a.csv", "--fps", "0"], "above 0"),
    (["a.csv", "--durations", "gone.csv"], "gone.csv"), (["a.csv", "--labels", "gone"], "gone"),
    (["a.csv", "--features", "gone"], "gone"), (["a.csv", "--format", "elan"], "a.csv is not well-formed XML"),
    (["a.csv", "--unit", "frames"], "--fps"), (["a.csv", "--delimiter", "::"], "one character")])
def test_mistakes_on_the_command_line(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(str(tmp_path))
    write("a.csv", "recording,start,end,label\nr,1,2,x\nq,1,2,x\n")
    assert call(["data", "import", "--output", "o.json"] + arguments) == 2
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error and error.count("\n") == 1
    assert os.listdir(".") == ["a.csv"]


def test_an_existing_output_survives_a_failed_import(tmp_path):
    output = write_json(tmp_path / "o.json", {"old": 1})
    bad = write(tmp_path / "a.csv", "recording,start,end,label\nr,1,x,x\n")
    assert call(["data", "import", bad, "--output", output, "--force"]) == 2
    assert read_json(output) == {"old": 1}
