"""Timeline pictures: ground truth against detections of one recording."""

import os
import warnings

from matplotlib import colors, patches
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from tad.data.naming import file_name
from tad.files import atomic_write, make_folder
from tad.report.subtitles import score_text

DRAWN = 60           # detections drawn for a recording, the best ones
FAINTEST = 0.2       # and none whose score is below this part of the recording's best
ANNOTATED, DETECTED = "#0072b2", "#e69f00"  # from Okabe and Ito's palette for every kind of colour vision
LONGEST_NAME = 40    # characters of a label or an id that are drawn
HEIGHT = 0.36        # of a bar, in rows
CLOCK_FROM_S = 180   # a longer recording has its axis in minutes and seconds
CLOCK_STEPS_S = (30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)


def draw_timelines(folder, truth, detections, classes, most=None, least=None):
    """One PNG for each recording, or for the ``most`` first ones; returns their paths.

    :param truth: list of :class:`tad.data.annotations.Recording`
    :param detections: id -> :class:`tad.postprocess.fusion.Detections` in seconds, best first.
    :param classes: class names in the order of the detections' labels.
    :param least: lowest score that is drawn; None for a part of each recording's best.
    """
    make_folder(folder)
    paths = []
    with warnings.catch_warnings():
        # Letters that the font lacks become boxes; one warning a letter and picture would say no more
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        for recording in [recording for recording in truth if recording.id in detections][:most]:
            paths.append(os.path.join(folder, file_name(recording.id) + ".png"))
            figure = timeline(recording, detections[recording.id], classes, least)
            with atomic_write(paths[-1], "wb") as stream:
                figure.savefig(stream, format="png", dpi=110)
    return paths


def timeline(recording, found, classes, least=None):
    """A figure with one row a class: annotated actions above, detections below with their scores.

    Rows stand in the order in which their actions begin; classes that were only detected come last.
    """
    shown, least = worth_drawing(found, least)
    labels = row_order(recording, shown, classes)
    row = {label: index for index, label in enumerate(labels)}
    end = _end(recording, shown)
    figure = Figure(figsize=(12, 1.3 + 0.5 * max(len(labels), 1)))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(1, 1, 1)
    for index in range(0, len(labels), 2):
        axes.axhspan(index - 0.5, index + 0.5, color="#f4f4f4", linewidth=0, zorder=0)
    for (start, stop), label in zip(recording.segments_s, recording.labels):
        axes.barh(row[label] - HEIGHT / 2, stop - start, left=start, height=HEIGHT, color=ANNOTATED,
                  edgecolor="white", linewidth=0.8, zorder=2)
    _draw_detections(axes, shown, [row[classes[label]] for label in shown.labels], end)
    _finish(axes, recording, labels, end, least)
    figure.tight_layout()
    return figure


def worth_drawing(found, least=None):
    """The detections that are drawn, and the lowest score among those that could be: ``least``, if it is given."""
    if least is None:
        least = FAINTEST * float(found.scores.max()) if len(found.scores) else 0.0
    return found.take(found.scores >= least).take(slice(0, DRAWN)), least


def row_order(recording, shown, classes):
    """Labels of the rows from top to bottom."""
    first = {}
    for (start, _), label in sorted(zip(recording.segments_s.tolist(), recording.labels)):
        first.setdefault(label, start)
    only_detected = {classes[label] for label in shown.labels} - set(first)
    return sorted(first, key=lambda label: (first[label], label)) + sorted(only_detected)


def _draw_detections(axes, shown, rows, end):
    """Bars that are the more opaque the surer they are, with the score where there is room for it."""
    written = []
    for index, (start, stop) in enumerate(shown.segments):
        part = float(shown.scores[index]) / max(float(shown.scores[0]), 1e-12)
        # Earlier ones are surer and lie on top
        axes.barh(rows[index] + HEIGHT / 2, stop - start, left=start, height=HEIGHT,
                  color=colors.to_rgba(DETECTED, 0.15 + 0.85 * part), edgecolor="white", linewidth=0.8,
                  zorder=4 - index / (index + 1.0))
        centre, reach = (start + stop) / 2, 0.02 * end
        free = all(place != rows[index] or abs(centre - other) > 2 * reach for place, other in written)
        if stop - start > 2 * reach and free:
            axes.text(centre, rows[index] + HEIGHT / 2, score_text(shown.scores[index]), fontsize=8, zorder=5,
                      ha="center", va="center")
            written.append((rows[index], centre))


def _finish(axes, recording, labels, end, least):
    axes.set_yticks(range(len(labels)))
    axes.set_yticklabels([_name(label) for label in labels], fontsize=10)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(max(len(labels), 1) - 0.5, -0.5)
    axes.set_xlim(0, end)
    axes.set_xlabel("seconds")
    if end > CLOCK_FROM_S:
        axes.set_xlabel("minutes:seconds")
        step = next((step for step in CLOCK_STEPS_S if end / step <= 10), end)
        axes.xaxis.set_major_locator(MultipleLocator(step))
        axes.xaxis.set_major_formatter(FuncFormatter(_clock))
    axes.set_title(_name(recording.id), loc="left", fontsize=12)
    # A recording that nobody has annotated needs no word on annotations
    annotated = [patches.Patch(color=ANNOTATED, label="annotated")] if recording.labels else []
    detected = patches.Patch(color=DETECTED, label="detected, score %s or more" % score_text(least))
    axes.legend(handles=annotated + [detected],
                loc="lower right", bbox_to_anchor=(1.0, 1.0), ncol=2, frameon=False, borderaxespad=0.2, fontsize=10)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _name(text):
    """A label or an id as it is drawn: not too long, and its dollars not taken for formulas."""
    text = text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME - 3] + "..."
    # Letters that are none (of file names that are not UTF-8) cannot be drawn
    return text.encode("utf-8", "replace").decode("utf-8").replace("$", r"\$")


def _end(recording, found):
    ends = [recording.duration_s or 0.0] + [float(end) for _, end in recording.segments_s]
    return max(ends + [float(end) for end in found.segments[:, 1]]) or 1.0


def _clock(seconds, _):
    return "%d:%02d" % divmod(int(round(seconds)), 60)
