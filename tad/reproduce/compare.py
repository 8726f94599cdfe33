"""Two runs' losses, weights, detections and metrics: bitwise equal, close, or different, and where first."""

import math

import numpy as np

EQUAL, CLOSE, DIFFERENT = "equal", "close", "different"


def worst(verdicts):
    """The verdict of a whole that consists of parts."""
    return max(verdicts, key=(EQUAL, CLOSE, DIFFERENT).index)


def compare_losses(old, new, tolerance):
    """The training step at which losses part; arguments as :func:`tad.engine.losslog.read_losses` gives them.

    :returns: verdict and a sentence, as all functions here.
    """
    steps = sorted(set(old) & set(new))
    if not steps:
        return EQUAL, "there is no step that both have logged"
    apart = [(step, name) for step in steps for name in sorted(set(old[step]) | set(new[step]))
             if old[step].get(name) != new[step].get(name)]
    if not apart:
        return EQUAL, "bitwise equal in %d logged steps" % len(steps)
    step, name = apart[0]
    before = [other for other in steps if other < step]
    text = "the losses part %s step %d: %s is %s and was %s" % (
        "between step %d and" % before[-1] if before else "in or before", step, name, new[step].get(name, "absent"),
        old[step].get(name, "absent"))
    far = max(_distance(old[step].get(name, math.nan), new[step].get(name, math.nan)) for step, name in apart)
    return _graded(far, tolerance), "%s; largest difference %.3g" % (text, far)


def compare_weights(old, new, tolerance):
    """Every tensor of two :class:`tad.engine.checkpoint.Checkpoint`."""
    if set(old.tensors) != set(new.tensors):
        return DIFFERENT, "other weights: %s" % ", ".join(sorted(set(old.tensors) ^ set(new.tensors))[:4])
    first, far = None, 0.0
    for name, tensor in old.tensors.items():
        mine, theirs = tensor.numpy(), new.tensors[name].numpy()
        if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
            return DIFFERENT, "%s has shape %s and had %s" % (name, theirs.shape, mine.shape)
        if mine.tobytes() != theirs.tobytes():
            first = first or name
            far = max(far, _farthest(mine.astype(np.float64), theirs.astype(np.float64)))
    if first is None:
        return EQUAL, "bitwise equal, all %d tensors" % len(old.tensors)
    return _graded(far, tolerance), "the first that differs is %s; largest difference %.3g" % (first, far)


def compare_json(old, new, tolerance):
    """Two JSON documents, number by number."""
    apart = list(_apart(old, new, ""))
    if not apart:
        return EQUAL, "equal in every number"
    place, before, after, far = apart[0]
    text = "%d values differ, the first at %s: %s and was %s" % (len(apart), place or "the top", after, before)
    farthest = max(each[3] for each in apart)
    return _graded(farthest, tolerance), text if math.isinf(farthest) else "%s; largest difference %.3g" % (
        text, farthest)


def _apart(old, new, place):
    """Tuples (place, old, new, distance) of all that differs; what differs in kind or size is infinitely far."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in list(old) + [key for key in new if key not in old]:
            if key not in old or key not in new:
                yield "%s/%s" % (place, key), _there(old, key), _there(new, key), math.inf
            else:
                for each in _apart(old[key], new[key], "%s/%s" % (place, key)):
                    yield each
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield place, "%d entries" % len(old), "%d entries" % len(new), math.inf
        for index, (mine, theirs) in enumerate(zip(old, new)):
            for each in _apart(mine, theirs, "%s/%d" % (place, index)):
                yield each
    elif old != new:
        numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (old, new))
        yield place, old, new, _distance(old, new) if numbers else math.inf


def _there(document, key):
    return "there" if key in document else "absent"


def _graded(far, tolerance):
    return CLOSE if far <= tolerance else DIFFERENT


def _distance(a, b):
    far = abs(a - b) / max(1.0, abs(a))
    return math.inf if math.isnan(far) else far


def _farthest(a, b):
    if not a.size:
        return 0.0
    far = np.abs(a - b) / np.maximum(1.0, np.abs(a))
    return float("inf") if np.isnan(far).any() else float(far.max())
