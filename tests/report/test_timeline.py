"""Timeline pictures: what is drawn, in which order, and that odd names and empty recordings do not break them."""

import os

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from tad.data.annotations import Recording
from tad.postprocess.fusion import NOTHING, Detections
from tad.report.timeline import ANNOTATED, DRAWN, draw_timelines, row_order, timeline, worth_drawing

CLASSES = ("jump", "run", "sit", "wave")


def recording(name="rec", duration=30.0, rows=((12, 20, "run"), (2, 8, "sit"), (1, 3, "run"))):
    segments = np.array([row[:2] for row in rows], dtype=float).reshape(-1, 2)
    return Recording(name, "test", duration, None, segments, tuple(row[2] for row in rows))


def found(*rows):
    return Detections(np.array([row[:2] for row in rows], dtype=float).reshape(-1, 2),
                      np.array([CLASSES.index(row[2]) for row in rows], dtype=np.int64),
                      np.array([row[3] for row in rows], dtype=float))


def test_rows_follow_the_actions_and_detected_classes_come_last():
    figure = timeline(recording(), found((1, 3, "run", 0.9), (5, 9, "wave", 0.5)), CLASSES)
    axes, = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["run", "sit", "wave"]
    assert row_order(recording(), NOTHING, CLASSES) == ["run", "sit"]


def test_every_annotation_and_every_sure_detection_is_drawn_where_it_is():
    shown = [(1, 3, "run", 0.9), (5, 9, "wave", 0.5)]
    figure = timeline(recording(), found(*(shown + [(0, 30, "jump", 0.1)])), CLASSES)
    axes, = figure.axes
    bars = [bar for bar in axes.patches if isinstance(bar, Rectangle) and 0.3 < bar.get_height() < 0.5]
    spans = sorted((round(bar.get_x(), 6), round(bar.get_x() + bar.get_width(), 6)) for bar in bars)
    assert spans == sorted([(12, 20), (2, 8), (1, 3), (1, 3), (5, 9)])
    written = sorted(text.get_text() for text in axes.texts)
    assert written == ["0.50", "0.90"]
    assert axes.get_xlim() == (0, 30)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["annotated", "detected, score 0.18 or more"]


def test_only_detections_worth_a_look_are_drawn(rng):
    scores = np.sort(rng.uniform(0.9, 1.0, 200))[::-1]
    many = Detections(np.zeros((200, 2)), np.zeros(200, np.int64), scores)
    shown, _ = worth_drawing(many)
    assert len(shown.scores) == DRAWN and shown.scores[0] == scores[0]
    assert len(worth_drawing(NOTHING)[0].scores) == 0


def test_a_wish_for_fainter_ones_is_drawn_and_said_with_enough_digits():
    rows = found((1, 3, "run", 0.9), (5, 9, "wave", 0.0163), (5, 9, "sit", 0.0149))
    axes, = timeline(recording(), rows.take(slice(0, 2)), CLASSES, 0.015).axes
    assert sorted(text.get_text() for text in axes.texts) == ["0.016", "0.90"]
    assert axes.get_legend().get_texts()[-1].get_text() == "detected, score 0.015 or more"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["run", "sit", "wave"]
    shown, least = worth_drawing(rows, 0.015)
    assert len(shown.scores) == 2 and least == 0.015


def test_scores_never_overlap_each_other(rng):
    rows = [(start, start + 6, "run", 0.9 - 0.01 * start) for start in rng.uniform(0, 20, 30)]
    axes, = timeline(recording(), found(*sorted(rows, key=lambda row: -row[3])), CLASSES).axes
    places = sorted(text.get_position()[0] for text in axes.texts)
    assert len(places) > 1 and min(np.diff(places)) > 0.035 * 30


@pytest.mark.parametrize("name, label", [("a/b", "x"), ("$math", "a$b$"), ("$\\bad$", "$\\frac{$"),
                                         ("n" * 150, "l" * 200), ("sp ace", ""), ("caf\u00e9", "\u65e5\u672c")])
def test_names_that_need_care(tmp_path, name, label):
    truth = [recording(name, rows=((1, 5, label),))]
    path, = draw_timelines(str(tmp_path), truth, {name: Detections(np.array([[1.0, 4.0]]), np.zeros(1, np.int64),
                                                                    np.array([0.7]))}, (label,))
    assert os.path.dirname(path) == str(tmp_path)
    picture = imread(path)
    assert picture.shape[1] > 800
    drawn = np.abs(picture[..., :3] - np.array([int(ANNOTATED[i:i + 2], 16) / 255.0 for i in (1, 3, 5)])).max(axis=2)
    assert (drawn < 0.02).sum() > 500, "the annotated bar must be seen"


@pytest.mark.parametrize("truth, detections", [
    (recording(rows=()), NOTHING), (recording(duration=None, rows=()), NOTHING), (recording(), NOTHING),
    (recording(rows=()), found((1, 2, "run", 0.0))), (recording(rows=((3, 3, "run"), (5, 2, "sit"))), NOTHING),
    (recording(duration=7000.0), found((6000, 6900, "run", 1.0))),
])
def test_empty_and_odd_recordings_are_drawn(tmp_path, truth, detections):
    path, = draw_timelines(str(tmp_path), [truth], {"rec": detections}, CLASSES)
    assert imread(path).size > 0


def test_recordings_without_inference_have_no_picture(tmp_path):
    assert draw_timelines(str(tmp_path / "new"), [recording()], {}, CLASSES) == []
    assert os.path.isdir(str(tmp_path / "new"))


def test_only_so_many_are_drawn(tmp_path):
    truth = [recording(name) for name in "abcd"]
    paths = draw_timelines(str(tmp_path), truth, {name: NOTHING for name in "bcd"}, CLASSES, 2)
    assert [os.path.basename(path) for path in paths] == ["b.png", "c.png"] == sorted(os.listdir(str(tmp_path)))
    assert draw_timelines(str(tmp_path / "none"), truth, {"a": NOTHING}, CLASSES, 0) == []


def test_long_recordings_are_told_in_minutes():
    figure = timeline(recording(duration=700.0), NOTHING, CLASSES)
    figure.canvas.draw()
    axes, = figure.axes
    assert axes.get_xlabel() == "minutes:seconds"
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert {"0:00", "2:00", "10:00"} <= set(shown) and all(text.endswith(":00") for text in shown)
    timeline(recording(duration=1e6), NOTHING, CLASSES).canvas.draw()
