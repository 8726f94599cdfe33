"""How far a boundary reaches is a setting."""

import numpy as np
import pytest
import torch

from tad.assignment.snippets import snippet_targets
from tad.detectors import deeplab
from tad.settings import load_settings

SEGMENTS, CLASSES = np.array([[4.25, 12.0]]), np.array([0])


@pytest.mark.parametrize("radius, starts, ends", [
    (0.5, [4], [12]), (1.5, [3, 4, 5], [11, 12, 13]), (3.5, [1, 2, 3, 4, 5, 6, 7], [9, 10, 11, 12, 13, 14, 15])])
def test_boundaries_and_offsets_reach_as_far_as_the_radius(radius, starts, ends):
    found = snippet_targets(SEGMENTS, CLASSES, 1, 20, 20, radius)
    for side, wanted in enumerate((starts, ends)):
        assert np.flatnonzero(found.boundaries[side]).tolist() == wanted
        np.testing.assert_allclose(found.offsets[side][wanted], SEGMENTS[0, side] - np.array(wanted))
        assert not np.delete(found.offsets[side], wanted).any()


def test_the_detector_asks_for_the_radius_of_its_settings(monkeypatch):
    asked = []

    def targets(*arguments):
        asked.append(arguments[-1])
        raise InterruptedError

    monkeypatch.setattr(deeplab, "snippet_targets", targets)
    settings = load_settings(None, ["deeplab.boundary_radius=2.5", "deeplab.max_duration=8", "deeplab.width=8"])
    detector = deeplab.DeepLabDetector(3, 1, settings)

    class Batch:
        segments, classes, valid = SEGMENTS, CLASSES, 20

    with pytest.raises(InterruptedError):
        detector.losses(torch.zeros(1, 3, 20), [Batch], np.random.RandomState(0))
    assert asked == [2.5]
