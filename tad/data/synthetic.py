"""A small made-up data set with known actions, for tutorials and tests: nothing to download, learned in a minute."""

import csv
import os
from typing import NamedTuple

import numpy as np

from tad.data.recipe import Recipe, write_recipe
from tad.data.timegrid import TimeGrid
from tad.errors import UserError
from tad.files import atomic_write, make_folder, write_json

LABELS = ("wave", "nod", "clap", "jump", "turn", "point", "sit", "bow")
ACTION_SNIPPETS = (6, 18)   # shortest and longest action
GAP_SNIPPETS = (4, 12)      # background between two of them
LOUDNESS = 2.5              # of an action's channels, in deviations of the noise


class Synthesis(NamedTuple):
    """What is made up: so many recordings, the last ``tested`` of them the subset ``validation``."""

    recordings: int = 12
    tested: int = 3
    snippets: int = 200
    channels: int = 16
    classes: int = 3
    fps: float = 25.0
    stride: int = 8
    window: int = 8
    seed: int = 0


def synthesize(folder, options):
    """Write ``features/ID.npy`` with a recipe, ``annotations.json`` and the same actions as ``annotations.csv``.

    Each class has a pattern over the channels that fades in and out over an action; the rest is noise.

    :param folder: made if it is missing; files of an earlier call are replaced.
    :param options: :class:`Synthesis`
    :raises UserError: a number that makes no sense, or a folder that holds other features.
    """
    _check(options)
    features = os.path.join(folder, "features")
    make_folder(features)
    names = ["rec_%02d" % (number + 1) for number in range(options.recordings)]
    strange = sorted(set(os.listdir(features)) - {name + ".npy" for name in names} - {"recipe.json"})
    if strange:
        raise UserError("%s holds something else already, %s for one; give another folder" % (features, strange[0]))
    rng = np.random.RandomState(options.seed)
    patterns = rng.standard_normal((options.classes, options.channels))
    patterns *= LOUDNESS / np.sqrt((patterns ** 2).mean(axis=1, keepdims=True))
    grid = TimeGrid.from_frames(options.fps, options.stride, options.window)
    database, rows = {}, []
    for number, name in enumerate(names):
        subset = "validation" if number >= options.recordings - options.tested else "training"
        array, actions = _recording(options, patterns, rng)
        with atomic_write(os.path.join(features, name + ".npy"), "wb") as stream:
            np.save(stream, array)
        annotations = [{"segment": [round(float(grid.to_seconds(edge - 0.5)), 3) for edge in (start, end)],
                        "label": LABELS[label]} for start, end, label in actions]
        duration = ((options.snippets - 1) * options.stride + options.window) / options.fps
        database[name] = {"subset": subset, "duration": round(duration, 3), "fps": options.fps,
                          "annotations": annotations}
        rows += [(name, "%.3f" % one["segment"][0], "%.3f" % one["segment"][1], one["label"], subset)
                 for one in annotations]
    write_recipe(features, Recipe(
        made_by="tad data synthesize, seed %d" % options.seed, source="made-up numbers", fps=options.fps,
        stride=options.stride, window=options.window, width=options.channels, layout="TC", dtype="float32"))
    write_json(os.path.join(folder, "annotations.json"), {"version": "1", "database": database})
    _write_csv(os.path.join(folder, "annotations.csv"), rows)


def _check(options):
    for name, low in (("recordings", 2), ("tested", 1), ("snippets", 40), ("channels", 1), ("classes", 1),
                      ("stride", 1), ("window", 1)):
        if getattr(options, name) < low:
            raise UserError("--%s must be at least %d, not %d" % (name, low, getattr(options, name)))
    if options.classes > len(LABELS):
        raise UserError("--classes must be at most %d, not %d" % (len(LABELS), options.classes))
    if options.tested >= options.recordings:
        raise UserError("--tested must be below --recordings (%d), not %d" % (options.recordings, options.tested))
    if not 0 < options.fps < float("inf"):
        raise UserError("--fps must be a number above 0, not %g" % options.fps)


def _recording(options, patterns, rng):
    """Features ``(T, C)`` float32, and a list of (first snippet, one past the last, class)."""
    array = rng.standard_normal((options.snippets, options.channels))
    actions, place = [], rng.randint(*GAP_SNIPPETS)
    while place + ACTION_SNIPPETS[1] < options.snippets:
        end = place + rng.randint(ACTION_SNIPPETS[0], ACTION_SNIPPETS[1] + 1)
        label = rng.randint(options.classes)
        fade = np.sin(np.pi * (np.arange(place, end) - place + 0.5) / (end - place)) ** 0.5
        array[place:end] += fade[:, None] * patterns[label]
        actions.append((place, end, label))
        place = end + rng.randint(*GAP_SNIPPETS)
    return array.astype(np.float32), actions


def _write_csv(path, rows):
    with atomic_write(path) as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(("recording", "start", "end", "label", "subset"))
        table.writerows(rows)
