"""The features of the map in standard operators, beyond what every graph is tested for in ``test_every_graph.py``."""

import numpy as np
import pytest
import torch

from tad import compat
from tad.export import bmn, convert
from tad.export.check import session
from tad.models.boundary_map import SAMPLINGS
from tests.export.needs import needs_export
from tests.helpers import tiny_settings

pytestmark = pytest.mark.skipif(not compat.exports_onnx(), reason="tad export needs PyTorch 2.6")


def sampling_of(sampling, durations, snippets, points, context):
    """The graph's module."""
    settings = tiny_settings("bmn.max_duration=%d" % durations, "bmn.proposal_samples=%d" % points,
                             "bmn.context=%g" % context, detector="bmn").bmn
    return bmn.SAMPLINGS[sampling](settings, snippets)


def both(rng, sampling, durations, snippets, points, context, block=None):
    """The map's features by the graph and by the detector."""
    sample = sampling_of(sampling, durations, snippets, points, context)
    if block is not None:
        sample.block = block
    features = torch.from_numpy(1 + rng.uniform(size=(2, 3, snippets)).astype(np.float32))
    return sample(features).numpy(), SAMPLINGS[sampling](durations, points, context)(features).numpy()


@pytest.mark.parametrize("sampling", sorted(SAMPLINGS))
@pytest.mark.parametrize("durations, snippets", [(1, 2), (5, 30), (29, 30), (40, 30), (12, 8)])
@pytest.mark.parametrize("points, context", [(2, 0.0), (6, 0.25), (8, 0.5), (5, 1.0)])
def test_every_cell_is_sampled_as_by_the_detector(rng, sampling, durations, snippets, points, context):
    """Cells at both ends, whose context is outside; cells that end outside; durations longer than the clip."""
    found, expected = both(rng, sampling, durations, snippets, points, context)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_blocks_do_not_change_the_features(rng):
    for block in (1, 4, 17):
        found, expected = both(rng, "align1d", 16, 20, 6, 0.25, block)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_block_of_a_long_clip_is_one_duration():
    settings = tiny_settings("bmn.max_duration=3000", detector="bmn").bmn
    assert bmn.BinSampling(settings, 60000).block == 1


@needs_export
@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["indexed", "align1d"])
def test_onnx_runtime_samples_on_the_same_side_of_every_border(rng, sampling):
    """A context of 0.4 has no float32: rounded to one, it would move samples over the ends of the sequence."""
    snippets, durations, points, context = 45, 44, 6, 0.4
    features = torch.from_numpy(1 + rng.uniform(size=(1, 2, snippets)).astype(np.float32))
    with convert.quiet(), torch.no_grad():
        program = torch.onnx.export(sampling_of(sampling, durations, snippets, points, context).eval(), (features,),
                                    dynamo=True, verbose=False, opset_version=convert.OPSET, input_names=["features"])
    found, = session(program.model_proto.SerializeToString()).run(None, {"features": features.numpy()})
    expected = SAMPLINGS[sampling](durations, points, context)(features).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
