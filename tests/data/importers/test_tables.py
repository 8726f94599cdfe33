"""CSV and TSV: columns, delimiters, decimal commas, units, clocks, frames; nothing is guessed without a word."""

import json

import pytest

from tad.data.importers.delimited import guess_delimiter, read_table
from tad.data.importers.reading import InputFile, Options, recording_name
from tad.data.importers.registry import read_inputs
from tad.data.importers.times import parse_time
from tad.errors import UserError
from tests.helpers import call, read_json


def agree(sentence):
    agree.heard = sentence


def refuse(sentence):
    raise UserError("not agreed: " + sentence)


def write(path, text, encoding="utf-8"):
    with open(str(path), "w", encoding=encoding, newline="") as stream:
        stream.write(text)
    return str(path)


def rows(path, confirm=agree, word=None, **options):
    return [(row.recording, row.start, row.end, row.unit, row.label)
            for row in read_inputs([path], Options(confirm, **options), word).rows]


def test_the_plain_header_needs_no_confirmation(tmp_path, rng):
    start = round(float(rng.uniform(0, 9)), 3)
    path = write(tmp_path / "a.csv", "recording,start,end,label\nr1,%g,9.5,wave\nr2,1,2,\"nod, slowly\"\n" % start)
    assert rows(path, refuse) == [("r1", start, 9.5, "seconds", "wave"), ("r2", 1, 2, "seconds", "nod, slowly")]


@pytest.mark.parametrize("header, unit", [
    ("video,begin,stop,action", "seconds"), ("Video ID,t-start,t-end,class", "seconds"),
    ("file;onset;offset;behaviour", "seconds"), ("filename\tstartFrame\tendFrame\tcategory", "frames"),
    ("vid|start_ms|end_ms|event", "milliseconds"), ("clip,Start (s),Stop (s),Label", "seconds"),
    ("id,from,to,activity", "seconds")])
def test_usual_names_are_guessed_and_must_be_confirmed(tmp_path, header, unit):
    delimiter = next(one for one in "\t;|," if one in header)
    path = write(tmp_path / "a.txt", header + "\n" + delimiter.join(["r1.mp4", "3", "7", "wave"]) + "\n")
    assert rows(path) == [("r1", 3, 7, unit, "wave")]
    assert "recording=%s" % header.split(delimiter)[0] in agree.heard and unit in agree.heard
    with pytest.raises(UserError, match="not agreed"):
        rows(path, refuse)


def test_told_columns_by_name_or_number_need_no_confirmation(tmp_path):
    path = write(tmp_path / "a.csv", "what,q,w,e\nwave,1,2,r1\n")
    told = {"recording": "e", "start": "q", "end": "3", "label": "what"}
    assert rows(path, refuse, columns=told) == [("r1", 1, 2, "seconds", "wave")]
    with pytest.raises(UserError, match="no column 'x'.*what, q, w, e"):
        rows(path, columns=dict(told, start="x"))
    with pytest.raises(UserError, match="knows recording, .*not 'begin'"):
        rows(path, columns=dict(told, begin="q"))
    with pytest.raises(UserError, match="a.csv: found no column for start, end, label among: what, q"):
        rows(path)


