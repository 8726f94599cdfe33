"""A trained detector for recordings that nobody has annotated: ``tad.load(path).predict(array, fps=25)``."""

import difflib
import warnings
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import numpy as np
from tqdm import tqdm

from tad.data.clips import clip_count
from tad.data.features import FeatureError
from tad.data.recipe import GRID_KEYS, Recipe, check_layout, check_recipe
from tad.data.rows import array_rows
from tad.data.sources import Source, frame_grid
from tad.data.timegrid import TimeGrid
from tad.detectors.base import check_labels
from tad.engine.devices import pick_device
from tad.engine.inference import detect
from tad.errors import DataWarning, UserError
from tad.evaluation.detections import plain_detections
from tad.pipeline import load_trained
from tad.settings import override_settings, replace


class Detection(NamedTuple):
    """One action that was found; ``start`` and ``end`` in seconds, ``score`` in 0..1."""

    label: str
    start: float
    end: float
    score: float


class Rate(NamedTuple):
    """What somebody says of a recording's time; what is None comes from its recipe, else from the checkpoint.

    ``fps``, ``stride`` and ``window`` as in :class:`tad.data.recipe.Recipe`; or ``duration``, in seconds, which the
    snippets then span evenly.
    """

    fps: Optional[float] = None
    stride: Optional[float] = None
    window: Optional[float] = None
    duration: Optional[float] = None


class Choice(NamedTuple):
    """Which detections are wanted; None for no wish. ``external`` is a score of each class, ``(K,)`` in 0..1."""

    min_score: Optional[float] = None
    top_k: Optional[int] = None
    labels: Optional[Sequence[str]] = None
    external: Optional[np.ndarray] = None


AS_LEARNED, EVERYTHING = Rate(), Choice()


def load_predictor(path, device="auto", assignments=()):
    """A :class:`Predictor` from a run folder or a checkpoint file.

    :param device: ``auto``, ``cpu`` or ``cuda:N``.
    :param assignments: strings ``section.key=value`` that change the checkpoint's settings.
    :raises UserError: no checkpoint is there, it cannot be read, or the device is absent.
    """
    changes = list(assignments) + ["device=%s" % device]
    trained = load_trained(path, lambda settings: override_settings(settings, changes))
    place = pick_device(trained.settings)
    trained.detector.to(place)
    return Predictor(trained, place)


