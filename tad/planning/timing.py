"""Where snippets lie in time, inferred from what is known: the recipe, frame rates, durations against lengths."""

from typing import NamedTuple, Optional, Tuple

import numpy as np

from tad.errors import UserError

FITTING = 0.9      # part of the recordings whose lengths an exact rule must explain
SAME_RATE = 0.02   # snippets a second may differ by this part between recordings and still be one rate


class Measured(NamedTuple):
    """What is known of one recording: its snippets, seconds, own frame rate, and where its last action ends."""

    snippets: int
    duration_s: Optional[float]
    fps: Optional[float]
    last_end_s: float


class Timing(NamedTuple):
    """Values of ``dataset.timing``, ``fps``, ``stride`` and ``window``, and why; ``step_s`` is the median step.

    ``same_length``: the arrays have one length whatever the recordings last, as rescaled features have.
    """

    timing: str
    fps: Optional[float]
    stride: float
    window: float
    why: Tuple[str, ...]
    step_s: float
    same_length: bool = False


def infer_timing(measured, recipe=None, fps=None, stride=None, window=None):
    """The time grid that fits the recordings best.

    :param measured: list of :class:`Measured` of all recordings with features.
    :param recipe: :class:`tad.data.recipe.Recipe` of the features, or None.
    :param fps, stride, window: what the user gave; they come first, then the recipe.
    :returns: :class:`Timing`
    :raises UserError: nothing tells where the snippets lie.
    """
    if recipe is not None and recipe.stride is not None:
        known = [recipe.fps if fps is None else fps, recipe.stride if stride is None else stride,
                 recipe.window if window is None else window]
        return _from_recipe(measured, recipe, *known)
    own = {item.fps for item in measured}
    rates = None if None in own and fps is None else [fps or item.fps for item in measured]
    if rates is None and None in own and len(own) > 1:
        raise UserError("some recordings have 'fps' in the annotations and some have none; give --fps for all of them")
    timed = [item for item in measured if item.duration_s is not None]
    if not timed:
        return _without_durations(measured, rates, fps, stride, window)
    if rates is None:
        return _without_rate(measured, timed, stride)
    frames = np.array([item.duration_s * (fps or item.fps) for item in timed])
    snippets = np.array([item.snippets for item in timed], np.float64)
    rounding = np.array([0.006 * (fps or item.fps) for item in timed]) + 0.5
    found = _exact_stride(frames, snippets, rounding, stride, window) or _real_stride(frames, snippets, stride, window)
    if found is None:
        return _even(timed, "dataset.timing even: by their frame rates the recordings have from %.4g to %.4g frames a "
                     "snippet, so the features span each of them evenly"
                     % ((frames / snippets).min(), (frames / snippets).max()))
    stride, window, why = found
    step = stride / float(np.median(rates))
    return Timing("auto" if fps is None or own == {None} else "fps", _common(rates, fps), stride, window,
                  (_rate_words(rates, fps, own),) + why, step)


def _from_recipe(measured, recipe, fps, stride, window):
    """A recipe knows best; a frame rate in the annotations that differs is of the videos before they were read."""
    made = " (%s)" % recipe.made_by if recipe.made_by else ""
    window = stride if window is None else window
    own = {item.fps for item in measured} - {None}
    why = ["fps, stride and window: from the features' recipe%s" % made]
    if fps is None:
        rates = [item.fps for item in measured]
        if None in rates:
            raise UserError("the features' recipe has a stride of %g frames but no fps, and neither have all "
                            "annotations; give --fps" % stride)
        return Timing("auto", None, stride, window, ("stride and window: from the features' recipe%s" % made,
                                                     _rate_words(rates, None, own)), stride / float(np.median(rates)))
    timing = "auto" if not own or own == {fps} else "fps"
    if timing == "fps":
        why.append("timing fps: 'fps' in the annotations (%s) is not the rate that the features were made at"
                   % _list(own))
    return Timing(timing, fps, stride, window, tuple(why), stride / float(fps))


def _without_durations(measured, rates, fps, stride, window):
    """Only frame rates tell the time; the actions must at least fit into the features."""
    if rates is None:
        raise UserError("the annotations have neither 'duration' nor 'fps', and the features no recipe: give --fps, "
                        "the frames (or samples) a second, with --stride and --window if a snippet is not one frame")
    if stride is None:
        stride, reason = 1.0, "stride: not known, taken as 1 frame because nothing contradicts it"
    else:
        reason = "stride: as given"
    window = stride if window is None else window
    over = [(item.last_end_s, (item.snippets * stride + window) / rate) for item, rate in zip(measured, rates)]
    late = [(end, covered) for end, covered in over if end > covered * 1.05 + 1.0]
    if len(late) > (1 - FITTING) * len(over):
        end, covered = late[0]
        needed = max(item.last_end_s * rate / item.snippets for item, rate in zip(measured, rates))
        raise UserError("with a stride of %g frames the features cover %.4g s of a recording whose actions last until "
                        "%.4g s; the annotations have no durations: give --stride (%d or more) and --window"
                        % (stride, covered, end, int(np.ceil(needed))))
    own = {item.fps for item in measured}
    return Timing("auto" if fps is None or own == {None} else "fps", _common(rates, fps), stride, window,
                  (_rate_words(rates, fps, own), reason), stride / float(np.median(rates)))


