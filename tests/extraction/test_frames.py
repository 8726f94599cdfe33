"""Frames at an even rate, whatever the video's own."""

import os

import numpy as np
import pytest

from tad.errors import UserError
from tad.extraction.frames import VideoError, common_rate, find_videos, frame_rate, read_frames
from tests.extraction.clips import number_of, write_clip

pytest.importorskip("av", reason="PyAV is not installed")


@pytest.fixture
def even(tmp_path):
    """60 frames, 25 a second."""
    return write_clip(tmp_path / "even.mkv", np.arange(60) * 40)


def numbers(path, rate):
    return [number_of(image) for image in read_frames(path, rate)]


def test_at_its_own_rate_every_frame_comes_once(even):
    assert frame_rate(even) == pytest.approx(25, rel=1e-3)
    assert numbers(even, 25.0) == list(range(60))
    image = next(iter(read_frames(even, 25.0)))
    assert image.shape == (48, 64, 3) and image.dtype == np.uint8


@pytest.mark.parametrize("rate, expected", [
    (12.5, list(range(0, 60, 2))), (50.0, [number for number in range(60) for _ in range(2)]),
    (5.0, list(range(0, 60, 5)))])
def test_other_rates_drop_or_repeat_frames(even, rate, expected):
    assert numbers(even, rate) == expected


def test_rounded_timestamps_still_give_every_frame(tmp_path):
    path = write_clip(tmp_path / "ntsc.mkv", np.round(np.arange(60) * 1001 / 30.0), rate=30)
    assert numbers(path, 30000 / 1001.0) == list(range(60))


def test_uneven_frames_are_held_until_the_next(tmp_path):
    path = write_clip(tmp_path / "uneven.mkv", [0, 40, 80, 200, 240, 1000])
    found = numbers(path, 25.0)
    assert found[:8] == [0, 1, 2, 2, 2, 3, 4, 4] and found[24] == 4 and found[25] == 5


def test_time_begins_with_the_first_frame(tmp_path):
    path = write_clip(tmp_path / "late.mkv", 5000 + np.arange(10) * 40)
    assert numbers(path, 25.0) == list(range(10))


@pytest.mark.parametrize("content, words", [(b"", "cannot be opened"), (b"no video" * 100, "cannot be opened")])
def test_what_is_no_video_is_said(tmp_path, content, words):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=words):
        list(read_frames(str(tmp_path / "a.mp4"), 25.0))


def test_videos_are_found_by_their_endings(tmp_path, even):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "B.MP4").write_bytes(b"x")
    assert find_videos(str(tmp_path)) == {"even": even, "B": str(tmp_path / "B.MP4")}
    assert find_videos(even) == {"even": even}
    (tmp_path / "B.avi").write_bytes(b"x")
    with pytest.raises(UserError, match="two videos 'B'"):
        find_videos(str(tmp_path))
    os.mkdir(str(tmp_path / "empty"))
    for path, words in ((tmp_path / "empty", "holds no video"), (tmp_path / "absent", "there are no videos")):
        with pytest.raises(UserError, match=words):
            find_videos(str(path))


def test_one_rate_is_found_and_two_are_refused(tmp_path, even):
    (tmp_path / "broken.mp4").write_bytes(b"x")
    told = []

    def tell(kind, name, text, done):
        told.append((kind, name, done))

    assert common_rate(find_videos(str(tmp_path)), tell) == pytest.approx(25, rel=1e-3)
    assert told == [("unreadable", "broken", "left out")]
    write_clip(tmp_path / "slow.mkv", np.arange(20) * 100, rate=10)
    with pytest.raises(UserError, match="different frame rates.*--rate"):
        common_rate(find_videos(str(tmp_path)), tell)
