"""The graph of ``deeplab`` beyond what every graph is tested for in ``test_every_graph.py``."""

import numpy as np
import pytest
import torch

from tad import compat
from tad.errors import UserError
from tests.export.test_every_graph import make, make_clips

pytestmark = pytest.mark.skipif(not compat.exports_onnx(), reason="tad export needs PyTorch 2.6")


@pytest.mark.parametrize("assignment, instead", [("deeplab.second_stage=graph", "fc or cnn"),
                                                 ("deeplab.atrous_graph=true", "false")])
def test_graphs_whose_edges_hang_on_rounding_are_refused_by_their_setting(assignment, instead):
    with pytest.raises(UserError, match="%s cannot be exported: .*; train one with %s" % (assignment, instead)):
        make("deeplab", assignment)


def test_blocks_do_not_change_the_graph(rng):
    _, graph = make("deeplab")
    features, _ = make_clips(rng, [32], 32)
    with torch.no_grad():
        whole = graph(features, torch.tensor([32]))
        graph.block = 7
        parts = graph(features, torch.tensor([32]))
    for one, other in zip(whole, parts):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-5)


@pytest.mark.parametrize("generator", ["start_end", "thr_action", "unif_rand"])
def test_candidates_of_other_generators_are_refused_by_name(generator):
    with pytest.raises(UserError, match="deeplab.generator=%s cannot be exported: .*deeplab.generator=all" % generator):
        make("deeplab", "deeplab.generator=" + generator)
