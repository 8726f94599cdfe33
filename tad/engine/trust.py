"""What a checkpoint of a stranger may say: values of the right kind, and settings in proportion to its weights.

A few bytes of settings could otherwise ask for a network, or for proposals, of any size.
"""

import numpy as np

from tad.compat import shapes_without_memory
from tad.data.annotations import text
from tad.detectors import DETECTORS, build_detector
from tad.engine.training import misfits
from tad.errors import UserError

LARGEST = float(np.finfo(np.float32).max)


def check_meta(checkpoint, path):
    """Refuse a checkpoint whose plain values are of another kind than :mod:`tad` writes.

    :raises UserError: names the file and the value.
    """
    meta = checkpoint.meta
    for key, least in (("step", 0), ("width", 1)):
        if type(meta[key]) is not int or meta[key] < least:
            raise _strange(path, key, "a whole number of at least %d" % least)
    if not isinstance(meta["settings"], dict):
        raise _strange(path, "settings", "an object")
    classes = meta["classes"]
    if not isinstance(classes, list) or not classes:
        raise _strange(path, "classes", "a list of names")
    if len({text(name, "%s: a name in 'classes'" % path) for name in classes}) < len(classes):
        raise _strange(path, "classes", "a list of names that differ")
    for key in ("mean", "deviation"):
        values = meta[key]
        if not isinstance(values, list) or len(values) != meta["width"] or not all(map(_is_number, values)):
            raise _strange(path, key, "a list of %d numbers" % meta["width"])
    if min(meta["deviation"]) <= 0:
        raise _strange(path, "deviation", "above 0")
    if meta.get("fps") is not None and not (_is_number(meta["fps"]) and meta["fps"] > 0):
        raise _strange(path, "fps", "a number above 0")
    steps = meta.get("optimizer_steps", {})
    if not isinstance(steps, dict) or not all(type(step) is int and step >= 0 for step in steps.values()):
        raise _strange(path, "optimizer_steps", "an object of whole numbers")


def check_proportions(checkpoint, settings, path):
    """Refuse settings that ask for far more than the checkpoint's weights hold.

    :param settings: :class:`tad.config.Settings` of the checkpoint, with the changes of the command line.
    :raises UserError: the network would be another one, or a window would have too many proposals.
    """
    weights, meta = checkpoint.group("averaged"), checkpoint.meta
    DETECTORS[settings.detector].check_stored(settings, len(weights), path)
    shapes = shapes_without_memory(lambda: build_detector(settings, meta["width"], len(meta["classes"])))
    wrong = [] if shapes is None else misfits(shapes, weights)
    if wrong:
        raise UserError("%s does not fit the configured detector; these weights differ: %s"
                        % (path, ", ".join(wrong[:4])))
    spoiled = [name for name, value in weights.items() if not np.isfinite(value.numpy()).all()]
    if spoiled:
        raise UserError("%s has weights that are not finite, %s for one; give another one" % (path, spoiled[0]))


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST


def _strange(path, key, wanted):
    return UserError("%s is not a checkpoint that this version of tad can read: its '%s' must be %s"
                     % (path, key, wanted))
