"""What the package asks of every detector's graph: that there is one, or a reason, and that it equals the detector."""

import numpy as np
import pytest
import torch

from tad import compat, pipeline
from tad.config import DETECTORS
from tad.data.clips import Clip
from tad.data.timegrid import TimeGrid
from tad.detectors import DETECTORS as KINDS
from tad.detectors import build_detector
from tad.errors import UserError
from tad.export import graphs
from tad.export.base import Graph
from tad.export.check import difference, split
from tests.helpers import tiny_settings

LENGTH, WIDTH, CLASSES = 32, 4, 3
SAME = 2e-5

# Settings that change a detector's graph; without an entry the default ones are tried
CASES = {
    "deeplab": [(), ("deeplab.context=0.3", "deeplab.proposal_bins=5"), ("deeplab.context=0",),
                ("deeplab.strides=[1]",), ("deeplab.candidates=5000",), ("deeplab.candidates=1",),
                ("deeplab.max_duration=1",), ("deeplab.score=regression", "deeplab.actionness=binary"),
                ("deeplab.score=classification", "deeplab.end_shift=-1.5", "deeplab.boundary_convs=0"),
                ("deeplab.end_shift=0.75", "deeplab.generator=sliding_window"),
                ("deeplab.generator=alter_window", "deeplab.window_step=3", "deeplab.candidates=7"),
                ("deeplab.proposal_features=mask", "deeplab.context=0.4"),
                ("deeplab.proposal_features=mask", "deeplab.mask_samples=1", "deeplab.context=0"),
                ("deeplab.second_stage=cnn", "deeplab.proposal_bins=5")],
    "bmn": [(), ("bmn.sampling=mask", "bmn.context=0.4"), ("bmn.sampling=align1d",), ("bmn.class_head=false",),
            ("bmn.sampling=align1d", "bmn.context=0", "bmn.proposal_samples=5"), ("bmn.max_duration=1",),
            ("bmn.proposal_samples=2", "bmn.candidates=5000"), ("bmn.candidates=1", "bmn.class_head=false")],
    "bsn": [(), ("bsn.curves=all", "bsn.dilations=[1,2,4]", "bsn.region=0.6"), ("bsn.class_head=false",),
            ("bsn.peak_fraction=1", "bsn.candidates=5000"), ("bsn.peak_fraction=0", "bsn.max_duration=1"),
            ("bsn.candidates=1", "bsn.region_points=2", "bsn.course_points=3")],
    "atss": [(), ("atss.levels=1", "atss.refine_context=0.3", "atss.refine_bins=5"), ("atss.refine=false",),
             ("atss.levels=4", "atss.anchor_scale=3.3", "atss.candidates=20", "atss.refine=false"),
             ("atss.candidates=1", "atss.head_convs=2", "atss.refine_context=0")],
}

exportable = [name for name in DETECTORS if not isinstance(graphs.GRAPHS.get(name, ""), str)]
needs_torch = pytest.mark.skipif(not compat.exports_onnx(), reason="tad export needs PyTorch 2.6")


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_has_a_graph_or_a_reason_why_not(name):
    """CONTRIBUTING.md, "Adding a detector": a line in ``tad/export/graphs.py``."""
    entry = graphs.GRAPHS.get(name)
    assert entry is not None, "tad/export/graphs.py has neither a graph of '%s' nor a reason why there is none" % name
    if isinstance(entry, str):
        assert len(entry.split()) >= 5 and entry[-1] not in ".;", "'%s' is no reason" % entry
    else:
        assert issubclass(entry, Graph)


def test_no_graph_is_of_a_detector_that_is_gone():
    assert set(graphs.GRAPHS) <= set(DETECTORS)


def test_a_detector_without_a_graph_is_refused_with_its_reason(monkeypatch):
    monkeypatch.setitem(graphs.GRAPHS, "bmn", "its map has no end")
    settings = tiny_settings(detector="bmn")
    trained = pipeline.Trained(settings, ("a",), None, None, None, {})
    with pytest.raises(UserError, match="the detector 'bmn' cannot be exported: its map has no end; these can: .*deep"):
        graphs.build_graph(trained)


def make(name, *assignments):
    """A detector whose numbers are all over their range, and its graph."""
    settings = KINDS[name].fit(tiny_settings(*assignments, detector=name), 16.0)
    detector = build_detector(settings, WIDTH, CLASSES).eval()
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return detector, graphs.build_graph(pipeline.Trained(settings, (), None, detector, None, {}))


def make_clips(rng, valid, length):
    """Random clips and their features ``(B, WIDTH, length)``, zero from ``valid`` on."""
    features = rng.standard_normal((len(valid), WIDTH, length)).astype(np.float32)
    for row, count in zip(features, valid):
        row[:, count:] = 0
    clips = [Clip("rec", row, count, TimeGrid(0.0, 1.0), np.zeros((0, 2)), np.zeros(0, np.int64), -np.inf, np.inf)
             for row, count in zip(features, valid)]
    return torch.from_numpy(features), clips


@needs_torch
@pytest.mark.parametrize("name, assignments", [(name, case) for name in exportable for case in CASES.get(name, [()])])
@pytest.mark.parametrize("length", [LENGTH, LENGTH + 1, 19])
def test_equals_the_detector(rng, name, assignments, length):
    """Whole clips, those of one and two snippets, those shorter than a proposal may be; best first."""
    detector, graph = make(name, *assignments)
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    if length < graph.shortest or (length != LENGTH and graph.shortest > LENGTH):
        pytest.skip("'%s' takes no clips of %d snippets" % (name, length))
    valid = [length, 1, 2, int(rng.randint(3, length))]
    features, clips = make_clips(rng, valid, length)
    with torch.no_grad():
        found = split([values.numpy() for values in graph(features, torch.tensor(valid))])
        expected = detector.propose(features, clips)
    for one, other, clip in zip(found, expected, clips):
        assert max(difference(one, other, graph.rank, "a clip of %d" % clip.valid)) < SAME
        for proposals in (one, other):
            assert (np.diff(graph.rank(proposals)) <= 1e-6).all()
            assert all(values.dtype == np.float64 for values in proposals[:5])
    assert all(torch.equal(value, before[key]) for key, value in detector.state_dict().items())


@needs_torch
@pytest.mark.parametrize("name", exportable)
def test_a_batch_of_one_and_one_of_many_give_the_same(rng, name):
    """In float64: another size of batch is another order of sums, which float32 tells."""
    _, graph = make(name)
    valid = [LENGTH, 9, 25]
    features, _ = make_clips(rng, valid, LENGTH)
    graph, features = graph.double(), features.double()
    with torch.no_grad():
        together = split([values.numpy() for values in graph(features, torch.tensor(valid))])
        alone = [split([values.numpy() for values in graph(features[row:row + 1], torch.tensor(valid[row:row + 1]))])[0]
                 for row in range(3)]
    for one, other in zip(together, alone):
        assert max(difference(one, other, graph.rank, "a batch")) < SAME
