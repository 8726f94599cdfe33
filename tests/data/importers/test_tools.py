"""ELAN, BORIS, VIA, Label Studio, ActivityNet and THUMOS files, made here as the tools' documents describe them."""

import json
import os

import pytest

from tad.commands.data_import import FORMATS
from tad.data.importers.reading import Options
from tad.data.importers.registry import WORDS, read_inputs
from tad.errors import UserError
from tests.helpers import write_json


def refuse(sentence):
    raise AssertionError("a tool's file needs no guess: " + sentence)


def read(paths, word=None, **options):
    return read_inputs([str(path) for path in paths], Options(refuse, **options), word)


def rows(reading):
    return sorted((row.recording, row.start, row.end, row.unit, row.label) for row in reading.rows)


def reasons(reading):
    return sorted({reason.split(",")[0].split(" (")[0] for reason, _ in reading.left_out})


ELAN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-01-01T00:00:00+01:00" FORMAT="3.0" VERSION="3.0">
 <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
  <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/clips/r\u00e9c 1.mp4" MIME_TYPE="video/mp4"/>
 </HEADER>
 <TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="780"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1590"/>
  <TIME_SLOT TIME_SLOT_ID="ts3"/><TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="4000"/></TIME_ORDER>
 <TIER LINGUISTIC_TYPE_REF="default" TIER_ID="behavior">
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
   <ANNOTATION_VALUE>wave &amp; nod</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
   <ANNOTATION_VALUE>nod</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts4">
   <ANNOTATION_VALUE> </ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
 </TIER>
 <TIER LINGUISTIC_TYPE_REF="assoc" PARENT_REF="behavior" TIER_ID="manner">
  <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="b1" ANNOTATION_REF="a1"><ANNOTATION_VALUE>slow</ANNOTATION_VALUE>
  </REF_ANNOTATION></ANNOTATION>
 </TIER>
 <TIER LINGUISTIC_TYPE_REF="default" TIER_ID="empty"/>
