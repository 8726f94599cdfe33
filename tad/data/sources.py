"""Joins annotations with features into checked sources, one a recording."""

import hashlib
import warnings
from collections import Counter
from typing import NamedTuple

import numpy as np

from tad.data.features import FeatureError
from tad.data.naming import shortened
from tad.data.rows import open_rows
from tad.data.timegrid import TimeGrid
from tad.errors import DataWarning, UserError, reporter

END_SLACK = 2  # snippets that an action may end after the features without a word; extractors drop the last frames
FARTHEST_RATE = 1.5  # times that features may cover more or less than their recording lasts, if all of them do


class Source(NamedTuple):
    """A recording whose features were read and found good.

    ``segments`` is float64 ``(N, 2)`` in snippet units, ``classes`` int64 ``(N,)``; ``-1`` stands for a label that the
    class list does not have.
    """

    id: str
    grid: TimeGrid
    snippets: int
    segments: np.ndarray
    classes: np.ndarray


class Normalization(NamedTuple):
    """Per-channel mean and deviation, float32 ``(C,)``, learned on the training subset."""

    mean: np.ndarray
    deviation: np.ndarray

    def apply(self, features):
        """``(T, C)`` features, z-normalized."""
        return (features - self.mean) / self.deviation


def load_sources(recordings, store, settings, classes, width=None, tell=None, shapes=None):
    """Sources of the recordings that can be used; every other one is reported by name and left out.

    :param settings: :class:`tad.config.DatasetSettings`
    :param classes: class names in the order of the detector's outputs.
    :param width: channels that the features must have, for inference; None, for training, takes the commonest width
        among them and reports recordings that show no action.
    :param shapes: what :func:`readable_shapes` found, if features were read before.
    :param tell: what is called with each problem, see :func:`tad.errors.reporter`; None warns, or raises with
        ``settings.strict``.
    :returns: list of :class:`Source`, and the width.
    :raises UserError: no recording is left, or fewer than ``settings.max_missing`` and ``settings.allow_missing``
        allow; the features of all cover another time than their recordings last; or, with ``settings.strict``, any
        problem.
    """
    tell = tell or reporter(settings.strict)
    if shapes is None:
        shapes = readable_shapes(recordings, store, tell)
    if width is None:
        _report_background(recordings, shapes, tell)
    if width is None and shapes:
        width = _commonest_width(shapes, store)
    _check_rates(recordings, shapes, store, settings)
    sources = []
    for recording in recordings:
        if recording.id not in shapes:
            continue
        snippets, channels = shapes[recording.id]
        if channels != width:
            tell("width", recording.id, "has features of width %d, where %d is needed" % (channels, width),
                 "left out")
            continue
        grid = make_grid(recording, snippets, settings, tell)
        if grid is not None:
            sources.append(_source(recording, grid, snippets, classes, tell))
    if not sources:
        raise UserError(_nothing_usable(recordings, shapes, width, store))
    check_missing(left_out(recordings, sources), len(recordings), settings, store.path)
    return sources, width


def left_out(recordings, sources):
    """Ids of the recordings that gave no source."""
    used = {source.id for source in sources}
    return [recording.id for recording in recordings if recording.id not in used]


def check_missing(missing, total, settings, path):
    """Refuse to go on with too small a part of the data.

    :raises UserError: more than the part ``settings.max_missing`` is missing, and not ``settings.allow_missing``.
    """
    if missing and not settings.allow_missing and len(missing) > settings.max_missing * total:
        raise UserError("%d of %d recordings cannot be used with the features in %s, more than dataset.max_missing "
                        "(%g) allows: %s; mend them ('tad data check' lists every one), or go on without them with "
                        "--allow-missing" % (len(missing), total, path, settings.max_missing, shortened(missing)))


