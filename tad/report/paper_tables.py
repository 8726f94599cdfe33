"""The tables of a report as CSV, and as LaTeX that needs no package."""

import csv
import os
import re

import numpy as np

from tad.evaluation.thresholds import threshold_name
from tad.files import atomic_write, make_folder
from tad.report.kinds import KINDS, UNCOUNTED

_LATEX = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
          "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
          ">": r"\textgreater{}", '"': r"\textquotedbl{}"}


def write_tables(folder, comparison):
    """Write ``summary`` (a line a run), ``classes`` (a line a class and run) and ``errors`` (detections of each kind),
    each as ``.csv`` and ``.tex``; returns the paths.

    :param comparison: :class:`tad.report.compare.Comparison`
    """
    make_folder(folder)
    paths = []
    for name, (head, rows) in (("summary", summary_rows(comparison)), ("classes", class_rows(comparison)),
                               ("errors", error_rows(comparison))):
        for ending, write in ((".csv", _write_csv), (".tex", _write_latex)):
            paths.append(os.path.join(folder, name + ending))
            write(paths[-1], head, rows)
    return paths


def summary_rows(comparison):
    """Heading and rows: mAP at each threshold, their mean, AR@100, numbers."""
    head = ["run"] + ["mAP@" + threshold_name(value) for value in comparison.thresholds] + [
        "average mAP", "AR@100", "recordings", "instances", "detections"]
    return head, [[result.run.name] + result.mean_ap.tolist() + [
        float(result.mean_ap.mean()), float(result.recall[-1]), comparison.scored, len(comparison.truth.labels),
        result.scored] for result in comparison.results]


def class_rows(comparison):
    """Heading and rows: AP of each class, and the part of its instances that no detection of any score takes."""
    head = ["class", "run", "instances"] + ["AP@" + threshold_name(value) for value in comparison.thresholds] + [
        "average AP", "missed"]
    rows = []
    for label in range(comparison.counted):
        own = comparison.truth.labels == label
        for result in comparison.results:
            rows.append([comparison.labels[label], result.run.name, int(own.sum())] + result.ap[label].tolist() + [
                float(result.ap[label].mean()), float(np.isnan(result.reached[own]).mean())])
    return head, rows


def error_rows(comparison):
    """Heading and rows: of each class how many detections, of any score, are of each kind."""
    head = ["class", "run"] + list(KINDS)
    rows = []
    for label, name in enumerate(comparison.labels):
        for result in comparison.results:
            of_kind = np.bincount(result.kind[result.found.labels == label], minlength=UNCOUNTED + 1)
            rows.append([name, result.run.name] + of_kind.tolist())
    return head, rows


def latex_text(text):
    """Text with every letter that means something to LaTeX escaped; line ends become spaces."""
    return "".join(_LATEX.get(letter, letter) for letter in re.sub(r"\s+", " ", text))


def _write_csv(path, head, rows):
    with atomic_write(path) as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(head)
        table.writerows([["%.6f" % cell if isinstance(cell, float) else cell for cell in row] for row in rows])


def _write_latex(path, head, rows):
    words = sum(isinstance(cell, str) for cell in rows[0])
    lines = [r"\begin{tabular}{%s}" % ("l" * words + "r" * (len(head) - words)), r"\hline", _latex_line(head),
             r"\hline"]
    lines += [_latex_line(row) for row in rows] + [r"\hline", r"\end{tabular}"]
    with atomic_write(path) as stream:
        stream.write("\n".join(lines) + "\n")


def _latex_line(cells):
    return " & ".join(latex_text(cell) if isinstance(cell, str) else "%.3f" % cell if isinstance(cell, float)
                      else "%d" % cell for cell in cells) + r" \\"
