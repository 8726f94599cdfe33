"""Timeline pictures: ground truth against detections of one recording."""

import os

from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tad.files import atomic_write, make_folder

DRAWN = 60          # detections drawn for a recording, the best ones
PALETTE = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#edc948", "#9c755f", "#ff9da7", "#86bc86",
           "#bab0ac", "#d37295")


def draw_timelines(folder, truth, detections, classes):
    """One PNG for each recording; returns their paths.

    :param truth: list of :class:`tad.data.annotations.Recording`
    :param detections: id -> :class:`tad.postprocess.fusion.Detections` in seconds, best first.
    :param classes: class names in the order of the detections' labels.
    """
    make_folder(folder)
    paths = []
    for recording in truth:
        if recording.id in detections:
            # An id may hold a slash; the picture's name must not
            path = os.path.join(folder, recording.id.replace(os.sep, "_") + ".png")
            figure = timeline(recording, detections[recording.id], classes)
            with atomic_write(path, "wb") as stream:
                figure.savefig(stream, format="png", dpi=110)
            paths.append(path)
    return paths


def timeline(recording, found, classes):
    """A figure with one row a class: annotated actions above, detections below, more opaque the surer they are."""
    shown = found.take(slice(0, DRAWN))
    labels = sorted(set(recording.labels) | {classes[label] for label in shown.labels})
    row = {label: index for index, label in enumerate(labels)}
    figure = Figure(figsize=(12, 1.2 + 0.42 * max(len(labels), 1)))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(1, 1, 1)
    for (start, end), label in zip(recording.segments_s, recording.labels):
        axes.barh(row[label] - 0.2, end - start, left=start, height=0.34, color=_colour(row[label]),
                  edgecolor="black", linewidth=0.8)
    # Worst first, so that the surest lie on top
    for index in range(len(shown.scores))[::-1]:
        start, end = shown.segments[index]
        place = row[classes[shown.labels[index]]]
        opacity = min(1.0, 0.05 + 0.95 * float(shown.scores[index]))
        axes.barh(place + 0.2, end - start, left=start, height=0.34,
                  color=colors.to_rgba(_colour(place), opacity), edgecolor=(0, 0, 0, opacity), linewidth=0.6)
    axes.set_yticks(range(len(labels)))
    axes.set_yticklabels(labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlim(0, _end(recording, shown))
    axes.set_xlabel("seconds")
    axes.set_title("%s: annotated (upper bar of each row) and detected (lower bar, opacity = score)" % recording.id,
                   fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    return figure


def _colour(index):
    return PALETTE[index % len(PALETTE)]


def _end(recording, found):
    ends = [recording.duration_s or 0.0] + [float(end) for _, end in recording.segments_s]
    return max(ends + [float(end) for end in found.segments[:, 1]]) or 1.0
