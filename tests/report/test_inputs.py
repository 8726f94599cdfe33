"""What the report reads, and one sentence on everything that it cannot."""

import os
import shutil

import pytest

from tad.errors import UserError
from tad.report.inputs import Asked, distinct_names, read_runs
from tests.helpers import change_json, write_json
from tests.report.made import make_data, write_run


def refused(*paths, **asked):
    with pytest.raises(UserError) as caught:
        read_runs([str(path) for path in paths], Asked(**asked))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_names_are_the_shortest_that_differ(tmp_path):
    assert distinct_names(["runs/a", "runs/b"]) == ["a", "b"]
    assert distinct_names(["x/seed/found.json", "y/seed/found.json"]) == ["x/seed/found", "y/seed/found"]
    assert distinct_names(["runs/a", "runs/a", "runs/a"]) == ["a", "a (2)", "a (3)"]
    assert distinct_names(["runs/a/", "b/../runs/c"]) == ["a", "c"]
    assert distinct_names([str(tmp_path)]) == [tmp_path.name]


def test_a_run_folder_knows_its_annotations(tmp_path, rng):
    folder = write_run(tmp_path / "run", *make_data(rng))
    write_json(folder + "/detections.manifest.json", {"seed": 7, "checkpoint": "odd", "versions": {"tad": "9"}})
    run, = read_runs([folder], Asked())
    assert run.name == "run" and len(run.truth) == 4 and run.thresholds == (0.3, 0.4, 0.5, 0.6, 0.7)
    assert ("seed", "7") in run.facts and ("tad", "9") in run.facts and ("subset", "validation") in run.facts
    assert run.metrics is None and run.diagnosis is None and run.scores is None


def test_annotations_that_have_gone_are_asked_for(tmp_path, rng):
    folder = write_run(tmp_path / "run", *make_data(rng))
    shutil.move(str(tmp_path / "truth.json"), str(tmp_path / "moved.json"))
    message = refused(folder)
    assert "truth.json are not there any more" in message and "--ground-truth FILE" in message
    run, = read_runs([folder], Asked(ground_truth=str(tmp_path / "moved.json")))
    assert len(run.truth) == 4


def test_a_lone_detections_file_needs_the_ground_truth_and_leaves_neighbours_alone(tmp_path, rng):
    folder = write_run(tmp_path / "run", *make_data(rng))
    lone = shutil.copy(folder + "/detections.json", folder + "/mine.json")
    write_json(folder + "/metrics.json", {"mAP": {"0.5": 0.1}})
    assert "--ground-truth FILE" in refused(lone)
    run, = read_runs([lone], Asked(ground_truth=str(tmp_path / "truth.json")))
    assert run.name == "mine" and run.metrics is None
    # The run's own file may be named as well as its folder
    assert read_runs([folder + "/detections.json"], Asked())[0].metrics is not None


def write(name, content):
    def spoil(folder):
        with open(os.path.join(folder, name), "wb") as stream:
            stream.write(content)

    return spoil


@pytest.mark.parametrize("spoil, words", [
    (lambda folder: shutil.rmtree(folder), "there is no run"),
    (lambda folder: os.unlink(folder + "/detections.json"), "tad infer --checkpoint"),
    (write("detections.json", b""), "not valid JSON"),
    (write("detections.json", b"\xff\xfe\x00"), "not UTF-8"),
    (write("config.yaml", b"dataset: ["), "not valid YAML"),
    (lambda folder: os.unlink(folder + "/config.yaml"), "no config.yaml beside its detections"),
    (write("metrics.json", b"[1]"), "must hold an object"),
    (write("diagnosis.json", b"{"), "not valid JSON"),
    (write("detections.manifest.json", b"3"), "must hold an object"),
])
def test_broken_runs_are_told_by_name(tmp_path, rng, spoil, words):
    folder = write_run(tmp_path / "run", *make_data(rng))
    spoil(folder)
    message = refused(folder)
    assert words in message and folder in message


def test_what_cannot_be_scored(tmp_path, rng):
    folder = write_run(tmp_path / "run", *make_data(rng))
    assert "no recording in subset 'x'" in refused(folder, subset="x")
    assert "must look like" in refused(folder, tiou="half")
    change_json(tmp_path / "truth.json", lambda value: [entry.update(annotations=[])
                                                        for entry in value["database"].values()])
    assert "no action in the recordings to score" in refused(folder)


def test_several_subsets_of_a_lone_file(tmp_path, rng):
    annotations, detections = make_data(rng)
    annotations["database"]["rec_0"]["subset"] = "training"
    truth, found = (write_json(tmp_path / name, value)
                    for name, value in (("t.json", annotations), ("d.json", detections)))
    assert "--subset: training, validation, or all" in refused(found, ground_truth=truth)
    assert len(read_runs([found], Asked(truth, "validation"))[0].truth) == 3


def test_runs_side_by_side_need_one_ground_truth(tmp_path, rng):
    annotations, detections = make_data(rng)
    first = write_run(tmp_path / "a" / "one", annotations, detections)
    second = write_run(tmp_path / "b" / "two", annotations, detections)
    assert [run.name for run in read_runs([first, second], Asked())] == ["one", "two"]
    change_json(tmp_path / "b" / "truth.json", lambda value: value["database"].pop("rec_3"))
    assert "only one has 'rec_3'" in refused(first, second)
    assert "only one has 'rec_3'" in refused(second, first)
    annotations["database"]["rec_1"]["annotations"][0]["label"] = "other"
    write_json(tmp_path / "b" / "truth.json", annotations)
    assert "different annotations of 'rec_1'" in refused(first, second)
    write_run(tmp_path / "b" / "two", annotations, detections, str(tmp_path / "a" / "truth.json"))
    with open(second + "/config.yaml", "a") as stream:
        stream.write("evaluation:\n  tiou: 0.5,0.75\n")
    assert "give those of the report with --tiou" in refused(first, second)
    assert read_runs([first, second], Asked(tiou="0.5"))[1].thresholds == (0.5,)