def make_grid(recording, snippets, settings, tell=None):
    """The time grid of a recording's features, or None after a report when nothing tells their rate."""
    tell = tell or reporter(settings.strict)
    grid = _frame_grid(recording, settings)
    duration = recording.duration_s
    if grid is None:
        if duration is None:
            tell("no rate", recording.id, "has neither 'fps' nor 'duration', and dataset.fps is not set",
                 "left out")
            return None
        return TimeGrid.spanning(duration, snippets)
    covered = grid.end_s(snippets)
    # Half a window lies before the centre of snippet 0
    tolerance = max(2 * grid.step_s + 2 * grid.origin_s, 0.05 * covered)
    if duration is not None and abs(covered - duration) > tolerance:
        tell("length", recording.id, "its %d snippets cover %.2f s by fps, stride and window, but its duration is "
             "%.2f s%s" % (snippets, covered, duration, _fitting_stride(grid, snippets, duration, settings)),
             "used as it is")
    return grid


def _fitting_stride(grid, snippets, duration, settings):
    """How far the features' end is from the recording's, and the stride that would bring them together."""
    missing = duration - grid.end_s(snippets)
    if duration <= grid.origin_s:
        return ""
    stride = 1.0 if settings.stride is None else settings.stride
    fitting = stride * (duration - grid.origin_s) / (grid.step_s * (snippets - 0.5))
    return " (they end %.2f s %s it; stride %.4g would fit)" % (abs(missing), "before" if missing > 0 else "after",
                                                                 fitting)


def _frame_grid(recording, settings):
    """The grid by frames, or None where no rate is known."""
    fps = _frame_rate(recording, settings)
    return None if fps is None else frame_grid(fps, settings.stride, settings.window)


def _frame_rate(recording, settings):
    """Frames a second, or None where nothing tells; unless settings say otherwise, its own rate comes first."""
    return {"auto": recording.fps or settings.fps, "fps": settings.fps, "even": None}[settings.timing]


def shared_rate(recordings, sources, settings):
    """Frames a second by which the features of all sources lie in time, or None where they differ or span evenly.

    :param recordings: of the sources, and others; ``settings``: :class:`tad.config.DatasetSettings`
    """
    used = {source.id for source in sources}
    rates = {_frame_rate(recording, settings) for recording in recordings if recording.id in used}
    return rates.pop() if len(rates) == 1 else None


def frame_grid(fps, stride, window):
    """The grid by frames; a stride or window that nobody knows is one frame."""
    return TimeGrid.from_frames(fps, 1.0 if stride is None else stride, 1.0 if window is None else window)


def check_learnable(sources, classes):
    """Warn of classes that only recordings without usable features show.

    :raises UserError: no source shows any action.
    """
    shown = {classes[index] for source in sources for index in source.classes if index >= 0}
    if not shown:
        raise UserError("none of the %d training recordings with usable features shows an action" % len(sources))
    hidden = [name for name in classes if name not in shown]
    if hidden:
        warnings.warn("labels that only recordings without usable features have: %s; they cannot be learned"
                      % ", ".join(hidden), DataWarning, stacklevel=2)


def actions_checksum(sources):
    """SHA-256 of ids, segments and classes, to tell whether two trainings see the same actions."""
    digest = hashlib.sha256()
    for source in sources:
        for value in (source.id.encode("utf-8"), source.segments.tobytes(), source.classes.tobytes()):
            digest.update(b"%d:" % len(value) + value)
    return digest.hexdigest()


def learn_normalization(sources, store):
    """Mean and deviation of each channel over all snippets of the sources; constant channels keep deviation 1.

    :raises UserError: features that were good before cannot be read any more.
    """
    count, total, squares = 0, 0.0, 0.0
    for source in sources:
        features = _read_again(store, source.id).astype(np.float64)
        count += len(features)
        total = total + features.sum(axis=0)
    mean = total / count
    for source in sources:
        squares = squares + ((_read_again(store, source.id) - mean) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / count)
    deviation[deviation < 1e-6] = 1.0
    return Normalization(mean.astype(np.float32), deviation.astype(np.float32))


def _read_again(store, name):
    try:
        return store.read(name)
    except FeatureError as error:
        raise UserError("%s %s; its features changed while they were used; mend them and start again" % (name, error))


def identity_normalization(width):
    """Leaves features as they are."""
    return Normalization(np.zeros(width, np.float32), np.ones(width, np.float32))


