"""Chooses settings that fit a data set, each with its reason."""

from typing import Any, NamedTuple, Optional, Tuple

import numpy as np

from tad import compat
from tad.config import Settings
from tad.data.annotations import class_names, in_subset
from tad.data.features import FeatureStore
from tad.data.fitting import LONGEST_WINDOW, RESCALED_LENGTH, WINDOW_ACTIONS, action_durations
from tad.data.recipe import find_recipe, read_recipe, with_recipe
from tad.data.sources import check_learnable, load_sources, readable_shapes
from tad.detectors.deeplab import output_stride
from tad.errors import UserError, reporter
from tad.planning.feasible import check_feasible, check_snippets, window_count
from tad.planning.find import choose_subsets
from tad.planning.fitting import fit_settings
from tad.planning.memory import LARGEST_BATCH, SHARE, fitting_batch, free_memory, measure_cost
from tad.planning.timing import Measured, infer_timing
from tad.settings import replace

PASSES = 80            # times that a training sees the whole data, as the benchmarks of docs/benchmarks.md do
FEWEST_STEPS, MOST_STEPS = 600, 15000
SMALL_DATA = 100000    # snippets; below, a narrower network does as well in less time
FEW_RECORDINGS = 50    # below, stronger augmentation stands in for people and places that were not recorded
VERY_FEW = 10          # below, the order of actions would be learned by heart
BRISK_WINDOW = 512     # snippets of a window that trains in minutes rather than hours on a CPU
RARE = 0.02            # part of the time that the rarest class fills, below which the class loss weighs more


class Wishes(NamedTuple):
    """What the user gave instead of leaving it to be found; None where nothing."""

    train_subset: Optional[str] = None
    test_subset: Optional[str] = None
    fps: Optional[float] = None
    stride: Optional[float] = None
    window: Optional[float] = None
    mode: Optional[str] = None
    device: str = "auto"
    allow_missing: bool = False


class Choice(NamedTuple):
    """One setting, its value, and why; ``value`` None is only a remark."""

    key: str
    value: Any
    why: str


class Plan(NamedTuple):
    """Everything that ``tad init`` writes and says."""

    settings: Settings
    choices: Tuple[Choice, ...]
    summary: Tuple[str, ...]
    durations_s: np.ndarray
    marks: Tuple[Tuple[float, str], ...]
    minutes: float


def make_plan(found, wishes):
    """A plan for the data.

    :param found: :class:`tad.planning.find.Found`
    :param wishes: :class:`Wishes`
    :raises UserError: the data cannot be trained on, with what to change.
    """
    subsets = choose_subsets(found.recordings, wishes.train_subset, wishes.test_subset)
    store = FeatureStore(found.features, 0)
    train = in_subset(found.recordings, subsets.train, found.annotations)
    test = in_subset(found.recordings, subsets.test, found.annotations)
    everyone = train + [recording for recording in test if recording not in train]
    shapes = readable_shapes(everyone, store, reporter(False))
    if not shapes:
        raise UserError("no recording in %s has features in %s that can be used" % (found.annotations, found.features))
    recipe = read_recipe(found.features)
    timing = infer_timing(_measured(everyone, shapes), recipe, wishes.fps, wishes.stride, wishes.window)
    settings = replace(_with_data(Settings(), found, subsets, timing), dataset__allow_missing=wishes.allow_missing)
    settings = with_recipe(settings, recipe, find_recipe(found.features))
    classes = class_names(train)
    sources, width = load_sources(train, store, settings.dataset, classes, shapes={
        recording.id: shapes[recording.id] for recording in train if recording.id in shapes})
    check_learnable(sources, classes)
    check_snippets(sources)
    choices = [Choice("dataset.train_subset", subsets.train, subsets.why),
               Choice("dataset.test_subset", subsets.test, "")] + _timing_choices(timing)
    if wishes.allow_missing:
        choices.append(Choice("dataset.allow_missing", True, "as given"))
    settings, shape = _shape_choices(settings, sources, timing, wishes)
    settings, size = _size_choices(settings, sources, recipe, len(classes))
    settings, steps, minutes = _step_choices(settings, sources, width, len(classes), wishes.device)
    check_feasible(settings, sources)
    durations = np.concatenate([source.grid.step_s * (source.segments[:, 1] - source.segments[:, 0])
                                for source in sources])
    step = float(np.median([source.grid.step_s for source in sources]))
    summary = _summary(found, train, test, sources, width, classes, durations)
    return Plan(settings, tuple(choices + shape + size + steps), summary, durations, _marks(settings, step), minutes)


