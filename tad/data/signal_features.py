"""From a folder or file of raw signals to windowed features with their recipe."""

from typing import Any, NamedTuple, Optional, Tuple

import numpy as np

from tad.data.feature_writer import check_output, feature_writer
from tad.data.features import FeatureError
from tad.data.recipe import Recipe, Statistics, write_recipe
from tad.data.signals import channel_statistics, fill_missing, open_signals
from tad.data.windowing import KINDS, Windowing, feature_blocks
from tad.errors import UserError, reporter

MISSING = ("refuse", "interpolate")


class Plan(NamedTuple):
    """How signals become features: the windows, what happens to missing samples, and normalization.

    ``statistics`` are mean and deviation of the signal's channels, or None for signals as they are; ``channels`` is the
    number of channels that signals must have, or None for the commonest.
    """

    windowing: Windowing
    missing: str = "refuse"
    statistics: Optional[Statistics] = None
    channels: Optional[int] = None


class Made(NamedTuple):
    """What was written: ids, snippets and width; filled samples by id."""

    ids: Tuple[str, ...]
    snippets: int
    width: int
    filled: Any


def check_windowing(windowing):
    """:raises UserError: a number is out of range."""
    if not 0 < windowing.rate < float("inf"):
        raise UserError("--rate must be above 0 samples a second, not %g" % windowing.rate)
    for name, value in (("--window", windowing.window), ("--stride", windowing.stride), ("--bands", windowing.bands)):
        if value < 1:
            raise UserError("%s must be 1 or more, not %d" % (name, value))
    unknown = [kind for kind in windowing.kinds if kind not in KINDS]
    if unknown or not windowing.kinds or len(set(windowing.kinds)) < len(windowing.kinds):
        raise UserError("--recipe must be one or several of %s, joined by commas; not '%s'"
                        % (", ".join(sorted(KINDS)), ",".join(windowing.kinds)))
    if "spectrum" in windowing.kinds and windowing.bands > windowing.window // 2:
        raise UserError("--bands (%d) must be at most half of --window (%d): so many frequencies the window tells apart"
                        % (windowing.bands, windowing.window))


def make_features(source, output, plan, columns, learn_from=None, made_by=None, overwrite=False, strict=False):
    """Write the features of every recording in ``source``, and their recipe.

    One recording's samples and one block of windows are in memory at a time.

    :param learn_from: None, or ids whose samples the normalization is learned on.
    :returns: :class:`Made`
    :raises UserError: nothing can be read or written, or a sample is missing and ``plan.missing`` is ``refuse``.
    """
    check_windowing(plan.windowing)
    check_output(output, source, overwrite)
    load, names = open_signals(source, columns)
    signals = _Signals(load, plan.missing)
    usable, channels = _usable(signals, names, plan, strict)
    if learn_from is not None:
        plan = plan._replace(statistics=_learned(signals, usable, learn_from, source))
    width, total = plan.windowing.width(channels), 0
    with feature_writer(output) as write:
        for name in usable:
            samples = _normalized(signals.read(name), plan.statistics)
            count = plan.windowing.snippets(len(samples))
            write(name, feature_blocks(samples, plan.windowing), count, width)
            total += count
    write_recipe(output, recipe_of(plan, channels, source, made_by))
    return Made(tuple(usable), total, width, dict(signals.filled))


class _Signals(object):
    """Reads samples without gaps; ``filled`` counts by id what was filled."""

    def __init__(self, load, missing):
        self._load, self._missing, self.filled = load, missing, {}

    def read(self, name):
        samples = self._load(name)
        gaps = np.isnan(samples)
        if not gaps.any():
            return samples
        if self._missing == "refuse":
            row, channel = np.argwhere(gaps)[0]
            raise UserError("%s: %d samples are missing, NaN or infinite (the first is sample %d, channel %d); fill "
                            "them with --missing interpolate" % (name, gaps.sum(), row, channel))
        self.filled[name] = (int(gaps.sum()), samples.size)
        return fill_missing(samples)


def _usable(signals, names, plan, strict):
    """Ids with enough samples and the right channels, and the number of channels; the others are reported."""
    shapes, tell = {}, reporter(strict)
    for name in names:
        try:
            shapes[name] = signals.read(name).shape
        except FeatureError as error:
            tell("unreadable", name, str(error), "left out")
    channels = plan.channels
    if channels is None and shapes:
        widths = [shape[1] for shape in shapes.values()]
        channels = max(sorted(set(widths)), key=widths.count)
    usable = []
    for name, (count, found) in shapes.items():
        if found != channels:
            tell("width", name, "has %d channels, where %d are needed" % (found, channels), "left out")
        elif not plan.windowing.snippets(count):
            tell("length", name, "has %d samples, fewer than one window (%d)" % (count, plan.windowing.window),
                 "left out")
        else:
            usable.append(name)
    if not usable:
        raise UserError("none of the %d recordings can be used; the warnings say why%s" % (
            len(names), "; are the arrays (channels, samples) where they must be (samples, channels)?"
            if any(count < found for count, found in shapes.values()) else ""))
    return usable, channels


def _learned(signals, usable, learn_from, source):
    chosen = [name for name in usable if name in learn_from]
    if not chosen:
        raise UserError("none of the training recordings has signals in %s; do the names match? The annotations have "
                        "'%s', the signals '%s'" % (source, min(learn_from), usable[0]))
    mean, deviation = channel_statistics(lambda: (signals.read(name) for name in chosen))
    return Statistics(tuple(mean.tolist()), tuple(deviation.tolist()))


def _normalized(samples, statistics):
    if statistics is None:
        return samples
    return ((samples - np.array(statistics.mean)) / np.array(statistics.deviation)).astype(np.float32)


def recipe_of(plan, channels, source, made_by):
    """The recipe of features; ``signals`` in it holds what :func:`plan_of` needs to make more of the same."""
    windowing, statistics = plan.windowing, plan.statistics
    signals = {"kinds": list(windowing.kinds), "channels": channels, "bands": windowing.bands, "missing": plan.missing}
    normalization = None
    if statistics is not None:
        signals["normalization"] = {"mean": list(statistics.mean), "deviation": list(statistics.deviation)}
    if statistics is not None and windowing.kinds == ("flat",):
        normalization = Statistics(*(tuple(values) * windowing.window for values in statistics))
    return Recipe(made_by=made_by, source=source, fps=windowing.rate, stride=windowing.stride, window=windowing.window,
                  width=windowing.width(channels), layout="TC", dtype="float32", normalization=normalization,
                  other={"signals": signals})


def plan_of(recipe, place):
    """The inverse of :func:`recipe_of`, to make features of new recordings in the same way.

    :param recipe: :class:`tad.data.recipe.Recipe`
    :param place: the recipe's path, for messages.
    :raises UserError: the recipe is not one of signals.
    """
    signals = (recipe.other or {}).get("signals")
    try:
        windowing = Windowing(float(recipe.fps), int(recipe.window), int(recipe.stride), tuple(signals["kinds"]),
                              int(signals["bands"]))
        known = signals.get("normalization")
        statistics = known and Statistics(*(tuple(float(value) for value in known[key]) for key in Statistics._fields))
        plan = Plan(windowing, str(signals["missing"]), statistics, int(signals["channels"]))
    except (TypeError, KeyError, ValueError):
        raise UserError("%s is not the recipe of features that `tad data features` made from signals" % place)
    if plan.missing not in MISSING or (statistics and {len(values) for values in statistics} != {plan.channels}):
        raise UserError("%s is damaged: its 'signals' do not fit together" % place)
    check_windowing(windowing)
    return plan
