"""docs/own-data.md, word by word: every command and every line of Python in it, on the data that it makes up."""

import os
import re
import shlex

import pytest

from tad.data.recipe import recipe_from_dict
from tests.helpers import ROOT, call, read_json

# Only the training is cut; what it has hardly learned is not dropped for its low score
SHORT = ["--set", "train.steps=4", "--set", "deeplab.width=8", "--set", "postprocess.min_score=0", "--set",
         "device=cpu"]


def blocks(kind):
    """The fenced blocks of one language, from top to bottom."""
    with open(os.path.join(ROOT, "docs", "own-data.md"), encoding="utf-8") as stream:
        return re.findall(r"^```%s\n(.*?)^```$" % kind, stream.read(), re.DOTALL | re.MULTILINE)


def commands():
    return [shlex.split(line)[1:] for block in blocks("") for line in block.splitlines() if line.startswith("tad ")]


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A folder in which somebody has followed the page."""
    folder, before = tmp_path_factory.mktemp("page"), os.getcwd()
    os.chdir(str(folder))
    try:
        for words in commands():
            # Thresholds that a real training passes would leave nothing of this one
            words = ["0" if word == "0.3" else word for word in words]
            assert call(words + (SHORT if words[0] == "traininfer" else [])) == 0, words
    finally:
        os.chdir(before)
    return folder


def test_the_commands_leave_what_the_page_says(followed):
    assert [words[0] for words in commands()] == ["data"] * 4 + ["init", "traininfer"] + ["predict"] * 3
    assert read_json(followed / "predictions" / "detections.json")["results"]["rec_12"]
    names = set(os.listdir(str(followed / "found")))
    assert {"detections.json", "detections.csv", "rec_01.srt", "rec_12.vtt", "rec_12.png"} <= names
    with open(str(followed / "waves.csv")) as stream:
        lines = stream.read().splitlines()
    assert lines[0] == "recording,start,end,label,score" and 1 < len(lines) <= 21
    assert all(",wave," in line for line in lines[1:])


def test_the_python_gives_what_the_command_wrote(followed, monkeypatch, capsys):
    monkeypatch.chdir(str(followed))
    block, = blocks("python")
    exec(compile(block.replace("min_score=0.3", "min_score=0"), "own-data.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    wanted = read_json("predictions/detections.json")["results"]["rec_12"]
    assert printed == ["%s from %.1f to %.1f s, score %.2f" % (row["label"], row["segment"][0], row["segment"][1],
                                                               row["score"]) for row in wanted]


def test_its_recipe_and_its_scores_are_valid(followed, monkeypatch):
    monkeypatch.chdir(str(followed))
    recipe, scores = blocks("json")
    with open("recipe.json", "w") as stream:
        stream.write(recipe)
    assert recipe_from_dict(read_json("recipe.json"), "own-data.md").stride == 8
    with open("scores.json", "w") as stream:
        stream.write(scores)
    assert call(["predict", "runs/my", "my/features/rec_12.npy", "--external-scores", "scores.json",
                 "--output", "with.json"]) == 0
    assert read_json("with.json")["results"]["rec_12"] != read_json("predictions/detections.json")["results"]["rec_12"]


def test_the_picture_is_there():
    with open(os.path.join(ROOT, "docs", "time-grid.svg"), encoding="utf-8") as stream:
        text = stream.read()
    # stride 4, window 6 and 8 frames a second, as its title says
    for snippet in range(4):
        assert ">%g<" % ((4 * snippet + 3) / 8.0) in text