</ANNOTATION_DOCUMENT>
"""


def write(path, text, encoding="utf-8"):
    with open(str(path), "w", encoding=encoding) as stream:
        stream.write(text)
    return path


def test_elan_tiers_media_and_references(tmp_path):
    path = write(tmp_path / "x.eaf", ELAN)
    with pytest.raises(UserError, match=r"2 tiers \(behavior, manner\); choose .*--tier NAME"):
        read([path])
    reading = read([path], tiers=("behavior", "manner"))
    assert rows(reading) == [("r\u00e9c 1", 780, 1590, "milliseconds", "slow"),
                             ("r\u00e9c 1", 780, 1590, "milliseconds", "wave & nod")]
    assert reasons(reading) == ["annotations without a time of their own", "annotations without a value"]
    assert reading.title == "ELAN: 2 tiers in 1 file"
    with pytest.raises(UserError, match="no tier 'x'.*there are: behavior, manner"):
        read([path], tiers=("x",))


def test_a_folder_of_elan_files_with_other_files_beside_them(tmp_path):
    single = ELAN.split(' <TIER LINGUISTIC_TYPE_REF="assoc"')[0] + "</ANNOTATION_DOCUMENT>"
    os.mkdir(str(tmp_path / "in"))
    write(tmp_path / "1.eaf", single)
    write(tmp_path / "in" / "2.eaf", single.replace("c 1.mp4", "c 2.mp4"))
    write(tmp_path / "1.pfsx", "<preferences/>")
    write(tmp_path / ".hidden.eaf", "broken")
    reading = read([tmp_path])
    assert [row.recording for row in reading.rows] == ["r\u00e9c 1", "r\u00e9c 2"]
    assert ("files of no known format", str(tmp_path / "1.pfsx")) in reading.left_out
    write(tmp_path / "3.eaf", single)
    with pytest.raises(UserError, match="3.eaf is about recording .*and so is an earlier file"):
        read([tmp_path])


def test_elan_without_media_is_named_like_the_file(tmp_path):
    text = ELAN.replace('<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/clips/r\u00e9c 1.mp4" MIME_TYPE="video/mp4"/>', "")
    reading = read([write(tmp_path / "tape7.eaf", text)], tiers=("behavior",))
    assert reading.rows[0].recording == "tape7" and "named like the file: tape7" in " ".join(reading.said)


@pytest.mark.parametrize("declaration", [
    '<!DOCTYPE a [<!ENTITY l0 "ha"><!ENTITY l1 "&l0;&l0;&l0;&l0;&l0;&l0;&l0;&l0;&l0;&l0;">]>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">'])
def test_xml_bombs_and_outside_entities_are_refused(tmp_path, declaration):
    head, rest = ELAN.split("?>", 1)
    path = write(tmp_path / "bomb.eaf", head + "?>" + declaration + rest.replace("wave", "&l1;&x;", 1))
    with pytest.raises(UserError, match="bomb.eaf declares a document type"):
        read([path], tiers=("behavior",))


def test_broken_elan_names_file_and_place(tmp_path):
    with pytest.raises(UserError, match="x.eaf is not well-formed XML: .*line"):
        read([write(tmp_path / "x.eaf", ELAN[:900])])


def boris(events, **observation):
    return {"time_format": "hh:mm:ss", "project_format_version": "7.0", "subjects_conf": {},
            "behaviors_conf": {"0": {"type": "State event", "code": "walk"},
                               "1": {"type": "Point event", "code": "hop"}},
            "observations": {"obs 1": dict({
                "file": {"1": ["/v/cam1.mp4"], "2": []}, "type": "MEDIA", "time offset": 0.0, "events": events,
                "media_info": {"length": {"/v/cam1.mp4": 60.5}, "fps": {"/v/cam1.mp4": 25.0}}}, **observation)}}


EVENTS = [[1.0, "A", "walk", "fast", ""], [1.5, "B", "walk", "", "", 37], [2.0, "A", "hop", "", ""],
          [3.0, "A", "walk", "fast", ""], [4.25, "B", "walk", "", ""], [9.0, "A", "walk", "", ""]]


def test_boris_project_pairs_states_by_subject_and_modifier(tmp_path):
    path = write_json(tmp_path / "p.boris", boris(EVENTS))
    reading = read([path])
    assert rows(reading) == [("cam1", 1, 3, "seconds", "walk"), ("cam1", 1.5, 4.25, "seconds", "walk")]
    assert reasons(reading) == ["START without STOP", "point events"]
    assert reading.about["cam1"][:2] == (60.5, 25.0) and "subjects: A, B" in " ".join(reading.said)
    assert [row.label for row in read([path], modifiers=True, tiers=("A",)).rows] == ["walk|fast"]
    assert ("cam1", 1.75, 2.25, "seconds", "hop") in rows(read([path], points_s=0.5))
    with pytest.raises(UserError, match="no event of subject 'C'; there are: A, B"):
        read([path], tiers=("C",))


def test_boris_observations(tmp_path):
    document = boris(EVENTS)
    document["observations"]["obs 2"] = dict(document["observations"]["obs 1"], events=EVENTS[:1] + EVENTS[3:4])
    path = write_json(tmp_path / "p.boris", document)
    with pytest.raises(UserError, match="'obs 2' and 'obs 1' are both of recording 'cam1'.*--observation"):
        read([path])
    assert len(read([path], observations=("obs 2",)).rows) == 1
    two = boris(EVENTS, file={"1": ["/v/a.mp4", "/v/b.mp4"]}, **{"time offset": 3})
    reading = read([write_json(tmp_path / "two.boris", two)])
    assert reading.rows[0].recording == "obs 1" and "obs 1: 3 s" in " ".join(reading.said)
    with pytest.raises(UserError, match="event 0 has behavior 'swim', which the ethogram"):
        read([write_json(tmp_path / "b.boris", boris([[1, "", "swim", "", ""]]))])
    with pytest.raises(UserError, match="event 0: 'soon' is not a time"):
        read([write_json(tmp_path / "b.boris", boris([["soon", "", "walk", "", ""]]))])


AGGREGATED = ("Observation id,Observation date,Source,Media duration (s),FPS (frame/s),Subject,Behavior,Modifiers,"
              "Behavior type,Start (s),Stop (s),Duration (s)\n"
              "o1,2024,player #1:v/a.mp4,60.5,25,A,walk,fast,STATE,1.0,3.0,2.0\n"
              "o1,2024,player #1:v/a.mp4,60.5,25,A,hop,,POINT,2.0,2.0,NA\n")
TABULAR = ("Observation id\to1\n\nMedia file(s)\nPlayer #1\tv/a.mp4\n\n"
           "Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tComment\tStatus\n"
           "1.0\tv/a.mp4\t60.5\t25\tA\twalk\t\t\tSTART\n2.0\tv/a.mp4\t60.5\t25\tA\thop\t\t\tPOINT\n"
           "3.0\tv/a.mp4\t60.5\t25\tA\twalk\t\t\tSTOP\n5.0\tv/a.mp4\t60.5\t25\tA\twalk\t\t\tSTOP\n")
NEWER = ("Observation id,Media file name,Media duration (s),FPS (frame/s),Subject,Behavior,Modifier #1,Behavior type,"
         "Time\n"
         "o1,v/a.mp4,60.5,25,No focal subject,walk,,START,1.0\no1,v/a.mp4,60.5,25,No focal subject,walk,,STOP,3.0\n")


@pytest.mark.parametrize("text, left", [(AGGREGATED, ["point events"]), (NEWER, []),
                                        (TABULAR, ["STOP without START", "point events"])])
def test_boris_exports(tmp_path, text, left):
    reading = read([write(tmp_path / "events.txt", text)])
    assert rows(reading) == [("a", 1, 3, "seconds", "walk")] and reasons(reading) == left
    assert reading.about["a"][:2] == (60.5, 25.0)
    with pytest.raises(UserError, match="line 2: .*'ODD'|line 7: .*'ODD'"):
        read([write(tmp_path / "events.txt", text.replace("STATE", "ODD").replace("START\n", "ODD\n").replace(
            "START,", "ODD,"))])


def via():
    return {"project": {"creator": "VGG Image Annotator", "vid_list": ["1", "2"]}, "config": {},
            "attribute": {"1": {"aname": "ACT", "anchor_id": "FILE1_Z2_XY0", "type": 4,
                                "options": {"1": "walk", "2": "run"}},
                          "2": {"aname": "NOTE", "anchor_id": "FILE1_Z2_XY0", "type": 1, "options": {}}},
            "file": {"11": {"fid": "11", "fname": "a.mp4", "type": 4},
                     "12": {"fid": "12", "fname": "b.mp4", "type": 4}},
            "view": {"1": {"fid_list": ["11"]}, "2": {"fid_list": ["12"]}},
            "metadata": {"1_a": {"vid": "1", "flg": 0, "z": [0.5, 2.25], "xy": [], "av": {"1": "2"}},
                         "2_b": {"vid": "2", "flg": 0, "z": [3, 4], "xy": [], "av": {"1": "1"}},
                         "2_c": {"vid": "2", "flg": 0, "z": [3], "xy": [2, 1, 1, 5, 5], "av": {"1": "1"}},
                         "2_d": {"vid": "2", "flg": 0, "z": [5, 6], "xy": [], "av": {}}}}


def test_via_segments_options_and_files(tmp_path):
    reading = read([write_json(tmp_path / "v.json", via())])
    assert rows(reading) == [("a", 0.5, 2.25, "seconds", "run"), ("b", 3, 4, "seconds", "walk")]
    assert reasons(reading) == ["regions in single frames and notes on whole files", "segments without a label"]


def test_via_with_several_attributes_asks(tmp_path):
    document = via()
    document["metadata"]["1_a"]["av"]["2"] = "a text"
    path = write_json(tmp_path / "v.json", document)
    with pytest.raises(UserError, match=r"several attributes \(ACT, NOTE\).*--tier"):
        read([path])
    assert rows(read([path], tiers=("NOTE",))) == [("a", 0.5, 2.25, "seconds", "a text")]
    document["attribute"]["1"]["type"] = 2
    document["metadata"]["1_a"]["av"] = {"1": "1,2"}
    assert [row.label for row in read([write_json(tmp_path / "v.json", document)]).rows][:2] == ["walk", "run"]


@pytest.mark.parametrize("spoil, words", [
    (lambda d: d["metadata"].update({"1_a": 5}), "metadata '1_a' must be an object"),
    (lambda d: d["metadata"]["1_a"].update(vid="9"), "metadata 1_a belongs to view '9'"),
    (lambda d: d["metadata"]["1_a"].update(z=["x", 2]), "metadata 1_a: 'z': 'x' is not"),
    (lambda d: d["view"]["1"].update(fid_list=["11", "12"]), "view 1 shows 2 files"),
    (lambda d: d.update(file=[1]), "'file' must be an object")])
def test_broken_via_is_told(tmp_path, spoil, words):
    document = via()
    spoil(document)
    with pytest.raises(UserError, match="v.json.*" + words):
        read([write_json(tmp_path / "v.json", document)])


def studio(result, **task):
    return dict({"id": 7, "data": {"video": "/data/upload/1/0a1b2c3d-clip.mp4"},
                 "annotations": [{"id": 1, "was_cancelled": False, "updated_at": "2024-01-02", "result": result}]},
                **task)


TIMELINE = {"type": "timelinelabels", "from_name": "acts", "to_name": "video",
            "value": {"ranges": [{"start": 1, "end": 50}, {"start": 101, "end": 101}], "timelinelabels": ["run"]}}
SERIES = {"type": "timeserieslabels", "from_name": "ts",
          "value": {"start": 1.5, "end": 2.5, "timeserieslabels": ["x", "y"]}}
BOX = {"type": "videorectangle", "from_name": "box", "value": {"sequence": [], "labels": ["man"]}}


def test_label_studio_timelines_count_frames_from_one(tmp_path):
    reading = read([write_json(tmp_path / "l.json", [studio([TIMELINE, SERIES, BOX])])])
    assert rows(reading) == [("clip", 0, 50, "frames", "run"), ("clip", 1.5, 2.5, "seconds", "x"),
                             ("clip", 1.5, 2.5, "seconds", "y"), ("clip", 100, 101, "frames", "run")]
    assert reasons(reading) == ["results that are no segments in time"]
    assert len(read([tmp_path / "l.json"], tiers=("ts",)).rows) == 2


def test_label_studio_says_which_annotation_it_took(tmp_path):
    task = studio([TIMELINE])
    task["annotations"] += [{"id": 2, "updated_at": "2024-03-01", "result": [SERIES]},
                            {"id": 3, "was_cancelled": True, "updated_at": "2025-01-01", "result": []}]
    path = write_json(tmp_path / "l.json", [task])
    reading = read([path])
    assert [row.label for row in reading.rows] == ["x", "y"] and "2 of task 7 (the newest of 2)" in reading.said[0]
    assert reasons(reading) == ["other annotations of a task that has several", "skipped"]
    task["annotations"][0]["ground_truth"] = True
    write_json(path, [task])
    assert "1 of task 7 (the ground truth)" in read([path]).said[0]


def test_label_studio_minimal_export_and_completions(tmp_path):
    minimal = [{"video": "a.mp4", "id": 1, "acts": [TIMELINE["value"]]}]
    assert len(read([write_json(tmp_path / "m.json", minimal)]).rows) == 2
    old = studio([SERIES])
    old["completions"] = old.pop("annotations")
    assert len(read([write_json(tmp_path / "o.json", [old])]).rows) == 2
    with pytest.raises(UserError, match="task 7: '.*' is not a time"):
        read([write_json(tmp_path / "b.json", [studio([dict(SERIES, value=dict(SERIES["value"], end=None))])])])
    with pytest.raises(UserError, match="task 7: found no file name"):
        read([write_json(tmp_path / "b.json", [studio([SERIES], data={"number": 5})])])


def test_activitynet_variants(tmp_path):
    for wrap in (True, False):
        database = {"v1": {"duration_second": "12.5", "duration_frame": 300, "subset": "training", "annotations": [
            {"segment": ["0.5", "2"], "label_id": 3}]}, "v2": {"annotations": []}}
        document = {"version": "1", "taxonomy": [], "database": database} if wrap else database
        reading = read([write_json(tmp_path / "a.json", document)], labels={"3": "wave"})
        assert rows(reading) == [("v1", 0.5, 2, "seconds", "wave")] and list(reading.about) == ["v1", "v2"]
        assert reading.about["v1"][:] == (12.5, None, "training", 300)
    for entry, words in (({"annotations": [{"segment": [1], "label": "x"}]}, "'v', annotation 0 must have"),
                         ({"annotations": [{"segment": [1, "b"], "label": "x"}]}, "0: 'segment': 'b' is not"),
                         ({"annotations": [{"segment": [1, 2]}]}, "annotation 0 must have a 'label'"),
                         ({"annotations": [], "duration": 0}, "'duration' must be above 0")):
        with pytest.raises(UserError, match="a.json, recording 'v'.*" + words if "'v'" not in words else words):
            read([write_json(tmp_path / "a.json", {"database": {"v": entry}})])


def test_thumos_text_files(tmp_path):
    write(tmp_path / "Diving_val.txt", "video_validation_0000051  67.5 75.9\nvideo_validation_0000051 85.9  90.6 \n")
    write(tmp_path / "Diving_test.txt", "video_test_0000004  0.2 1.1\n")
    write(tmp_path / "Ambiguous_test.txt", "video_test_0000004  5 6\nvideo_test_0000009 1 2\n")
    write(tmp_path / "README.md", "about\n")
    reading = read([tmp_path])
    assert rows(reading)[0] == ("video_test_0000004", 0.2, 1.1, "seconds", "Diving") and len(reading.rows) == 3
    assert {name: facts.subset for name, facts in reading.about.items()} == {
        "video_validation_0000051": "validation", "video_test_0000004": "test", "video_test_0000009": "test"}
    assert [reason for reason, _ in reading.left_out].count(
        "ambiguous actions (Ambiguous_test), as the challenge's evaluation does") == 2
    write(tmp_path / "Diving_val.txt", "video_validation_0000051  67.5 75.9\nvideo_validation_0000051 now 3\n")
    with pytest.raises(UserError, match="Diving_val.txt, line 2: 'now' is not a time"):
        read([tmp_path / "Diving_val.txt"], "thumos")


def test_the_command_knows_every_format():
    assert FORMATS == WORDS


def test_formats_are_not_mixed_and_nothing_is_said_plainly(tmp_path):
    write_json(tmp_path / "v.json", via())
    write(tmp_path / "a.csv", "recording,start,end,label\nr,1,2,x\n")
    with pytest.raises(UserError, match="several formats .*VGG.*table.*--format"):
        read([tmp_path])
    write(tmp_path / "prose.txt", "nothing to see here\n")
    with pytest.raises(UserError, match="prose.txt: recognised no format"):
        read([tmp_path / "prose.txt"])
    with open(str(tmp_path / "x.bin"), "wb") as stream:
        stream.write(b"\x00\x01" * 50)
    with pytest.raises(UserError, match="x.bin holds binary data"):
        read([tmp_path / "x.bin"])
    os.mkdir(str(tmp_path / "none"))
    with pytest.raises(UserError, match="none holds no file"):
        read([tmp_path / "none"])
    with pytest.raises(UserError, match="there is no .*gone"):
        read([tmp_path / "gone"])
    with pytest.raises(UserError, match="bad.json is not valid JSON"):
        read([write(tmp_path / "bad.json", "{\"database\": ")])


def test_real_annotation_files(shared_data):
    """THUMOS14's and ActivityNet's own files, counted against the files themselves."""
    path = os.path.join(shared_data, "activitynet", "anet_anno_action.json")
    with open(path) as stream:
        expected = json.load(stream)
    reading = read([path])
    assert len(reading.about) == len(expected) == 19228
    assert len(reading.rows) == sum(len(entry["annotations"]) for entry in expected.values())
    assert reading.about["v_QOlSCBRmfWY"].duration_s == 82.73
    path = os.path.join(shared_data, "thumos14", "val_Annotation.csv")
    reading = read_inputs([path], Options(lambda sentence: None))
    with open(path) as stream:
        lines = stream.read().splitlines()[1:]
    assert [(row.recording, row.label, "%g" % row.start) for row in reading.rows] == [
        (line.split(",")[0], line.split(",")[1], "%g" % float(line.split(",")[3])) for line in lines]


def places(value, path=()):
    """Every place in a JSON document."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        for place in places(one, path + (key,)):
            yield place


def replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("suffix, document", [
    (".boris", boris(EVENTS)), (".json", via()), (".json", [studio([TIMELINE, SERIES, BOX])]),
    (".json", {"database": {"v1": {"duration": "12.5", "subset": "training", "annotations": [
        {"segment": ["0.5", "2"], "label_id": 3}]}}})])
def test_a_document_with_one_odd_value_gives_a_sentence_or_a_reading(tmp_path, rng, suffix, document):
    """Any value anywhere, replaced by one of another kind: a UserError or a result, never a traceback."""
    odd = (None, 5, -1.5, "odd", "", True, [], [None], {}, {"a": 1}, [[1, 2]], 10 ** 400)
    path = tmp_path / ("x" + suffix)
    for place in places(document):
        new = odd[rng.randint(len(odd))]
        write_json(path, replaced(document, place, new))
        try:
            read([path])
        except UserError as error:
            assert "x" + suffix in str(error)
        except Exception as error:
            raise AssertionError("%r at %r: %r" % (new, place, error))