def test_columns_are_guessed_beside_told_ones(tmp_path):
    """Who names only the columns that were not found must not get all rows as one recording."""
    told = {"start": "Beginn", "end": "Ende", "label": "Aktion"}
    path = write(tmp_path / "a.csv", "Video,Beginn,Ende,Aktion\nr1,1,2,wave\nr2,3,4,nod\n")
    assert [row[0] for row in rows(path, columns=told)] == ["r1", "r2"] and "recording=Video" in agree.heard
    with pytest.raises(UserError, match="not agreed"):
        rows(path, refuse, columns=told)
    plain = write(tmp_path / "b.csv", "recording,Beginn,Ende,Aktion\nr1,1,2,wave\n")
    assert [row[0] for row in rows(plain, refuse, columns=told)] == ["r1"]
    alone = write(tmp_path / "rec_7.csv", "Beginn,Ende,Aktion\n1,2,wave\n")
    assert [row[0] for row in rows(alone, refuse, columns=told)] == ["rec_7"]
    counted = write(tmp_path / "rec_8.csv", "id,Beginn,Ende,Aktion\n1,1,2,wave\n2,3,4,nod\n")
    assert [row[0] for row in rows(counted, refuse, columns=told)] == ["rec_8", "rec_8"]
    assert [row[0] for row in rows(path, refuse, columns=dict(told, label="Video"))] == ["a", "a"]
    person = write(tmp_path / "c.csv", "Person,onset,offset,behavior\nr1,1,2,wave\n")
    assert rows(person, columns={"recording": "Person"}) == [("r1", 1, 2, "seconds", "wave")]
    assert "start=onset, end=offset, label=behavior" in agree.heard
    lasting = write(tmp_path / "d.csv", "recording,start,stop,lasts,label\nr1,1,9,2,wave\n")
    assert rows(lasting, refuse, columns={"length": "lasts"}) == [("r1", 1, 3, "seconds", "wave")]


def test_rows_without_a_header(tmp_path):
    path = write(tmp_path / "a.csv", "r1,0.5,2,wave\nr2,3,4,nod\n")
    assert [row[0] for row in rows(path)] == ["r1", "r2"]
    one = write(tmp_path / "rec_7.csv", "0.5,2,wave\n")
    assert rows(one) == [("rec_7", 0.5, 2, "seconds", "wave")] and "named like the file" in agree.heard


def test_decimal_commas_are_recognised_and_never_mixed(tmp_path):
    path = write(tmp_path / "a.csv", "recording;start;end;label\nr1;0,5;12,25;wave\n")
    assert rows(path, refuse) == [("r1", 0.5, 12.25, "seconds", "wave")]
    said = read_inputs([path], Options(refuse)).said[0]
    assert "semicolon" in said and "decimal comma" in said
    path = write(tmp_path / "b.csv", "recording;start;end;label\nr1;0,5;12,25;wave\nr1;13.5;14;nod\n")
    with pytest.raises(UserError, match="b.csv has a decimal comma in line 2 and a decimal point in line 3"):
        rows(path)


@pytest.mark.parametrize("text, seconds", [("1:02:03.5", 3723.5), ("02:03", 123), ("0:0:1,25", 1.25), ("7.5", 7.5)])
def test_clocks(text, seconds):
    assert parse_time(text, "seconds", "") == (seconds, "seconds")
    assert parse_time("100:00:00", "frames", "") == (360000, "seconds")


@pytest.mark.parametrize("text", ["", "soon", "nan", "inf", "00:01:02:03", "1.2.3"])
def test_what_is_no_time_names_file_and_line(tmp_path, text):
    path = write(tmp_path / "a.csv", "recording,start,end,label\nr1,1,2,x\n\nr1,%s,9,wave\n" % text)
    with pytest.raises(UserError, match="a.csv, line 4: '.*' is not a time"):
        rows(path)


def test_all_rows_that_cannot_be_read_are_named_at_once(tmp_path):
    lines = ["recording,start,end,label"] + ["r,%s,9,x" % ("soon" if index % 3 else index) for index in range(90)]
    with pytest.raises(UserError, match="a.csv, line 3: 'soon' is not a time.*; 59 more lines cannot be read either: "
                                        "4, 6, 7, 9, .* and 39 more$"):
        rows(write(tmp_path / "a.csv", "\n".join(lines)))
    with pytest.raises(UserError, match="; 1 more line cannot be read either: 6$"):
        rows(write(tmp_path / "a.csv", "\n".join(lines[:3] + [lines[1]] * 2 + [",1,2,x"])))


def test_durations_in_place_of_ends(tmp_path):
    path = write(tmp_path / "events.tsv", "onset\tduration\ttrial_type\n1.5\t2\tgo\n")
    assert rows(path) == [("events", 1.5, 3.5, "seconds", "go")]