def _marks(settings, step):
    """Durations in seconds that the picture shows."""
    marks = ((step, "one snippet"),)
    if settings.dataset.mode == "windows":
        marks += ((settings.deeplab.max_duration * step, "longest proposal"),
                  (settings.dataset.length * step, "window"))
    return marks


def _measured(recordings, shapes):
    return [Measured(shapes[recording.id][0], recording.duration_s, recording.fps,
                     float(recording.segments_s.max()) if len(recording.labels) else 0.0)
            for recording in recordings if recording.id in shapes]


def _with_data(settings, found, subsets, timing):
    return replace(settings, dataset__annotations=found.annotations, dataset__features=found.features,
                   dataset__train_subset=subsets.train, dataset__test_subset=subsets.test,
                   dataset__timing=timing.timing, dataset__fps=timing.fps, dataset__stride=timing.stride,
                   dataset__window=timing.window)


def _timing_choices(timing):
    """``timing``, ``fps``, ``stride`` and ``window``, with their reasons before the first of them."""
    values = [("fps", timing.fps), ("stride", timing.stride), ("window", timing.window)]
    values = [(key, value) for key, value in values if value is not None and (timing.fps or key != "fps")]
    if timing.timing == "even" or (timing.fps is None and "evenly" in timing.why[0]):
        values = []
    if timing.timing != "auto":
        values.insert(0, ("timing", timing.timing))
    remarks = [Choice("dataset", None, why) for why in timing.why]
    return remarks + [Choice("dataset." + key, value, "") for key, value in values]


def _shape_choices(settings, sources, timing, wishes):
    """Mode, length and longest proposal."""
    if wishes.mode or timing.same_length:
        mode = wishes.mode or "rescale"
        settings = replace(settings, dataset__mode=mode)
        why = "as given" if wishes.mode else "all features have %d snippets, whatever the recording lasts" \
            % sources[0].snippets
    else:
        mode, why = "windows", "recordings of different lengths at one rate"
    if mode == "rescale":
        same = timing.same_length and 2 * output_stride(settings.deeplab) <= sources[0].snippets <= LONGEST_WINDOW
        settings = replace(settings, dataset__length=sources[0].snippets if same else RESCALED_LENGTH)
        length_why = "that number, so that nothing is resampled" if same else "ActivityNet's custom"
    durations = action_durations(sources, settings)
    if mode == "windows":
        _refuse_too_fine(durations, sources)
        length_why = "%g times the longest training action (%.4g snippets), at least 64, at most %d, and no longer " \
            "than the recordings" % (WINDOW_ACTIONS, durations.max(), LONGEST_WINDOW)
    fitted = fit_settings(_with_strides(settings, durations), sources)
    choices = [Choice("dataset.mode", mode, why), Choice("dataset.length", fitted.dataset.length, length_why),
               Choice("deeplab.max_duration", fitted.deeplab.max_duration, "a quarter longer than the longest training "
                      "action, inside the window"),
               Choice("deeplab.strides", list(fitted.deeplab.strides), "%d snippets to a step of the encoder: the "
                      "shortest tenth of the actions lasts up to %.3g snippets"
                      % (output_stride(fitted.deeplab), np.quantile(durations, 0.1)))]
    if mode == "windows" and WINDOW_ACTIONS * durations.max() > LONGEST_WINDOW:
        times = int(np.ceil(WINDOW_ACTIONS * durations.max() / BRISK_WINDOW))
        choices.append(Choice("dataset", None, "the longest action lasts %d snippets: long windows and slow "
                              "training; features with a stride %d times as long would do (tad data features)"
                              % (durations.max(), times)))
    steps = fitted.dataset.length // output_stride(fitted.deeplab)
    rates = [rate for rate in fitted.deeplab.atrous_rates if rate < steps] or [1]
    if len(rates) < len(fitted.deeplab.atrous_rates):
        fitted = replace(fitted, deeplab__atrous_rates=tuple(rates))
        choices.append(Choice("deeplab.atrous_rates", rates, "below the %d steps of the encoder in a window" % steps))
    return fitted, choices


def _with_strides(settings, durations):
    """The default strides, or finer ones for actions that would vanish between two steps of the encoder."""
    shortest = np.quantile(durations, 0.1)
    strides = (1, 1, 1) if shortest < 2 else (1, 1, 2) if shortest < 4 else settings.deeplab.strides
    return replace(settings, deeplab__strides=strides)


