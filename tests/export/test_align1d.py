"""The matrix form of Align1D against the operator that the detector runs, at its borders too."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from tad import compat
from tad.export import align1d as matrix
from tad.export import convert
from tad.export.check import session
from tad.ops.align1d import align1d
from tests.export.needs import needs_export
from tests.ops.test_align1d import random_rois

pytestmark = pytest.mark.skipif(not compat.exports_onnx(), reason="tad export needs PyTorch 2.6")


def both(values, rois, bins, block=None):
    """Rois ``(B, N, 2)`` through the matrix form and through the operator, both ``(B, N, C, bins)``."""
    batch, count = rois.shape[:2]
    longest = max(1.0, float((rois[..., 1] - rois[..., 0]).max()))
    found = matrix.align1d_matrix(values, rois, bins, int(math.ceil(longest / bins)), block)
    index = torch.arange(batch, dtype=rois.dtype)[:, None, None].expand(batch, count, 1)
    expected = align1d(values, torch.cat([index, rois], dim=2).flatten(0, 1), bins)
    return found, expected.view(batch, count, *expected.shape[1:])


@pytest.mark.parametrize("snippets", [1, 2, 7, 50])
@pytest.mark.parametrize("bins", [1, 3, 16])
def test_equals_the_operator(rng, snippets, bins):
    """Rois inside, across both ends, outside, reversed, of length 0, and much longer than the sequence."""
    values = torch.from_numpy(rng.standard_normal((2, 5, snippets)).astype(np.float32))
    rois = torch.from_numpy(random_rois(rng, 1, snippets, 80)[:, 1:]).view(2, 40, 2)
    found, expected = both(values, rois, bins)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("context", [0.0, 0.3, 0.5])
@pytest.mark.parametrize("bins", [4, 5, 6, 24])
def test_every_proposal_of_a_clip_in_both_types(rng, context, bins):
    """Whole starts and ends put samples exactly on -1 and T, where the value jumps to 0: both must jump alike."""
    snippets = int(rng.randint(30, 60))
    starts, ends = np.triu_indices(snippets, 1)
    margin = context * (ends - starts)
    values = torch.from_numpy(1 + rng.uniform(size=(1, 3, snippets)).astype(np.float32))
    for dtype in (torch.float32, torch.float64):
        rois = torch.from_numpy(np.stack([starts - margin, ends + margin], axis=1)[None]).to(dtype)
        found, expected = both(values, rois, bins)
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)


def test_blocks_do_not_change_the_result(rng):
    values = torch.from_numpy(rng.standard_normal((3, 4, 20)).astype(np.float32))
    rois = torch.from_numpy(random_rois(rng, 1, 20, 33)[:, 1:]).view(3, 11, 2)
    whole, _ = both(values, rois, 6)
    for block in (1, 4, 11, 100):
        np.testing.assert_allclose(both(values, rois, 6, block)[0].numpy(), whole.numpy(), atol=1e-6)


@needs_export
@pytest.mark.slow
def test_onnx_runtime_gives_the_same(rng):
    """For every proposal of a clip: nobody has simplified the arithmetic that decides about samples at the borders."""
    snippets, bins = int(rng.randint(30, 50)), 6
    starts, ends = np.triu_indices(snippets, 1)
    rois = np.stack([starts, ends], axis=1)[None].astype(np.float64)
    values = (1 + rng.uniform(size=(1, 3, snippets))).astype(np.float32)
    inputs = torch.from_numpy(values), torch.from_numpy(rois)
    graph = Matrix(bins, int(math.ceil(snippets / float(bins)))).eval()
    with convert.quiet():
        program = torch.onnx.export(graph, inputs, dynamo=True, verbose=False, opset_version=convert.OPSET,
                                    input_names=["features", "rois"])
    found, = session(program.model_proto.SerializeToString()).run(None, {"features": values, "rois": rois})
    np.testing.assert_allclose(found, both(*inputs, bins=bins)[1].numpy(), atol=1e-5)


class Matrix(torch.nn.Module):
    def __init__(self, bins, most):
        super(Matrix, self).__init__()
        self.bins, self.most = bins, most

    def forward(self, features, rois):
        return matrix.align1d_matrix(features, rois, self.bins, self.most)


def test_multiply_add_rounds_once(rng):
    """Against exact fractions."""
    factors = rng.randint(0, 5000, 200) + 0.5
    others, summands = rng.uniform(0.5, 1, 200), rng.uniform(-60, 60, 200)
    found = matrix.multiply_add(*(torch.from_numpy(values) for values in (factors, others, summands))).numpy()
    exact = [float(Fraction(a) * Fraction(b) + Fraction(c)) for a, b, c in zip(factors, others, summands)]
    assert found.tolist() == exact and (factors * others + summands).tolist() != exact


def test_a_block_takes_what_it_may():
    for snippets, bins, most in ((10, 4, 3), (2304, 24, 200), (65536, 64, 4000)):
        size = matrix.block_size(snippets, bins, most)
        per_roi = bins * (4 * snippets + matrix.SAMPLE_BYTES * most)
        assert size >= 1 and (size == 1 or size * per_roi <= matrix.BLOCK_BYTES < (size + 1) * per_roi)
