"""Whether arrays are ``(T, C)`` or ``(C, T)``: decided by evidence that is told, or not at all."""

from collections import Counter
from typing import Dict, NamedTuple, Optional, Tuple

import numpy as np

from tad.data.naming import count
from tad.errors import UserError

LAYOUTS = ("TC", "CT")
WORDS = {"TC": "(snippets, channels)", "CT": "(channels, snippets)"}
_MOST, _FEW = 0.8, 0.5  # parts of the recordings that agree in an axis that is, or is not, the channels
_CLOSE = 0.1  # relative distance of an axis from the number of snippets that a duration asks for


class Evidence(NamedTuple):
    """What durations tell: recording -> expected snippets, or, without a rate, recording -> seconds."""

    snippets: Optional[Dict[str, float]] = None
    durations: Optional[Dict[str, float]] = None


def decide(shapes, evidence, told=None, where="the features"):
    """The layout of some arrays and the sentence that says why.

    :param shapes: dict id -> two lengths.
    :param told: a layout that the user knows.
    :raises UserError: the arrays do not tell.
    """
    if told is not None:
        return told, "read as %s: as --layout says" % WORDS[told]
    found = _constant_axis(shapes) or _expected_axis(shapes, evidence.snippets) or _growing_axis(shapes,
                                                                                                evidence.durations)
    if found is not None:
        return found
    example = next(iter(shapes.items()))
    raise UserError("cannot tell whether %s are (snippets, channels) or (channels, snippets), for example '%s' "
                    "of shape %s; give --layout TC or --layout CT, or the durations (--annotations or --durations, "
                    "with --fps and --stride)" % (where, example[0], tuple(example[1])))


def _commonest(lengths):
    value, times = Counter(lengths).most_common(1)[0]
    return value, times / float(len(lengths))


def _constant_axis(shapes):
    """One axis has the same length in (nearly) all recordings and the other has not."""
    if len(shapes) < 3:
        return None
    axes = [[shape[axis] for shape in shapes.values()] for axis in (0, 1)]
    parts = [_commonest(lengths) for lengths in axes]
    for channels, layout in ((1, "TC"), (0, "CT")):
        other = axes[1 - channels]
        if parts[channels][1] >= _MOST and parts[1 - channels][1] <= _FEW:
            return layout, ("read as %s: the %s axis is %d in %s, the other one runs from %d to %d"
                            % (WORDS[layout], ("first", "second")[channels], parts[channels][0],
                               _so_many(parts[channels][1], len(shapes)), min(other), max(other)))
    return None


def _so_many(part, total):
    agreeing = int(round(part * total))
    return "all %s" % count(total, "recording") if agreeing == total else "%d of %s" % (
        agreeing, count(total, "recording"))


def _expected_axis(shapes, snippets):
    """One axis is as long as duration, fps and stride ask for, and the other is not."""
    known = [name for name in shapes if snippets and name in snippets]
    if not known:
        return None
    fits = [np.median([abs(shapes[name][axis] / max(snippets[name], 1.0) - 1) for name in known]) < _CLOSE
            for axis in (0, 1)]
    if fits[0] == fits[1]:
        return None
    layout = "TC" if fits[0] else "CT"
    name = known[0]
    return layout, ("read as %s: durations, fps and stride ask for %.0f snippets of '%s', and its axes are %d and %d"
                    % (WORDS[layout], snippets[name], name, shapes[name][0], shapes[name][1]))


def _growing_axis(shapes, durations):
    """One axis grows with the duration from recording to recording, and the other does not."""
    known = [name for name in shapes if durations and name in durations]
    if len(known) < 4:
        return None
    seconds = np.array([durations[name] for name in known])
    follows = [_correlation(np.array([shapes[name][axis] for name in known], float), seconds) for axis in (0, 1)]
    if (follows[0] > 0.9) == (follows[1] > 0.9):
        return None
    layout = "TC" if follows[0] > 0.9 else "CT"
    return layout, ("read as %s: the %s axis grows with the durations of %s (correlation %.2f), the other does not "
                    "(%.2f)" % (WORDS[layout], "first" if layout == "TC" else "second",
                                count(len(known), "recording"), max(follows), min(follows)))


def _correlation(lengths, seconds):
    if lengths.std() == 0 or seconds.std() == 0:
        return 0.0
    return float(np.corrcoef(lengths, seconds)[0, 1])


def oriented(array, layout):
    """``(T, C)`` from an array of :func:`tad.data.importers.arrays.squeezed_shape`."""
    return array if layout == "TC" else array.T


Shapes = Dict[str, Tuple[int, int]]
