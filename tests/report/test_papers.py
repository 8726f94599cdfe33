"""Figures and tables for papers."""

import csv
import os

import numpy as np
import pytest
from matplotlib.image import imread

from tad.report.compare import compare
from tad.report.figures import class_bars, draw_figures, error_bars, file_names, length_bars, precision_recall
from tad.report.inputs import Asked, read_runs
from tad.report.paper_tables import latex_text, write_tables
from tests.report.made import HOSTILE, make_data, write_run

DIAGNOSIS = {"false_positives": {"gain": {"localization": 0.1, "odd": None}},
             "characteristics": {"length": {"buckets": [
                 {"name": "XS", "average_mAP_N": 0.2, "false_negatives": 0.4},
                 {"name": "XL", "average_mAP_N": None, "false_negatives": None}]}, "odd": 3}}


def two_runs(tmp_path, rng, **options):
    annotations, detections = make_data(rng, **options)
    other = make_data(rng, **options)[1]
    folders = [write_run(tmp_path / name, annotations, found) for name, found in (("a", detections), ("b", other))]
    found = compare(read_runs(folders, Asked()))
    found.results[0] = found.results[0]._replace(diagnosis=DIAGNOSIS)
    return found


def read_table(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_every_chart_is_written_in_both_formats(tmp_path, rng):
    paths = draw_figures(str(tmp_path / "figures"), two_runs(tmp_path, rng))
    names = {os.path.basename(path)[:-4] for path in paths}
    assert names == {"precision-recall", "ar-an", "classes", "errors-a", "errors-b", "lengths-a", "lengths-b",
                     "gains-a", "by-length-a",
                     # The other run has no diagnosis of its own, and gets one made
                     "gains-b", "by-length-b", "by-coverage-b", "by-num-instances-b"}
    for path in paths:
        assert imread(path).shape[1] > 300
        with open(path[:-4] + ".svg", encoding="utf-8") as stream:
            assert "<svg" in stream.read()


def test_charts_hold_the_numbers(tmp_path, rng):
    found = two_runs(tmp_path, rng)
    result = found.results[1]
    curve = precision_recall(found).axes[1].lines[2]
    np.testing.assert_array_equal(curve.get_ydata(), result.precision[:, 2].mean(axis=0))
    heights = [bar.get_height() for bar in error_bars(found, result).axes[0].patches]
    assert abs(sum(heights[::10]) - 1) < 1e-9, "the parts of the first bar make a whole"
    lengths = [bar.get_height() for bar in length_bars(found, result).axes[0].patches]
    assert len(lengths) == 5 and abs(np.mean(lengths) - np.isnan(result.reached).mean()) < 1e-9
    widths = sorted(bar.get_width() for bar in class_bars(found).axes[0].patches)
    np.testing.assert_allclose(widths, sorted(np.concatenate([each.ap.mean(axis=1) for each in found.results])))


def test_hostile_names_are_drawn_and_written(tmp_path, rng):
    found = two_runs(tmp_path, rng, labels=HOSTILE, ids=HOSTILE, recordings=len(HOSTILE))
    draw_figures(str(tmp_path / "figures"), found)
    write_tables(str(tmp_path / "tables"), found)
    rows = read_table(str(tmp_path / "tables"), "classes.csv")
    assert {row[0] for row in rows[1:]} <= set(HOSTILE)


def test_one_instance_and_no_detection_are_drawn(tmp_path, rng):
    draw_figures(str(tmp_path / "figures"), two_runs(tmp_path, rng, recordings=1, actions=1, detections=0))


def test_tables_hold_the_numbers(tmp_path, rng):
    found = two_runs(tmp_path, rng)
    folder = str(tmp_path / "tables")
    assert len(write_tables(folder, found)) == 6
    head, first, second = read_table(folder, "summary.csv")
    assert head[:3] == ["run", "mAP@0.3", "mAP@0.4"] and [first[0], second[0]] == ["a", "b"]
    np.testing.assert_allclose([float(cell) for cell in second[1:6]], found.results[1].mean_ap, atol=1e-6)
    errors = read_table(folder, "errors.csv")
    assert sum(int(cell) for row in errors[1:] if row[1] == "a" for cell in row[2:]) == 80
    classes = read_table(folder, "classes.csv")
    assert sum(int(row[2]) for row in classes[1:] if row[1] == "a") == len(found.truth.labels)
    with open(os.path.join(folder, "summary.tex"), encoding="utf-8") as stream:
        lines = stream.read().splitlines()
    assert lines[0] == r"\begin{tabular}{l%s}" % ("r" * 10) and lines[-1] == r"\end{tabular}"
    assert all(line.count(" & ") == 10 for line in lines if line.endswith(r"\\"))


@pytest.mark.parametrize("text, expected", [("a_b & 5 %", r"a\_b \& 5 \%"), ("$x^2$", r"\$x\textasciicircum{}2\$"),
                                            ("\\input{x}", r"\textbackslash{}input\{x\}"), ("two\nlines", "two lines"),
                                            ("#~<>", r"\#\textasciitilde{}\textless{}\textgreater{}")])
def test_latex_takes_names_as_they_are(text, expected):
    assert latex_text(text) == expected


def test_file_names_differ(tmp_path):
    class Named:
        def __init__(self, name):
            self.run = self
            self.name = name

    assert file_names([Named(name) for name in ("a/b", "a b", "../..", "x")]) == ["a-b", "a-b-2", "-3", "x"]
