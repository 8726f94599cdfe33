"""Detections of windows become detections of the recording, in its seconds."""

import numpy as np
import pytest

from tad.config import PostprocessSettings
from tad.data.clips import CUTTERS
from tad.data.timegrid import TimeGrid
from tad.postprocess.fusion import NOTHING, Detections
from tad.postprocess.merge import merge_clips
from tad.postprocess.nms import suppress
from tests.helpers import make_source, tiny_settings


def perfect(clip):
    """What a perfect detector finds in a clip: the actions that lie in it, cut to it."""
    segments = np.clip(clip.segments, -0.5, clip.valid - 0.5)
    return Detections(segments, clip.classes, np.full(len(segments), 0.9))


@pytest.mark.parametrize("mode", ["windows", "rescale"])
@pytest.mark.parametrize("snippets", [1, 20, 32, 33, 200, 1001])
def test_every_action_is_found_once_where_it_is(rng, mode, snippets):
    """Actions shorter than a third of a window survive cutting, merging and NMS in their exact place."""
    grid = TimeGrid(float(rng.uniform(0, 1)), float(rng.uniform(0.1, 2)))
    source, features = make_source(rng, snippets, actions=0, grid=grid)
    starts = np.arange(0, snippets - 14, 17.0) + rng.uniform(0, 2)
    segments = np.stack([starts, starts + rng.uniform(3, 11, len(starts))], axis=1) if len(starts) else np.zeros((0, 2))
    source = source._replace(segments=segments, classes=np.zeros(len(segments), np.int64))
    clips = list(CUTTERS[mode](source, features, tiny_settings().dataset, 32))
    merged = merge_clips(clips, [perfect(clip) for clip in clips], 1e9)
    kept = suppress(merged, PostprocessSettings(method="nms", tiou_threshold=0.5, top_k=1000))
    found = kept.segments[np.argsort(kept.segments[:, 0])]
    np.testing.assert_allclose(found, grid.to_seconds(segments), atol=1e-9)


def test_segments_are_cut_to_the_recording(rng):
    source, features = make_source(rng, 20)
    clip, = CUTTERS["windows"](source, features, tiny_settings().dataset, 32)
    found = Detections(np.array([[-5.0, 3.0], [10.0, 40.0], [-9.0, -2.0], [30.0, 35.0]]), np.arange(4), np.ones(4))
    merged = merge_clips([clip], [found], 20.0)
    np.testing.assert_allclose(merged.segments, [[0, 3.5], [10.5, 20.0]])
    assert merged.labels.tolist() == [0, 1]


def test_a_detection_belongs_to_the_window_that_sees_it_best(rng):
    source, features = make_source(rng, 48, actions=0)
    clips = list(CUTTERS["windows"](source, features, tiny_settings("dataset.overlap=0.5").dataset, 32))
    assert len(clips) == 2
    at_its_edge = Detections(np.array([[28.0, 31.0]]), np.zeros(1, np.int64), np.ones(1))
    assert len(merge_clips(clips, [at_its_edge, NOTHING], 100.0).scores) == 0
    in_the_middle = Detections(np.array([[12.0, 15.0]]), np.zeros(1, np.int64), np.ones(1))
    np.testing.assert_allclose(merge_clips(clips, [NOTHING, in_the_middle], 100.0).segments, [[28.5, 31.5]])
