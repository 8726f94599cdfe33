"""Durations from features, and what durations tell of features."""

import warnings
from collections import OrderedDict

from tad.data.annotations import read_ground_truth
from tad.data.importers.database import read_recordings
from tad.data.importers.features import FeatureWishes, open_stream
from tad.data.importers.orientation import Evidence
from tad.data.recipe import Recipe, read_recipe
from tad.data.timegrid import TimeGrid
from tad.errors import DataWarning, UserError


def durations_from_features(path, fps=None, stride=None, window=None, layout=None, strip=()):
    """How long each recording's features last, by rate, stride and window; those not given come from the recipe.

    :returns: dict id -> seconds, and sentences on what was recognised; unusable features are warned of and left out.
    :raises UserError: the rate or the stride is not known, or which axis is time.
    """
    recipe = read_recipe(path) or Recipe()
    fps, stride = fps or recipe.fps, stride or recipe.stride
    window = next((value for value in (window, recipe.window) if value is not None), stride)
    if fps is None or stride is None:
        raise UserError("durations from the features in %s need --fps and --stride (their recipe does not say)" % path)
    said, left_out, grid = [], OrderedDict(), TimeGrid.from_frames(fps, stride, window)
    stream = open_stream(path, FeatureWishes(layout, tuple(strip)), said, left_out)
    for place in sum(left_out.values(), []):
        warnings.warn("%s; its duration stays unknown" % place, DataWarning, stacklevel=2)
    return {name: grid.end_s(snippets) for name, snippets in stream.snippets.items()}, said


def layout_evidence(annotations, recordings, fps=None, stride=None, window=None):
    """What durations tell of the number of snippets; see :class:`tad.data.importers.orientation.Evidence`."""
    durations = {}
    if annotations:
        durations.update({name: recording.duration_s for name, recording in read_ground_truth(annotations).items()
                          if recording.duration_s is not None})
    if recordings:
        durations.update({name: facts.duration_s for name, facts in read_recordings(recordings).items()
                          if facts.duration_s is not None})
    if not durations:
        return Evidence()
    if not (fps and stride):
        return Evidence(durations=durations)
    grid = TimeGrid.from_frames(fps, stride, stride if window is None else window)
    return Evidence({name: grid.to_snippets(seconds) + 0.5 for name, seconds in durations.items()}, durations)