class Predictor(object):
    """A trained detector with all that its checkpoint carries: classes, feature recipe, normalization, settings.

    :param trained: :class:`tad.pipeline.Trained`, its detector on ``device``.
    """

    def __init__(self, trained, device):
        self.trained = trained
        self.device = device

    @property
    def classes(self):
        """Names of the classes, in the order of the detector's outputs."""
        return self.trained.classes

    @property
    def width(self):
        """Channels that features must have."""
        return len(self.trained.normalization.mean)

    def predict(self, features, fps=None, stride=None, window=None, duration=None, min_score=None, top_k=None,
                labels=None, external: Optional[Mapping[str, float]] = None):
        """Detections of one recording, best first.

        :param features: ``(T, C)`` numbers, not normalized: an array or tensor, or anything on disk that has a shape
            and can be sliced, such as ``np.load(path, mmap_mode="r")`` or an HDF5 dataset, read piece by piece.
        :param fps: frames per second, where they differ from those that the detector learned from; so ``stride`` and
            ``window``, in frames.
        :param duration: seconds that the snippets span evenly, where there are no frames.
        :param min_score: detections below are left out.
        :param top_k: so many are kept at most.
        :param labels: only these classes are detected.
        :param external: score in 0..1 of each class for the whole recording, by an external classifier.
        :returns: list of :class:`Detection`
        :raises UserError: the features do not fit the detector, or a value makes no sense.
        """
        if external is not None:
            external = self._external(external)
        try:
            found = self.detect(array_rows(features), Rate(fps, stride, window, duration),
                                Choice(min_score, top_k, labels, external))
        except FeatureError as error:
            raise UserError("the recording %s" % error)
        return [Detection(*row) for row in plain_detections(found, self.classes)]

    def detect(self, rows, rate=AS_LEARNED, choice=EVERYTHING, recipe=None, place="the recording", progress=False):
        """The detections behind :meth:`predict`.

        :param rows: :class:`tad.data.rows.Rows`
        :param rate: :class:`Rate`; ``choice``: :class:`Choice`.
        :param recipe: :class:`tad.data.recipe.Recipe` of the features, or None.
        :param place: names the recording in messages.
        :param progress: show a bar of the clips (on a terminal).
        :returns: :class:`tad.postprocess.fusion.Detections` in seconds, best first.
        :raises FeatureError: the features cannot be read; the message goes on after the recording's name.
        :raises UserError: as :meth:`predict`.
        """
        self.check(choice)
        settings = self._settings(choice)
        check_labels(settings, choice.labels or self.classes, choice.external is not None)
        grid = self.grid(rows, rate, recipe, place)
        self._check_width(rows.shape, place)
        source = Source(place, grid, len(rows), np.zeros((0, 2)), np.zeros(0, np.int64))
        count = clip_count(len(rows), settings.dataset, settings.dataset.length)

        def follow(clips):
            return iter(tqdm(clips, total=count, desc=place, unit="clip", leave=False, disable=None)
                        if progress else clips)

        found = detect(self.trained.detector, source, rows.map(self.trained.normalization.apply), settings,
                       self.device, choice.external, self._indices(choice.labels), follow)
        if choice.min_score is not None:
            found = found.take(found.scores >= choice.min_score)
        return found if choice.top_k is None else found.take(slice(0, choice.top_k))

    def check(self, choice):
        """Find out before the work that a :class:`Choice` makes no sense.

        :raises UserError: it does not.
        """
        if choice.top_k is not None and choice.top_k < 1:
            raise UserError("top-k must be 1 or more, not %d" % choice.top_k)
        if choice.min_score is not None and not 0 <= choice.min_score <= 1:
            raise UserError("min-score must be from 0 to 1, not %g" % choice.min_score)
        self._indices(choice.labels)

    def _settings(self, choice):
        settings = self.trained.settings
        if choice.top_k is not None:
            settings = replace(settings, postprocess__top_k=max(choice.top_k, settings.postprocess.top_k))
        if choice.min_score is not None:
            least = min(choice.min_score, settings.postprocess.min_score)
            settings = replace(settings, postprocess__min_score=least)
        return settings

    def grid(self, rows, rate=AS_LEARNED, recipe=None, place="the recording"):
        """Where the snippets lie in time, after a look whether the detector knows such features.

        Parameters and errors are those of :meth:`detect`. :returns: :class:`tad.data.timegrid.TimeGrid`
        """
        recipe = recipe or Recipe(normalization=_own(self.trained.recipe))
        check_layout(recipe, place)
        dataset = self.trained.at_learned_rate(self.trained.settings.dataset)
        for key in GRID_KEYS:
            given, known, learned = getattr(rate, key), getattr(recipe, key), getattr(dataset, key)
            if given is None:
                continue
            if given < 0 or (given == 0 and key != "window") or not np.isfinite(given):
                raise UserError("%s must be a number above 0, not %g" % (key, given))
            if known is not None and not np.isclose(given, known):
                raise UserError("%s: %s %g was given, but the recipe of the features says %g"
                                % (place, key, given, known))
            if learned is not None and not np.isclose(given, learned):
                warnings.warn("%s %g is used as given; the detector learned from %s %g" % (key, given, key, learned),
                              DataWarning, stacklevel=2)
            dataset = replace(dataset, **{key: float(given)})
        check_recipe(self.trained.wanted_recipe(dataset, recipe), recipe, place)
        if rate.duration is not None:
            return _spanning(rate, len(rows), place)
        even = dataset.timing == "even" and rate.fps is None
        fps = recipe.fps if even or dataset.fps is None else dataset.fps
        if fps is None:
            raise UserError("%s: nothing tells the rate of its features; give fps (on the command line --fps; stride "
                            "is %g and window %g frames in the checkpoint), or a duration that they span evenly "
                            "(--duration)"
                            % (place, dataset.stride, dataset.window))
        return frame_grid(fps, dataset.stride, dataset.window)

    def _check_width(self, shape, place):
        if shape[1] == self.width:
            return
        hint = ""
        if shape[0] == self.width:
            hint = "; it looks like (channels, snippets), so turn it round, as tad data import does"
        raise UserError("%s has features of shape (%d, %d), where (snippets, %d channels) is needed%s"
                        % (place, shape[0], shape[1], self.width, hint))

    def _indices(self, labels):
        """Indices of some classes, or None for all."""
        return None if labels is None else sorted(self._index(label) for label in labels)

    def _index(self, label):
        if label in self.classes:
            return self.classes.index(label)
        nearest = difflib.get_close_matches(str(label), self.classes, n=1)
        raise UserError("the detector has no label '%s'%s; it has: %s" % (
            label, "; did you mean '%s'" % nearest[0] if nearest else "", ", ".join(self.classes)))

    def _external(self, scores):
        row = np.zeros(len(self.classes))
        for label, score in scores.items():
            if not _is_score(score):
                raise UserError("the external score of '%s' must be a number from 0 to 1, not %r" % (label, score))
            row[self._index(label)] = score
        return row


def _spanning(rate, snippets, place):
    if rate.fps is not None:
        raise UserError("%s: give fps or duration (--fps or --duration), not both" % place)
    if not rate.duration > 0 or not np.isfinite(rate.duration):
        raise UserError("duration must be a number above 0, not %g" % rate.duration)
    return TimeGrid.spanning(rate.duration, snippets)


def _own(recipe):
    """The normalization that features without a recipe are taken to have: that of the detector's."""
    return None if recipe is None else recipe.normalization


def _is_score(value: Any):
    return isinstance(value, (int, float, np.number)) and 0 <= value <= 1