def _without_rate(measured, timed, stride):
    """No frames are known: one snippet is one step, of durations over lengths."""
    if stride is not None:
        raise UserError("--stride counts frames, and neither the annotations nor a recipe say how many a second has; "
                        "give --fps too")
    steps = np.array([item.duration_s / item.snippets for item in timed])
    if len(timed) == len(measured) or not _is_one(steps):
        return _even(timed, "fps not set: no frame rate is known, so the features span each recording evenly, %.4g to "
                     "%.4g s a snippet" % (steps.min(), steps.max()))
    rate = 1.0 / float(np.median(steps))
    return Timing("auto", float("%.6g" % rate), 1.0, 1.0,
                  ("fps: %.4g to %.4g snippets a second in the %d recordings with a duration; so the %d without one "
                   "have their time too; stride and window count snippets"
                   % (1 / steps.max(), 1 / steps.min(), len(timed), len(measured) - len(timed)),), 1 / rate)


def _even(timed, why):
    steps = np.array([item.duration_s / item.snippets for item in timed])
    lengths = {item.snippets for item in timed}
    same = len(lengths) == 1 and len(timed) > 2 and not _is_one(steps)
    timing = "even" if any(item.fps for item in timed) else "auto"
    return Timing(timing, None, 1.0, 1.0, (why,), float(np.median(steps)), same)


class _Rule(NamedTuple):
    """A stride and a window that were tried, and the number of recordings whose length they explain."""

    fitting: int
    rank: float
    stride: float
    window: float


def _exact_stride(frames, snippets, rounding, stride, window):
    """A whole stride and a window that give nearly every length: ``T = floor((frames - window) / stride) + 1``."""
    near = float(np.median(frames / snippets))
    rules = []
    for candidate in sorted({max(1, int(near) + more) for more in (-1, 0, 1, 2)}) if stride is None else [stride]:
        low, high = frames - candidate * snippets, frames - candidate * (snippets - 1)
        tried = _windows(candidate, low, high) if window is None else [window]
        rules += [_Rule(int(((width > low - rounding) & (width <= high + rounding)).sum()),
                        rank + abs(candidate - near), candidate, width) for rank, width in enumerate(tried)]
    most = max(rule.fitting for rule in rules)
    if most < FITTING * len(frames):
        return None
    # Rounded durations let the likeliest window miss one length that an unlikely one explains
    rule = min((rule for rule in rules if rule.fitting >= 0.97 * most), key=lambda rule: rule.rank)
    padded = rule.window < rule.stride and window is None
    others = sorted({other.stride for other in rules if other.fitting >= rule.fitting} - {rule.stride})
    words = ("stride: %g explains the lengths of %d of %d recordings from their durations%s"
             % (rule.stride, rule.fitting, len(frames), others and "; so would %s" % _list(others) or ""),
             "window: as given" if window is not None else "window: as long as the stride; the lengths say that the "
             "end was padded" if padded else _window_words(rule, frames, snippets))
    return float(rule.stride), float(rule.stride if padded else rule.window), words


def _windows(stride, low, high):
    """Windows to try, the likeliest first; a short one that fits is one as long as the stride whose end was padded."""
    first, last = np.quantile(low, 0.95), np.quantile(high, 0.05)
    inner = float(max(1, round((first + last) / 2)))
    usual = [width for width in (stride, 2 * stride, 4 * stride, 8, 16, 32, 64, inner) if width >= stride]
    return usual + [width for width in (stride / 2.0, 1, inner) if width < stride]


def _window_words(rule, frames, snippets):
    first = max(1, np.ceil(np.quantile(frames - rule.stride * snippets, 0.95)))
    last = max(1, np.floor(np.quantile(frames - rule.stride * (snippets - 1), 0.05)))
    if last - first < 2:
        return "window: %g explains them" % rule.window
    return ("window: %g to %g frames would fit the lengths and %g is the likeliest; give --window if you know better"
            % (first, last, rule.window))


def _real_stride(frames, snippets, stride, window):
    """One rate for all recordings, if nearly all have it."""
    each = frames / snippets
    middle = float(np.median(each)) if stride is None else stride
    near = np.abs(each / middle - 1) <= SAME_RATE + 2.0 / snippets
    if near.sum() < FITTING * len(each):
        return None
    found = float("%.4g" % middle)
    if abs(found - round(found)) < 0.01 * found:
        found = float(max(1, round(found)))
    words = "stride: the recordings have %.4g to %.4g frames a snippet" % (each.min(), each.max())
    return found, found if window is None else float(window), (words, "window: as long as the stride, for want of "
                                                               "evidence" if window is None else "window: as given")


def _is_one(steps):
    return (np.abs(steps / np.median(steps) - 1) <= SAME_RATE).mean() >= FITTING


def _common(rates, fps):
    """``dataset.fps``: what was given, or what all recordings have; None where each has its own."""
    return fps if fps is not None else rates[0] if len(set(rates)) == 1 else None


def _rate_words(rates, fps, own):
    if fps is not None:
        return "fps: as given%s" % ("" if own <= {None, fps} else ", not those in the annotations (%s)"
                                    % _list(own - {None}))
    if len(set(rates)) == 1:
        return "fps: the annotations say %g for every recording" % rates[0]
    return "fps not set: the annotations have each recording's own (%s)" % _list(set(rates))


def _list(values):
    values = sorted(values)
    return ", ".join("%g" % value for value in values[:4]) + (", ..." if len(values) > 4 else "")