def readable_shapes(recordings, store, tell):
    """Shapes ``(T, C)`` by id of the features that can be read; every other recording is reported by name."""
    shapes = {}
    for recording in recordings:
        try:
            rows = open_rows(store, recording.id)
            rows.check()
            shapes[recording.id] = rows.shape
        except FeatureError as error:
            tell(error.kind, recording.id, str(error), "left out")
    return shapes


def _check_rates(recordings, shapes, store, settings):
    """Refuse features that cover another time than the recording lasts in every single recording, of two or more.

    One such recording may be odd; all of them are a wrong rate, or arrays that lie on their side.
    """
    compared = []
    for recording in recordings:
        grid = _frame_grid(recording, settings)
        if recording.id in shapes and grid is not None and recording.duration_s is not None:
            compared.append((recording, grid.end_s(shapes[recording.id][0])))
    wrong = [(recording, covered) for recording, covered in compared
             if max(covered / recording.duration_s, recording.duration_s / covered) > FARTHEST_RATE]
    if len(wrong) == len(compared) >= 2:
        recording, covered = wrong[0]
        raise UserError("the features in %s cover another time than every recording lasts, for example %s: %.2f s by "
                        "fps, stride and window, %.2f s by its duration; mend dataset.fps, dataset.stride or 'fps' in "
                        "the annotations, or are the arrays (channels, snippets)?"
                        % (store.path, recording.id, covered, recording.duration_s))


def _nothing_usable(recordings, shapes, width, store):
    """Why no recording is left, in one sentence."""
    start = "none of the %d recordings has usable features in %s" % (len(recordings), store.path)
    if shapes:
        widths = sorted({shape[1] for shape in shapes.values()})
        if width not in widths:
            return "%s: they have width %s, where %d is needed" % (start, ", ".join(map(str, widths)), width)
        return "%s; the warnings say why" % start
    known = [recording.id for recording in recordings if recording.id in store]
    if known:
        return "%s: %d are there and cannot be used, '%s' for one; the warnings say why" % (start, len(known), known[0])
    return "%s; do the names match? The annotations have '%s', the features '%s'" % (
        start, recordings[0].id, min(store.ids))


def _commonest_width(shapes, store):
    rows = {shape[0] for shape in shapes.values()}
    width, count = Counter(shape[1] for shape in shapes.values()).most_common(1)[0]
    if len(rows) == 1 and 2 * count < len(shapes):
        raise UserError("the features in %s all have %d rows and differ in their columns; are they (channels, "
                        "snippets) where they must be (snippets, channels)?" % (store.path, rows.pop()))
    return width


def _report_background(recordings, shapes, tell):
    for recording in recordings:
        if recording.id in shapes and not recording.labels:
            tell("background", recording.id, "has no annotated action", "used as background")


def _cut_at_end(segments, last, recording, grid, tell):
    """Cut actions where the features end, in place: one wrong number would make the longest action of all.

    Of recordings of known duration that has been done where they end.
    """
    for index in np.flatnonzero((segments[:, 0] < last) & (segments[:, 1] > last + END_SLACK)):
        start_s, end_s = recording.segments_s[index]
        tell("past the end", recording.id, "the action from %.2f to %.2f s reaches past the end of the features "
             "(%.2f s)" % (start_s, end_s, grid.to_seconds(last)), "cut there")
        segments[index, 1] = last


def _source(recording, grid, snippets, classes, tell):
    segments = grid.to_snippets(recording.segments_s).reshape(-1, 2)
    last = snippets - 0.5
    outside = segments[:, 0] >= last
    for start_s in recording.segments_s[outside, 0]:
        tell("after the features", recording.id, "the action at %.2f s begins after the features end (%.2f s)"
             % (start_s, grid.end_s(snippets)), "left out")
    if recording.duration_s is None:
        _cut_at_end(segments, last, recording, grid, tell)
    known = {label: index for index, label in enumerate(classes)}
    unknown = sorted({label for label in recording.labels if label not in known})
    if unknown:
        tell("unknown label", recording.id, "labels that no training recording has: %s" % ", ".join(unknown),
             "they cannot be detected")
    indices = np.array([known.get(label, -1) for label in recording.labels], dtype=np.int64)
    return Source(recording.id, grid, snippets, segments[~outside], indices[~outside])
