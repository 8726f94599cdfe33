"""Anchors lie where the steps of the pyramid look."""

import numpy as np
import pytest

from tad.proposals.anchors import pyramid_anchors


def test_anchors_by_hand():
    anchors = pyramid_anchors(5, 3, 4)
    assert anchors.segments.mean(axis=1).tolist() == [0, 1, 2, 3, 4, 0, 2, 4, 0, 4]
    assert (anchors.segments[:, 1] - anchors.segments[:, 0]).tolist() == [4] * 5 + [8] * 3 + [16] * 2
    assert anchors.levels.tolist() == [0] * 5 + [1] * 3 + [2] * 2


@pytest.mark.parametrize("length", [1, 2, 33])
def test_the_finest_level_has_an_anchor_at_each_snippet(length):
    anchors = pyramid_anchors(length, 1, 8)
    assert np.array_equal(anchors.segments.mean(axis=1), np.arange(length))