def _refuse_too_fine(durations, sources):
    if np.median(durations) > LONGEST_WINDOW:
        step = float(np.median([source.grid.step_s for source in sources]))
        raise UserError("half of the training actions last longer than %d snippets of %.3g s, the longest window that "
                        "is planned; make features with a stride of %.3g s or more (tad data features), or take "
                        "--mode rescale" % (LONGEST_WINDOW, step, step * np.ceil(np.median(durations) / 100)))


def _size_choices(settings, sources, recipe, classes):
    """What follows from how much data there is."""
    choices, count = [], len(sources)
    snippets = sum(source.snippets for source in sources)

    def choose(key, value, why):
        choices.append(Choice(key, value, why))
        return replace(settings, **{key.replace(".", "__"): value})

    if count < FEW_RECORDINGS:
        settings = choose("augment.stretch", 0.2, "stronger than by default for few training recordings (%d)" % count)
        settings = choose("augment.noise", 0.3, "")
        settings = choose("augment.scale", 0.2, "")
    if count < VERY_FEW and settings.dataset.mode == "windows":
        settings = choose("augment.splice", 0.7, "so few recordings would teach the order in which they show their "
                          "actions")
    if snippets < SMALL_DATA:
        settings = choose("deeplab.width", 64, "%d training snippets: enough on benchmarks of this size, and faster "
                          "than 128" % snippets)
        settings = choose("train.learning_rate", 0.003, "what cross-validation on HAPT chose for that width")
    signals = (recipe.other or {}).get("signals", {}) if recipe is not None else {}
    if "flat" in signals.get("kinds", ()) and recipe.window > 1:
        settings = choose("deeplab.input_dropout", 0.2, "flattened windows: channels that repeat each other")
    shares = _shares(sources, classes)
    if classes > 1 and shares.min() < RARE:
        settings = choose("deeplab.classes_weight", 3.0, "the rarest class fills %.2g%% of the time"
                          % (100 * shares.min()))
    return settings, choices


def _shares(sources, classes):
    """Part of the snippets that each class's actions fill, for the classes that are shown."""
    filled = np.zeros(classes)
    for source in sources:
        known = source.classes >= 0
        np.add.at(filled, source.classes[known], source.segments[known, 1] - source.segments[known, 0])
    return filled[filled > 0] / sum(source.snippets for source in sources)


def _step_choices(settings, sources, width, classes, device):
    """Batch and steps; a training's minutes on this machine's CPU."""
    cost = measure_cost(settings, width, classes)
    free = free_memory(compat.best_device() if device == "auto" else device)
    batch = fitting_batch(cost, free, min(LARGEST_BATCH, max(1, window_count(settings, sources))))
    if not batch:
        raise UserError("one window of %d snippets and %d channels takes about %d MiB in training, more than a quarter "
                        "of the memory (%d MiB); set a smaller dataset.length or deeplab.width, or make features with "
                        "fewer channels" % (settings.dataset.length, width, (cost.window + cost.weights) / 2 ** 20,
                                            free / 2 ** 20))
    length = settings.dataset.length
    pieces = sum(-(-source.snippets // length) for source in sources) if settings.dataset.mode == "windows" \
        else len(sources)
    steps = int(np.clip(np.ceil(PASSES * pieces / float(batch) / 100) * 100, FEWEST_STEPS, MOST_STEPS))
    memory = "%.3g MiB for each window and %.3g MiB for the weights, measured on one window; at most %d%% of %s" % (
        cost.window / 2.0 ** 20, cost.weights / 2.0 ** 20, 100 * SHARE,
        "unknown memory" if free is None else "%.3g GiB" % (free / 2.0 ** 30))
    settings = replace(settings, train__batch=batch, train__steps=steps)
    return settings, [Choice("train.batch", batch, memory),
                      Choice("train.steps", steps, "%.3g passes over %d windows' worth of data (%d passes, from %d to "
                             "%d steps)" % (steps * batch / float(pieces), pieces, PASSES, FEWEST_STEPS, MOST_STEPS))
                      ], cost.seconds * batch * steps / 60.0


def _summary(found, train, test, sources, width, classes, durations):
    """Lines about the data."""
    used = {source.id for source in sources}
    covered = sum(source.snippets for source in sources)
    return ("%d recordings, %d to train on and %d to test on; %d of the former have features" % (
                len(found.recordings), len(train), len(test), len(used)),
            "features of width %d, %d training snippets" % (width, covered),
            "%d training actions of %d classes, %.3g to %.4g s, half of them up to %.3g s: %s" % (
                len(durations), len(classes), durations.min(), durations.max(), np.median(durations), _few(classes)))


def _few(names, most=12):
    return ", ".join(names[:most]) + (", and %d more" % (len(names) - most) if len(names) > most else "")