def test_a_duration_beside_starts_and_ends_is_the_recordings_where_it_can_be(tmp_path):
    head = "recording,start,end,label,duration\n"
    texts = {30.0: "r,1,2,x,30\nr,3,5,x,30\nq,1,9,x,12\n", None: "r,1,2,x,1\nr,3,5,x,2\nq,1,9,x,8\n"}
    for duration, text in texts.items():
        reading = read_inputs([write(tmp_path / "a.csv", head + text)], Options(agree))
        assert [row.end for row in reading.rows] == [2, 5, 9]
        assert reading.about["r"].duration_s == duration
        assert ("duration=duration" in reading.said[0]) == (duration is not None)


def test_a_folder_of_one_table_a_recording_is_confirmed_once(tmp_path):
    heard = []
    for name in ("r1", "r2", "r3"):
        write(tmp_path / (name + ".csv"), "begin,stop,action\n1,2,x\n")
    reading = read_inputs([str(tmp_path)], Options(heard.append))
    assert len(heard) == 1 and [row.recording for row in reading.rows] == ["r1", "r2", "r3"]


def test_empty_files_short_rows_and_long_rows(tmp_path):
    with pytest.raises(UserError, match="e.csv is empty"):
        rows(write(tmp_path / "e.csv", ""))
    assert rows(write(tmp_path / "h.csv", "recording,start,end,label\n")) == []
    with pytest.raises(UserError, match="l.csv, line 2 has 5 cells where the first line has 4"):
        rows(write(tmp_path / "l.csv", "recording,start,end,label\nr1,1,2,wave, and nod\n"))
    with pytest.raises(UserError, match="s.csv, line 2: '' is not a time"):
        rows(write(tmp_path / "s.csv", "recording,label,start,end\nr1,wave,1\n"))
    with pytest.raises(UserError, match="line 2: the recording .* is empty"):
        rows(write(tmp_path / "r.csv", "recording,start,end,label\n,1,2,wave\n"))


def test_rows_that_are_no_actions_are_left_out_and_told(tmp_path):
    path = write(tmp_path / "a.csv", "recording,start,end,label\nr1,1,2,none\nr2,,,\nr3,1,2,\nr4,1,2,wave\n")
    reading = read_inputs([path], Options(refuse, background=("none",)))
    assert [row.recording for row in reading.rows] == ["r4"]
    assert sorted(place.split("line ")[1] for _, place in reading.left_out) == ["2", "3", "4"]
    assert "r2" in reading.about, "a recording without actions is still a recording"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_tell_themselves(tmp_path, encoding):
    path = write(tmp_path / "a.csv", "recording,start,end,label\nr\u00e9,1,2,\u8d70\n", encoding)
    assert rows(path, refuse) == [("r\u00e9", 1, 2, "seconds", "\u8d70")]


def test_other_encodings_are_asked_for(tmp_path):
    path = write(tmp_path / "a.csv", "recording,start,end,label\nr1,1,2,x\nr\u00e9,1,2,x\n", "cp1252")
    with pytest.raises(UserError, match="a.csv, line 3 is not UTF-8 text.*--encoding cp1252"):
        rows(path)
    assert rows(path, encoding="cp1252")[1][0] == "r\u00e9"
    with pytest.raises(UserError, match="no encoding 'latin-x'"):
        rows(path, encoding="latin-x")


def test_subset_duration_and_rate_columns_agree_within_a_recording(tmp_path):
    text = "recording,start,end,label,split,video_duration,fps\nr1,1,2,x,train,30,25\nr1,3,4,x,train,%s,25\n"
    about = read_inputs([write(tmp_path / "a.csv", text % "30")], Options(agree)).about["r1"]
    assert (about.subset, about.duration_s, about.fps) == ("train", 30, 25)
    with pytest.raises(UserError, match="line 3: recording 'r1' has duration '31.0' here and '30.0' before"):
        rows(write(tmp_path / "b.csv", text % "31"))
    with pytest.raises(UserError, match="line 3: the duration '0' is not above 0"):
        rows(write(tmp_path / "c.csv", text % "0"))


