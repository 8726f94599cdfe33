"""The graph beside the atrous convolutions, against float64 loops over steps."""

import numpy as np
import pytest
import torch

from tad.models.aspp import AtrousPyramid
from tad.models.semantic_graph import NEIGHBOURS, SemanticGraph


def nearest_of(features, step, real):
    """Indices of the real steps with the smallest distances, the step itself left out."""
    distances = [(np.linalg.norm(features[:, other] - features[:, step]), other) for other in np.flatnonzero(real)
                 if other != step]
    return [other for _, other in sorted(distances)[:NEIGHBOURS]]


def written_out(module, features, real):
    """``[x, mean of neighbours - x]`` through the linear layer, group normalization and the rectifier."""
    (convolution, norm), _ = module.edges
    weight = convolution.weight.detach().numpy()[:, :, 0]
    edges = np.zeros_like(features)
    for step in range(features.shape[1]):
        own = nearest_of(features, step, real)
        if own:
            edges[:, step] = features[:, own].mean(axis=1) - features[:, step]
    groups = (weight @ np.concatenate([features, edges])).reshape(norm.num_groups, -1)
    groups = (groups - groups.mean(axis=1, keepdims=True)) / np.sqrt(groups.var(axis=1, keepdims=True) + norm.eps)
    return np.maximum(groups.reshape(features.shape), 0)


@pytest.mark.parametrize("steps, lengths", [(20, (20, 13)), (8, (2, 1)), (3, (3, 0)), (1, (1, 1))])
def test_equals_its_definition_step_by_step(rng, steps, lengths):
    """Padding is no neighbour; fewer steps than neighbours, a single one, none that is real."""
    module = SemanticGraph(16).double()
    features = rng.standard_normal((2, 16, steps))
    real = np.arange(steps) < np.array(lengths)[:, None]
    found = module(torch.from_numpy(features), torch.from_numpy(real[:, None].astype(float)))
    expected = [written_out(module, own, flags) for own, flags in zip(features, real)]
    np.testing.assert_allclose(found.detach().numpy(), np.stack(expected), rtol=1e-9, atol=1e-9)


def test_a_step_that_is_partly_padding_is_a_neighbour_and_padding_is_not(rng):
    module = SemanticGraph(8).double()
    features = torch.from_numpy(rng.standard_normal((1, 8, 6)))
    weights = module.nearest(features, (torch.tensor([[1, 1, 0.3, 0, 0, 0]]) > 0).double())[0]
    assert (weights[:, 3:] == 0).all() and (weights[:2, 2] == 0.5).all() and weights[2].tolist()[:3] == [0.5, 0.5, 0]
    np.testing.assert_allclose(weights.sum(dim=1).numpy(), 1)


def test_the_order_of_steps_is_of_no_importance(rng):
    module, order = SemanticGraph(8).double(), rng.permutation(12)
    features, valid = torch.from_numpy(rng.standard_normal((1, 8, 12))), torch.ones(1, 1, 12, dtype=torch.float64)
    np.testing.assert_allclose(module(features[:, :, order], valid).detach().numpy(),
                               module(features, valid).detach().numpy()[:, :, order], rtol=1e-10, atol=1e-10)


def test_equal_steps_are_all_neighbours():
    """As in silence: five steps that are the same, and one that is not."""
    features = torch.tensor([[[0.0, 0, 0, 0, 0, 2]]])
    weights = SemanticGraph(1).nearest(features, torch.ones(1, 6))[0]
    assert weights[0].tolist() == [0, 0.25, 0.25, 0.25, 0.25, 0]
    np.testing.assert_allclose(weights[5].numpy(), [0.2] * 5 + [0])


def test_the_pyramid_has_it_beside_its_branches(rng):
    """Of what it says, the projection sees every channel; without it the pyramid's weights are as ever."""
    torch.manual_seed(1)
    plain = AtrousPyramid(8, (1, 2), 0.0)
    torch.manual_seed(1)
    same = AtrousPyramid(8, (1, 2), 0.0, graph=False)
    assert all(torch.equal(one, other) for one, other in zip(plain.state_dict().values(), same.state_dict().values()))
    made = AtrousPyramid(8, (1, 2), 0.0, graph=True).double()
    assert {name.split(".")[0] for name in set(made.state_dict()) - set(plain.state_dict())} == {"graph"}
    features, valid = torch.from_numpy(rng.standard_normal((2, 8, 9))), torch.ones(2, 1, 9, dtype=torch.float64)
    found = made(features, valid)
    (found ** 2).sum().backward()
    assert found.shape == (2, 8, 9)
    assert all(weight.grad is not None and float(weight.grad.abs().sum()) > 0 for weight in made.graph.parameters())
