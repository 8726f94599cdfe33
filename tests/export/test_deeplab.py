"""The graph of ``deeplab``, run by PyTorch, gives what the detector gives."""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from tad import compat
from tad.data.clips import Clip
from tad.data.timegrid import TimeGrid
from tad.detectors import build_detector
from tad.export.deeplab import DeepLabGraph, mean_inside
from tad.postprocess import fusion
from tests.helpers import tiny_settings

pytestmark = pytest.mark.skipif(not compat.exports_onnx(), reason="tad export needs PyTorch 2.6")


def make(rng, *assignments):
    settings = tiny_settings("deeplab.max_duration=20", *assignments)
    detector = build_detector(settings, 4, 3).eval()
    with torch.no_grad():
        for parameter in detector.network.snippet_head.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return detector, DeepLabGraph(detector, 32).eval()


def make_clips(rng, valid, length):
    features = rng.standard_normal((len(valid), 4, length)).astype(np.float32)
    clips = [Clip("rec", row, count, TimeGrid(0.0, 1.0), np.zeros((0, 2)), np.zeros(0, np.int64), -np.inf, np.inf)
             for row, count in zip(features, valid)]
    return torch.from_numpy(features), clips


@pytest.mark.parametrize("assignments", [
    (), ("deeplab.context=0.3", "deeplab.proposal_bins=5"), ("deeplab.context=0",), ("deeplab.strides=[1]",),
    ("deeplab.candidates=5000",), ("deeplab.candidates=1",), ("deeplab.max_duration=1",)])
@pytest.mark.parametrize("length", [32, 33, 19])
def test_equals_the_detector_row_by_row(rng, assignments, length):
    """Whole clips, those of one and two snippets (no or one proposal), those shorter than a proposal may be."""
    detector, graph = make(rng, *assignments)
    valid = [length, 1, 2, int(rng.randint(3, length))]
    features, clips = make_clips(rng, valid, length)
    with torch.no_grad():
        outputs = [values.numpy() for values in graph(features, torch.tensor(valid))]
        expected = detector.propose(features, clips)
    for index, proposals in enumerate(expected):
        count = outputs[-1][index]
        assert count == len(proposals.segments) and (valid[index] > 1) == bool(count)
        assert_same_rows([values[index, :count] for values in outputs[:-1]], proposals[:5])


def assert_same_rows(found, expected):
    """The same proposals, best first; those whose boundary scores differ by rounding alone may change places."""
    for rows in (found, expected):
        assert (np.diff(rows[2]) <= 1e-6).all()
    if len(expected[2]):
        tables = [np.concatenate([np.reshape(values, (len(values), -1)) for values in rows], axis=1)
                  for rows in (found, expected)]
        distances = cdist(*tables, metric="chebyshev")
        assert distances[linear_sum_assignment(distances)].max() < 2e-5


def test_blocks_do_not_change_the_graph(rng):
    detector, graph = make(rng)
    features, _ = make_clips(rng, [32], 32)
    with torch.no_grad():
        whole = graph(features, torch.tensor([32]))
        graph.block = 7
        parts = graph(features, torch.tensor([32]))
    for one, other in zip(whole, parts):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-5)


def test_mean_inside_equals_that_of_numpy(rng):
    scores = rng.uniform(size=(2, 3, 15))
    found = np.sort(rng.uniform(-4, 19, (2, 30, 2)), axis=2)
    found[0, 0], found[0, 1] = (-9, -8), (3, 3)
    means = mean_inside(torch.from_numpy(scores), torch.from_numpy(found)).numpy()
    for index in range(2):
        np.testing.assert_allclose(means[index], fusion.mean_inside(scores[index], found[index]), atol=1e-12)
