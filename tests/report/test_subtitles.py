"""CSV and subtitles: what is written can be read again by the rules of the formats."""

import csv
import re

import numpy as np
import pytest

from tad.postprocess.fusion import NOTHING, Detections
from tad.report.subtitles import score_text, write_csv, write_srt, write_vtt

CLASSES = ("jump", 'say "hi", <b>&', "a\n\n--> b")
CUE = re.compile(r"(\d\d+):(\d\d):(\d\d)[,.](\d{3}) --> (\d\d+):(\d\d):(\d\d)[,.](\d{3})$")


def random_found(rng, count, longest=40000.0):
    segments = np.sort(rng.uniform(0, longest, (count, 2)), axis=1)
    return Detections(segments, rng.randint(0, 3, count), np.sort(rng.random_sample(count))[::-1])


def seconds(words):
    hours, minutes, rest, milliseconds = (int(word) for word in words)
    assert minutes < 60 and rest < 60
    return 3600 * hours + 60 * minutes + rest + milliseconds / 1000.0


@pytest.mark.parametrize("write, mark", [(write_srt, ","), (write_vtt, ".")])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_cues_hold_every_detection_in_the_order_of_time(tmp_path, rng, write, mark, count):
    found = random_found(rng, count)
    path = str(tmp_path / "a")
    write(path, found, CLASSES)
    with open(path, encoding="utf-8") as stream:
        blocks = [block.splitlines() for block in stream.read().split("\n\n") if block.strip()]
    if write is write_vtt:
        assert blocks.pop(0) == ["WEBVTT"]
    else:
        assert [block.pop(0) for block in blocks] == [str(number) for number in range(1, count + 1)]
    assert len(blocks) == count
    times = []
    for clock, text in blocks:
        match = CUE.match(clock)
        assert match and clock[clock.index(" -->") - 4] == mark
        times.append((seconds(match.groups()[:4]), seconds(match.groups()[4:])))
        assert "-->" not in text and re.search(r" \([\d.e-]+\)$", text)
        assert write is write_srt or "<" not in text and not re.search("&(?!amp;|lt;|gt;)", text)
    np.testing.assert_allclose(np.reshape(times, (-1, 2)), found.segments[np.argsort(found.segments[:, 0])], atol=6e-4)


def test_a_cue_lasts_at_least_a_millisecond(tmp_path):
    write_srt(str(tmp_path / "a"), Detections(np.array([[3.9999, 4.0]]), np.zeros(1, int), np.ones(1)), CLASSES)
    assert "00:00:04,000 --> 00:00:04,001" in (tmp_path / "a").read_text()


def test_csv_reads_back(tmp_path, rng):
    given = {"rec, 1": random_found(rng, 20), "\u65e5": random_found(rng, 1), "none": NOTHING}
    path = str(tmp_path / "a.csv")
    write_csv(path, given, CLASSES)
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows.pop(0) == ["recording", "start", "end", "label", "score"]
    for name, found in given.items():
        mine = [row for row in rows if row[0] == name]
        assert [row[3] for row in mine] == [CLASSES[label] for label in found.labels]
        np.testing.assert_allclose([[float(row[1]), float(row[2])] for row in mine] or np.zeros((0, 2)),
                                   found.segments, atol=6e-5)
        np.testing.assert_allclose([float(row[4]) for row in mine], found.scores, atol=6e-7)


@pytest.mark.parametrize("score, text", [(1.0, "1.00"), (0.345, "0.34"), (0.1, "0.10"), (0.0944, "0.094"),
                                         (0.0151, "0.015"), (0.004, "0.004"), (0.00002, "2e-05"), (0.0, "0.00")])
def test_a_low_score_keeps_two_digits(score, text):
    assert score_text(score) == text
