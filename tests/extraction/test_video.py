"""Videos to features, with an extractor of the test's own."""

import numpy as np
import pytest
import torch

from tad.data.recipe import read_recipe
from tad.errors import DataWarning, UserError
from tad.extraction import video
from tad.extraction.video import VideoPlan, extract, plan_of
from tests.extraction.clips import number_of, write_clip
from tests.helpers import call


class Numbers(object):
    """Describes a clip by the numbers of its first and last frame."""

    width, weights, weights_sha256, preprocessing = 2, "none", "0" * 64, "the frame's number"

    def __init__(self, network, weights, window, device):
        self.name, self.window, self.batches = "test/" + network, window, []

    def prepare(self, image):
        return number_of(image)

    def __call__(self, clips):
        assert all(len(clip) == self.window for clip in clips)
        self.batches.append(len(clips))
        return np.array([[clip[0], clip[-1]] for clip in clips], np.float32)


@pytest.fixture
def numbers(monkeypatch):
    monkeypatch.setitem(video.EXTRACTORS, "numbers", Numbers)


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    write_clip(folder / "long.mkv", np.arange(60) * 40)
    write_clip(folder / "other.mkv", np.arange(23) * 40)
    return folder


PLAN = VideoPlan("numbers", window=16, stride=5, batch=3)


def test_a_snippet_covers_its_window_and_the_next_begins_a_stride_later(numbers, videos, tmp_path):
    made = extract(str(videos), str(tmp_path / "out"), PLAN, torch.device("cpu"))
    expected = [[first, first + 15] for first in range(0, 45, 5)]
    np.testing.assert_array_equal(np.load(str(tmp_path / "out" / "long.npy")), expected)
    np.testing.assert_array_equal(np.load(str(tmp_path / "out" / "other.npy")), expected[:2])
    recipe = read_recipe(str(tmp_path / "out"))
    assert (recipe.fps, recipe.stride, recipe.window, recipe.width) == (pytest.approx(25, rel=1e-3), 5, 16, 2)
    assert recipe.backbone == "test/numbers" and recipe.weights_sha256 == "0" * 64
    assert made.snippets == 11 and made.ids == ("long", "other")


def test_batches_do_not_change_features(numbers, videos, tmp_path):
    for batch in (1, 7, 100):
        extract(str(videos), str(tmp_path / str(batch)), PLAN._replace(batch=batch), torch.device("cpu"))
        np.testing.assert_array_equal(np.load(str(tmp_path / str(batch) / "long.npy")),
                                      np.load(str(tmp_path / "1" / "long.npy")))


def test_videos_that_cannot_be_used_are_left_out_by_name(numbers, videos, tmp_path):
    (videos / "broken.mp4").write_bytes(b"x" * 50)
    write_clip(videos / "short.mkv", np.arange(5) * 40)
    with pytest.warns(DataWarning) as told:
        made = extract(str(videos), str(tmp_path / "out"), PLAN._replace(rate=25.0), torch.device("cpu"))
    assert made.ids == ("long", "other")
    assert {str(warning.message).split(":")[0] for warning in told} == {"broken", "short"}
    with pytest.raises(UserError, match="broken: .*stopped by --strict, without it: left out"):
        extract(str(videos), str(tmp_path / "out2"), PLAN, torch.device("cpu"), strict=True)


def test_new_videos_are_described_as_the_recipe_says(numbers, videos, tmp_path):
    extract(str(videos), str(tmp_path / "first"), PLAN, torch.device("cpu"))
    again = plan_of(read_recipe(str(tmp_path / "first")), "first", batch=2)
    extract(str(videos), str(tmp_path / "second.h5"), again, torch.device("cpu"))
    assert read_recipe(str(tmp_path / "second.h5")) == read_recipe(str(tmp_path / "first"))
    with pytest.raises(UserError, match="not those of the recipe"):
        extract(str(videos), str(tmp_path / "third"), again._replace(sha256="1" * 64), torch.device("cpu"))


@pytest.mark.parametrize("changes, words", [
    ({"backbone": "vgg"}, "--backbone must be one of r3d_18"), ({"window": 0}, "--window"), ({"rate": -1.0}, "--rate"),
    ({"batch": 0}, "--batch"), ({"stride": 0}, "--stride")])
def test_values_out_of_range(numbers, videos, tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        extract(str(videos), str(tmp_path / "out"), PLAN._replace(**changes), torch.device("cpu"))


@pytest.mark.parametrize("arguments, words", [
    (["--backbone", "vgg"], "--backbone must be one of"), (["--backbone", "r3d_18", "--bands", "3"], "--bands is for"),
    (["--backbone", "r3d_18", "--drop", "x"], "--drop is for"), ([], "--rate"), (["--like", "nothing"], "no recipe"),
])
def test_mistakes_on_the_command_line(tmp_path, capsys, arguments, words):
    (tmp_path / "a.mp4").write_bytes(b"x")
    assert call(["data", "features", tmp_path, "--output", tmp_path / "out"] + arguments) == 2
    assert words in capsys.readouterr().err
