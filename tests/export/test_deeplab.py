"""The graph of ``deeplab`` beyond what every graph is tested for in ``test_every_graph.py``."""

import numpy as np
import pytest
import torch

from tad import compat
from tad.errors import UserError
from tests.export.test_every_graph import make, make_clips

pytestmark = pytest.mark.skipif(not compat.exports_onnx(), reason="tad export needs PyTorch 2.6")


def test_a_graph_of_proposals_is_refused_by_its_setting():
    with pytest.raises(UserError, match="deeplab.second_stage=graph cannot be exported: .*; train one with fc or cnn"):
        make("deeplab", "deeplab.second_stage=graph")


def test_blocks_do_not_change_the_graph(rng):
    _, graph = make("deeplab")
    features, _ = make_clips(rng, [32], 32)
    with torch.no_grad():
        whole = graph(features, torch.tensor([32]))
        graph.block = 7
        parts = graph(features, torch.tensor([32]))
    for one, other in zip(whole, parts):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-5)


@pytest.mark.parametrize("generator", ["alter_window", "start_end", "thr_action", "unif_rand", "sliding_window"])
def test_candidates_of_other_generators_are_refused_by_name(generator):
    with pytest.raises(UserError, match="deeplab.generator=%s cannot be exported: .*deeplab.generator=all" % generator):
        make("deeplab", "deeplab.generator=" + generator)
