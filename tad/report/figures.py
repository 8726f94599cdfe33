"""The charts of a report as PNG and SVG, for papers."""

import os
import re
import warnings

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tad.files import atomic_write, make_folder
from tad.report.compare import RECALLS
from tad.report.kinds import KINDS, UNCOUNTED, profile

# Okabe and Ito's palette, for every kind of colour vision
RUN_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
RUN_STYLES = ("-", "--", ":", "-.")
KIND_COLOURS = ("#009e73", "#56b4e9", "#d55e00", "#e69f00", "#cc79a7", "#999999")
LONGEST_NAME = 40
MOST_CLASSES = 60  # bars that can still be read on one page


def draw_figures(folder, comparison):
    """Write every chart as ``NAME.png`` and ``NAME.svg``; returns the paths of the PNG files.

    :param comparison: :class:`tad.report.compare.Comparison`
    """
    make_folder(folder)
    results = comparison.results
    figures = {"precision-recall": precision_recall(comparison), "ar-an": recall_curves(comparison),
               "classes": class_bars(comparison)}
    for result, name in zip(results, file_names(results)):
        figures["errors-" + name] = error_bars(comparison, result)
        figures["lengths-" + name] = length_bars(comparison, result)
        if gains(result.diagnosis):
            figures["gains-" + name] = gain_bars(result, gains(result.diagnosis))
        for key, buckets in sorted(characteristics(result.diagnosis).items()):
            figures["by-%s-%s" % (plain(key), name)] = bucket_bars(result, key, buckets)
    return [path for name, figure in figures.items() for path in _save(os.path.join(folder, name), figure)]


def file_names(results):
    """A file name for each run; numbered where two names would be one."""
    names = []
    for index, result in enumerate(results):
        name = plain(result.run.name)
        names.append(name if name and name not in names else "%s-%d" % (name, index + 1))
    return names


def plain(text):
    """Letters, digits, dots and dashes of a text, as part of a file name."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")


def precision_recall(comparison):
    """Interpolated precision at each recall, the mean of all classes, at each threshold; a panel a run."""
    results = comparison.results
    figure = Figure(figsize=(4.2 * len(results), 3.6))
    FigureCanvasAgg(figure)
    for column, result in enumerate(results):
        axes = figure.add_subplot(1, len(results), column + 1)
        mean = result.precision.mean(axis=0)
        for index, threshold in enumerate(comparison.thresholds):
            strength = 1 - 0.75 * index / max(1, len(comparison.thresholds) - 1)
            axes.plot(RECALLS, mean[index], color=RUN_COLOURS[0], alpha=strength,
                      label="tIoU %g: mAP %.3f" % (threshold, result.mean_ap[index]))
        _finish(axes, "recall", "precision", _name(result.run.name) if len(results) > 1 else "")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.legend(frameon=False, fontsize=8)
    return figure


def recall_curves(comparison):
    """Average recall against the average number of proposals, a line a run."""
    figure, axes = _figure(4.6, 3.6)
    for index, result in enumerate(comparison.results):
        axes.plot(np.arange(1, len(result.recall) + 1), result.recall, color=RUN_COLOURS[index % len(RUN_COLOURS)],
                  linestyle=RUN_STYLES[index // len(RUN_COLOURS) % len(RUN_STYLES)],
                  label="%s: AR@100 %.3f" % (_name(result.run.name), result.recall[-1]))
    _finish(axes, "proposals a recording on average", "average recall", "")
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, fontsize=8)
    return figure


def class_bars(comparison):
    """Average AP of each class, the worst ones where there are many; a bar a run."""
    mean = np.mean([result.ap.mean(axis=1) for result in comparison.results], axis=0)
    shown = np.argsort(mean, kind="mergesort")[:MOST_CLASSES]
    figure, axes = _figure(6, 1.2 + 0.24 * len(shown) * max(1, 0.6 * len(comparison.results)))
    height = 0.8 / len(comparison.results)
    for index, result in enumerate(comparison.results):
        axes.barh(np.arange(len(shown)) + (index + 0.5) * height - 0.4, result.ap.mean(axis=1)[shown], height=height,
                  color=RUN_COLOURS[index % len(RUN_COLOURS)], label=_name(result.run.name))
    _rows(axes, [comparison.labels[label] for label in shown])
    _finish(axes, "average AP", "", "" if len(shown) == comparison.counted
            else "the %d worst of %d classes" % (len(shown), comparison.counted))
    axes.set_xlim(0, 1)
    if len(comparison.results) > 1:
        axes.legend(frameon=False, fontsize=8)
    return figure


def error_bars(comparison, result):
    """What the best detections are: shares of each kind among the best G of each class, the next G, ..., to 10 G."""
    counts = profile(result.ranking, result.kind[:len(result.ranking.found.labels)])
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _figure(5.2, 3.6)
    below = np.zeros(len(share))
    for kind in range(UNCOUNTED):
        axes.bar(np.arange(len(share)), share[:, kind], bottom=below, color=KIND_COLOURS[kind], label=KINDS[kind])
        below = below + share[:, kind]
    axes.set_xticks(range(len(share)))
    axes.set_xticklabels(["%dG" % (index + 1) for index in range(len(share))])
    _finish(axes, "detections, best first (G: instances of a class)", "part of them",
            "%s, tIoU %g" % (_name(result.run.name), comparison.at))
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def length_bars(comparison, result):
    """Part of the instances that no detection takes, in five bins of all instances' lengths."""
    lengths = np.maximum(comparison.truth.segments[:, 1] - comparison.truth.segments[:, 0], 0)
    ordered = np.sort(lengths)
    edges = ordered[[int(part * len(ordered)) for part in (0.2, 0.4, 0.6, 0.8)]]
    bins = np.searchsorted(edges, lengths, side="right")
    missed = np.isnan(result.reached)
    limits = [ordered[0]] + list(edges) + [ordered[-1]]
    figure, axes = _figure(5.2, 3.2)
    for index in range(len(edges) + 1):
        if (bins == index).any():
            axes.bar(index, missed[bins == index].mean(), color=RUN_COLOURS[0])
    axes.set_xticks(range(len(edges) + 1))
    axes.set_xticklabels(["%.3g-%.3g s" % pair for pair in zip(limits, limits[1:])], fontsize=8)
    _finish(axes, "length", "missed", "%s, tIoU %g, any score" % (_name(result.run.name), comparison.at))
    axes.set_ylim(0, 1)
    return figure