def test_frames_with_labels_become_runs(tmp_path, rng):
    """Against a count by hand: runs of one label, ended by another label, a gap, or the end."""
    labels = ["a", "b", "none"]
    frames = [labels[value] for value in rng.randint(0, 3, 40)]
    lines = ["frame,label"] + ["%d,%s" % (index + (20 if index >= 25 else 0), label)
                               for index, label in enumerate(frames)]
    found = rows(write(tmp_path / "rec.csv", "\n".join(lines)), background=("none",))
    expected, index = [], 0
    while index < 40:
        end = index + 1
        while end < 40 and frames[end] == frames[index] and end != 25:
            end += 1
        shift = 20 if index >= 25 else 0
        if frames[index] != "none":
            expected.append(("rec", index + shift, end + shift, "frames", frames[index]))
        index = end
    assert found == expected
    with pytest.raises(UserError, match="line 3: frame 4 of 'x' comes after frame 5"):
        rows(write(tmp_path / "x.csv", "frame,label\n5,a\n4,a\n"))


def test_delimiters():
    assert guess_delimiter("a;b\n1,5;2,5\n") == ";" and guess_delimiter("a,b\n1,2\n") == ","
    assert guess_delimiter("a\tb c\n1\t2\n") == "\t" and guess_delimiter("v 1 2 x\nv 3 4 y\n") == " "
    assert guess_delimiter("alone\n") is None and guess_delimiter("") is None


@pytest.mark.parametrize("text, delimiter", [
    ("0,5;1,25\n-0,5;3\n", ";"), ("0,5\t1,25\n", "\t"), ("1,2;x\n3,4;y\n", ";"), ("1,2,a;b\n3,4,c;d\n", ","),
    ("a,b;c\n1,2\n", ","), ("1,1e-3|,5\n", "|")])
def test_decimal_commas_are_no_delimiters(text, delimiter):
    assert guess_delimiter(text) == delimiter


def test_line_numbers_survive_quoted_line_ends_and_comments(tmp_path):
    path = write(tmp_path / "a.csv", "# made by hand\nrecording,start,end,label\nr1,1,2,\"two\nlines\"\nr2,x,2,l\n")
    assert [line for line, _ in read_table(InputFile(path)).rows] == [4, 5]
    with pytest.raises(UserError, match="line 5: 'x' is not a time"):
        rows(path)


@pytest.mark.parametrize("text, name", [("C:\\clips\\a.MP4", "a"), ("https://x.org/v/b.webm?t=1", "b"), ("c", "c"),
                                        ("d.v2", "d.v2"), ("e.f.npy", "e.f"), ("./g/h.eaf", "h.eaf")])
def test_recording_names(text, name):
    assert recording_name(text) == name


def test_the_command_asks_and_writes(tmp_path, capsys, monkeypatch):
    path, output = write(tmp_path / "a.csv", "video,begin,end,action\nr1,1,2,x\nr2,1,2,x\n"), tmp_path / "o.json"
    assert call(["data", "import", path, "--output", output]) == 2
    error = capsys.readouterr().err
    assert "recording=video" in error and "--yes" in error and not output.exists()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for answer, code in (("n", 2), ("", 2), ("Y", 0)):
        monkeypatch.setattr("builtins.input", lambda prompt, answer=answer: answer)
        assert call(["data", "import", path, "--output", output]) == code
        assert output.exists() == (code == 0)
    assert json.dumps(read_json(output)["database"]["r1"]["annotations"]) == \
        '[{"segment": [1.0, 2.0], "label": "x"}]'
    assert call(["data", "import", path, "--output", output, "--yes"]) == 2, "nothing is overwritten"
    assert "--force" in capsys.readouterr().err
    assert call(["data", "import", path, "--output", output, "--yes", "--force"]) == 0


def test_files_of_subsets(tmp_path):
    head = "recording,start,end,label\n"
    one, two = write(tmp_path / "1.csv", head + "a,1,2,x\n"), write(tmp_path / "2.csv", head + "b,1,2,x\n")
    output = tmp_path / "o.json"
    assert call(["data", "import", "training=" + one, "validation=" + two, "--output", output]) == 0
    assert {name: entry["subset"] for name, entry in read_json(output)["database"].items()} == {
        "a": "training", "b": "validation"}
    assert call(["data", "import", "training=" + one, "validation=" + one, "--output", output, "--force"]) == 2
