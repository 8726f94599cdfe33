"""Made-up features for real annotations: of the right length, with the actions where they are, the same from a seed."""

import os

import numpy as np
import pytest

from tad.data.annotations import read_annotations
from tad.data.features import FeatureStore
from tad.data.imitation import Imitation, imitate, snippets_of
from tad.data.recipe import read_recipe
from tad.data.timegrid import TimeGrid
from tests.data.test_synthetic import read_bytes
from tests.helpers import call, change_json, write_json


def annotate(folder, rng, count=4, fps=(25.0, 30.0)):
    """Recordings of two rates with one action of each class, far from each other."""
    database = {}
    for number in range(count):
        begin = float(rng.uniform(5, 10))
        database["r%d" % number] = {
            "subset": "training" if number % 2 else "test", "fps": fps[number % len(fps)], "duration": 60.0,
            "annotations": [{"segment": [begin, begin + 8], "label": "wave"},
                            {"segment": [begin + 30, begin + 40], "label": "nod"}]}
    return write_json(os.path.join(str(folder), "annotations.json"), {"database": database})


@pytest.mark.parametrize("output", ["features", "features.h5"])
def test_actions_are_where_the_annotations_say(tmp_path, rng, output):
    path, output = annotate(tmp_path, rng), str(tmp_path / output)
    options = Imitation(channels=int(rng.randint(8, 40)), stride=int(rng.randint(1, 9)), noise=0.05,
                        window=int(rng.randint(1, 9)), blur_s=0.2, seed=int(rng.randint(100)))
    lengths = imitate(path, output, options)
    store, recipe = FeatureStore(output), read_recipe(output)
    assert (recipe.stride, recipe.window, recipe.width, recipe.fps) == (
        options.stride, options.window, options.channels, None)
    means = {"wave": [], "nod": []}
    for name, recording in read_annotations(path).items():
        array = store.read(name)
        last = (len(array) - 1) * options.stride + options.window
        assert array.shape == (lengths[name], options.channels) and last <= 60 * recording.fps < last + options.stride
        times = TimeGrid.from_frames(recording.fps, options.stride, options.window).to_seconds(np.arange(len(array)))
        quiet = array[(times > 55) | (times < 4)]
        for (start, end), label in zip(recording.segments_s, recording.labels):
            inside = array[(times > start + 0.5) & (times < end - 0.5)].mean(axis=0) - quiet.mean(axis=0)
            assert np.sqrt((inside ** 2).mean()) > 0.4, "the action is louder than the noise"
            means[label].append(inside / np.linalg.norm(inside))
    for label, others in (("wave", "nod"), ("nod", "wave")):
        for one in means[label]:
            assert min(one @ other for other in means[label]) > max(one @ other for other in means[others])


def test_a_recording_is_the_same_whatever_else_is_made(tmp_path, rng, capsys):
    path = annotate(tmp_path, rng)
    command = ["data", "synthesize", "--annotations", path, "--seed", 3]
    for name, more in (("a", []), ("b", []), ("c", ["--subset", "test"]), ("d", ["--seed", 4])):
        assert call(command + [tmp_path / name] + more) == 0, capsys.readouterr().err
    assert "made-up features of 4 recordings" in capsys.readouterr().out
    one, again, part, other = (read_bytes(tmp_path / name) for name in "abcd")
    assert one == again and set(part) == {"r0.npy", "r2.npy", "recipe.json"}
    assert part["r0.npy"] == one["r0.npy"] != other["r0.npy"]


def test_annotations_that_hide_a_duration_or_an_action(tmp_path, rng, capsys):
    path = annotate(tmp_path, rng)
    change_json(path, lambda d: d["database"]["r2"].pop("duration"))
    assert call(["data", "synthesize", tmp_path / "x", "--annotations", path]) == 2
    assert "no duration of 1 recording (r2)" in capsys.readouterr().err
    change_json(path, lambda d: [entry.update(annotations=[], duration=5) for entry in d["database"].values()])
    assert call(["data", "synthesize", tmp_path / "x", "--annotations", path]) == 2
    assert "no annotated action" in capsys.readouterr().err and not (tmp_path / "x").exists()


def test_the_shortest_recording_has_a_snippet(tmp_path, rng):
    path = annotate(tmp_path, rng, count=1)
    change_json(path, lambda d: d["database"]["r0"].update(duration=0.01))
    change_json(path, lambda d: d["database"]["r0"]["annotations"][0].update(segment=[0, 0.01]))
    change_json(path, lambda d: d["database"]["r0"]["annotations"].pop())
    assert imitate(path, str(tmp_path / "x"), Imitation()) == {"r0": 1}
    assert snippets_of(read_annotations(path)["r0"], Imitation(window=1, stride=1)) == 1


@pytest.mark.parametrize("words, said", [
    (["--annotations", "annotations.json", "--recordings", "3"], "--recordings makes no sense with --annotations"),
    (["--noise", "2"], "--noise needs --annotations"), (["--subset", "test"], "--subset needs --annotations"),
    (["--overwrite"], "--overwrite needs --annotations"),
    (["--annotations", "annotations.json", "--subset", "tset"], "no recording in subset 'tset'"),
    (["--annotations", "annotations.json", "--noise", "-1"], "--noise must be a number of 0 or more"),
    (["--annotations", "annotations.json", "--blur", "nan"], "--blur must be a number of 0 or more"),
    (["--annotations", "annotations.json", "--channels", "0"], "--channels must be at least 1"),
    (["--annotations", "annotations.json", "--fps", "0"], "--fps must be a number above 0"),
    (["--annotations", "absent.json"], "cannot read the annotations absent.json"),
])
def test_mistakes_are_one_sentence(tmp_path, rng, monkeypatch, capsys, words, said):
    annotate(tmp_path, rng)
    monkeypatch.chdir(str(tmp_path))
    assert call(["data", "synthesize", "made"] + words) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1 and not os.path.exists("made")


def test_features_that_are_there_are_kept(tmp_path, rng, capsys):
    path = annotate(tmp_path, rng)
    command = ["data", "synthesize", tmp_path / "x", "--annotations", path]
    assert call(command) == 0
    assert call(command) == 2 and "--overwrite" in capsys.readouterr().err
    assert call(command + ["--overwrite"]) == 0