def gains(diagnosis):
    """Error type -> average mAP_N gained without it, of a ``diagnosis.json``; empty where it has none."""
    wrong = diagnosis.get("false_positives")
    found = wrong.get("gain") if isinstance(wrong, dict) else None
    return {str(key): float(value) for key, value in (found.items() if isinstance(found, dict) else ())
            if isinstance(value, (int, float))}


def gain_bars(result, gained):
    """What average mAP_N gains without the false positives of each type, as ``diagnosis.json`` has it."""
    figure, axes = _figure(5.2, 2.6)
    axes.barh(range(len(gained)), list(gained.values()), color=RUN_COLOURS[0])
    _rows(axes, list(gained))
    _finish(axes, "gain in average mAP_N", "", _name(result.run.name))
    return figure


def characteristics(diagnosis):
    """Name -> buckets of a ``diagnosis.json``, those with both numbers; what is not as documented is left aside."""
    found = diagnosis.get("characteristics")
    result = {}
    for key, value in (found.items() if isinstance(found, dict) else ()):
        buckets = value.get("buckets") if isinstance(value, dict) else None
        whole = [bucket for bucket in (buckets if isinstance(buckets, list) else ()) if isinstance(bucket, dict)
                 and all(isinstance(bucket.get(name), (int, float)) for name in ("average_mAP_N", "false_negatives"))]
        if whole:
            result[str(key)] = whole
    return result


def bucket_bars(result, key, buckets):
    """Normalized mAP and missed instances by one characteristic, as ``diagnosis.json`` has them."""
    figure, axes = _figure(5.2, 3.2)
    places = np.arange(len(buckets))
    for shift, name, colour, words in ((-0.2, "average_mAP_N", RUN_COLOURS[0], "average mAP_N"),
                                       (0.2, "false_negatives", "#999999", "missed")):
        axes.bar(places + shift, [bucket[name] for bucket in buckets], width=0.4, color=colour, label=words)
    axes.set_xticks(places)
    axes.set_xticklabels([_name(str(bucket.get("name", ""))) for bucket in buckets])
    _finish(axes, _name(key), "", _name(result.run.name))
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _figure(width, height):
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot(1, 1, 1)


def _rows(axes, names):
    axes.set_yticks(range(len(names)))
    axes.set_yticklabels([_name(name) for name in names], fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)


def _finish(axes, x_name, y_name, title):
    axes.set_xlabel(x_name)
    axes.set_ylabel(y_name)
    axes.set_title(title, fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _save(path, figure):
    with warnings.catch_warnings():
        # Letters that the font lacks become boxes; a warning a letter would say no more
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        for ending in ("png", "svg"):
            with atomic_write(path + "." + ending, "wb") as stream:
                figure.savefig(stream, format=ending, dpi=200, bbox_inches="tight")
    return [path + ".png"]


def _name(text):
    """A label as it is drawn: not too long, and its dollars not taken for formulas."""
    text = text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME - 3] + "..."
    return text.replace("$", r"\$")
