"""The durations of actions as text and as a picture."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from tad.files import atomic_write

BINS = 12
BAR = 40  # characters of the longest bar
BARS, MARKS = "#0072b2", ("#e69f00", "#009e73", "#cc79a7")  # Okabe and Ito's, for every kind of colour vision


def duration_bins(seconds):
    """Edges ``(n + 1,)`` of bins of equal ratio over the durations, and counts ``(n,)``; one bin if all are alike."""
    low, high = float(np.min(seconds)), float(np.max(seconds))
    if high / low < 1.01:
        return np.array([low, high]), np.array([len(seconds)])
    edges = np.geomspace(low, high, min(BINS, len(seconds)) + 1)
    places = np.clip(np.searchsorted(edges, seconds, side="right") - 1, 0, len(edges) - 2)
    return edges, np.bincount(places, minlength=len(edges) - 1)


def text_histogram(seconds):
    """Lines such as ``   2.1 to    4.3 s ########  12``."""
    edges, counts = duration_bins(seconds)
    most = counts.max()
    return ["%9.4g to %9.4g s %s %d" % (low, high, ("#" * int(np.ceil(BAR * count / float(most)))).ljust(BAR), count)
            for low, high, count in zip(edges, edges[1:], counts)]


def draw_histogram(path, seconds, marks):
    """Write a PNG.

    :param marks: list of (seconds, name) to draw as vertical lines.
    """
    edges, counts = duration_bins(seconds)
    if len(counts) == 1:
        edges = np.array([edges[0] / 1.1, edges[1] * 1.1])
    figure = Figure(figsize=(7, 3))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(1, 1, 1)
    axes.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=BARS, edgecolor="white")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: "%g" % value))
    for (place, name), colour in zip(marks, MARKS):
        axes.axvline(place, color=colour, linewidth=2, label="%s: %.3g s" % (name, place))
    axes.set_xlabel("duration of a training action in seconds")
    axes.set_ylabel("actions")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.25), ncol=len(marks), frameon=False, fontsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    with atomic_write(path, "wb") as stream:
        figure.savefig(stream, format="png", dpi=110, bbox_inches="tight")
