"""Made-up features for real annotations, where the real ones are too large to have: same videos, actions and lengths.

Each class has a pattern over the channels. Where its action lasts, the pattern rises and falls over its blurred
boundaries, louder in one instance than in another; what all actions have in common makes classes alike. Each recording
has an offset of its own, and noise that is partly shared by neighbouring snippets. Such features say nothing about the
accuracy of a detector on real ones; they show whether one learns at all, and how long it takes.
"""

import zlib
from typing import NamedTuple

import numpy as np

from tad.data.annotations import class_names, read_annotations
from tad.data.feature_writer import check_output, feature_writer
from tad.data.naming import count, shortened
from tad.data.recipe import Recipe, write_recipe
from tad.data.timegrid import TimeGrid
from tad.errors import UserError

ALIKE = 0.5           # part of a class pattern that all actions share
LOUDNESS = (0.6, 1.4)  # of an instance, times its pattern
OFFSET = 0.5          # deviation of a recording's own offset, of the noise
CARRIED = 0.6         # part of a snippet's noise that the next one has too
BLOCK_ROWS = 1024


class Imitation(NamedTuple):
    """What is made up: ``fps`` is for recordings that have none of their own.

    ``noise`` is its deviation, where a pattern's is 1; an action begins and ends over ``blur_s`` seconds.
    """

    channels: int = 16
    stride: int = 8
    window: int = 8
    fps: float = 25.0
    noise: float = 1.0
    blur_s: float = 0.5
    seed: int = 0
    subsets: tuple = ()


def imitate(annotations, output, options, overwrite=False):
    """Write features of every recording of an annotation file, with a recipe.

    A recording's features depend on the seed, its id and its actions, and not on which others are written.

    :param annotations: path of an annotation file.
    :param output: folder for ``ID.npy``, or an HDF5 file.
    :param options: :class:`Imitation`
    :returns: dict id -> snippets.
    :raises UserError: a number that makes no sense, a recording of unknown duration, an output that holds something.
    """
    _check(options)
    recordings = list(read_annotations(annotations).values())
    classes = class_names(recordings)
    if not classes:
        raise UserError("%s has no annotated action to make features for" % annotations)
    present = {recording.subset for recording in recordings}
    strange = [name for name in options.subsets if name not in present]
    if strange:
        raise UserError("%s has no recording in subset '%s'; its subsets are: %s"
                        % (annotations, strange[0], ", ".join("'%s'" % name for name in sorted(present))))
    chosen = [one for one in recordings if not options.subsets or one.subset in options.subsets]
    endless = [one.id for one in chosen if one.duration_s is None]
    if endless:
        raise UserError("%s says no duration of %s (%s), without which nobody knows how many snippets there are"
                        % (annotations, count(len(endless), "recording"), shortened(endless)))
    check_output(output, annotations, overwrite)
    patterns = _patterns(len(classes), options)
    lengths = {one.id: snippets_of(one, options) for one in chosen}
    with feature_writer(output) as write:
        for one in chosen:
            write(one.id, _blocks(one, lengths[one.id], dict(zip(classes, patterns)), options), lengths[one.id],
                  options.channels)
    rates = {one.fps or options.fps for one in chosen}
    write_recipe(output, Recipe(
        made_by="tad data synthesize --annotations, seed %d" % options.seed, source="made-up numbers",
        fps=rates.pop() if len(rates) == 1 else None, stride=options.stride, window=options.window,
        width=options.channels, layout="TC", dtype="float32"))
    return lengths


def snippets_of(recording, options):
    """Whole windows in a recording, at least one."""
    frames = recording.duration_s * (recording.fps or options.fps)
    return max(1, int((frames - options.window) // options.stride) + 1)


def _check(options):
    for name, low in (("channels", 1), ("stride", 1), ("window", 1), ("seed", 0)):
        if getattr(options, name) < low:
            raise UserError("--%s must be at least %d, not %d" % (name, low, getattr(options, name)))
    for name, value, low in (("fps", options.fps, 1e-6), ("noise", options.noise, 0), ("blur", options.blur_s, 0)):
        if not low <= value < float("inf"):
            raise UserError("--%s must be a number %s, not %g"
                            % (name, "of 0 or more" if low == 0 else "above 0", value))


def _patterns(classes, options):
    """A pattern for each class, ``(K, C)``, each of deviation 1, all with a part in common."""
    rng = np.random.RandomState(options.seed)
    patterns = ALIKE * rng.standard_normal(options.channels) + rng.standard_normal((classes, options.channels))
    return patterns / np.sqrt((patterns ** 2).mean(axis=1, keepdims=True))


def _blocks(recording, snippets, patterns, options):
    """The features of one recording, float32 ``(T', C)`` block by block."""
    rng = np.random.RandomState([options.seed, zlib.crc32(recording.id.encode("utf-8"))])
    grid = TimeGrid.from_frames(recording.fps or options.fps, options.stride, options.window)
    loudness = rng.uniform(*LOUDNESS, size=len(recording.labels))
    offset = OFFSET * options.noise * rng.standard_normal(options.channels)
    carried = rng.standard_normal(options.channels)
    for first in range(0, snippets, BLOCK_ROWS):
        times = grid.to_seconds(np.arange(first, min(snippets, first + BLOCK_ROWS)))
        noise = np.empty((len(times), options.channels))
        for row, fresh in enumerate(rng.standard_normal(noise.shape)):
            carried = CARRIED * carried + np.sqrt(1 - CARRIED ** 2) * fresh
            noise[row] = carried
        block = offset + options.noise * noise
        for (start, end), label, loud in zip(recording.segments_s, recording.labels, loudness):
            envelope = _envelope(times, start, end, max(options.blur_s, 1e-6))
            inside = np.flatnonzero(envelope > 1e-3)
            block[inside] += loud * envelope[inside, None] * patterns[label]
        yield block.astype(np.float32)


def _envelope(times, start, end, blur):
    """From 0 outside to 1 inside an action; one half at its boundaries, where it rises in about ``blur`` seconds."""
    nearest = np.minimum(times - start, end - times)
    return 1 / (1 + np.exp(-np.clip(4 * nearest / blur, -50, 50)))
