"""What judges proposals, against float64 loops: alone by convolutions, among neighbours by a graph."""

import numpy as np
import pytest
import torch

from tad.models.second_stage import SECOND_STAGES, Graph
from tests.helpers import tiny_settings

CHANNELS, BINS, WIDTH = 3, 6, 5


def stage(name, *assignments, bins=BINS):
    """With weights that let every part be seen."""
    settings = tiny_settings("deeplab.second_stage=" + name, *assignments).deeplab
    made = SECOND_STAGES[name](settings, CHANNELS, bins, WIDTH, 0.0, 2).double().eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn_like(weight))
    return made


def make_proposals(rng, *counts):
    """Proposals ``(N, 3)`` on a grid, so that many are equally close, and their features; ``counts`` of each clip."""
    index = np.repeat(np.arange(len(counts)), counts)
    starts, lengths = rng.randint(0, 9, len(index)), rng.randint(1, 7, len(index))
    values = rng.standard_normal((len(index), CHANNELS, BINS))
    return torch.from_numpy(values), torch.from_numpy(np.stack([index, starts, starts + lengths], axis=1).astype(float))


def arrays(module):
    return {name: weight.detach().numpy() for name, weight in module.named_parameters()}


def closeness(by, one, other, features, others):
    """How near a neighbour is, None where it can be none."""
    shared = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    union = (one[1] - one[0]) + (other[1] - other[0]) - shared
    if by == "features":
        return features.ravel() @ others.ravel() / np.linalg.norm(features) / np.linalg.norm(others)
    if by == "tiou":
        return shared / union if shared > 0 else None
    return None if shared > 0 else -abs(sum(one) / 2 - sum(other) / 2) / union


def neighbours_of(by, count, row, proposals, values):
    """Those of the same clip that are closest, with all that are as close as the last."""
    found = {}
    for other in range(len(proposals)):
        if other != row and proposals[other, 0] == proposals[row, 0]:
            near = closeness(by, proposals[row, 1:], proposals[other, 1:], values[row], values[other])
            if near is not None:
                found[other] = near
    last = sorted(found.values(), reverse=True)[:count][-1:]
    return [other for other, near in found.items() if near >= last[0]]


def written_out(module, values, lists):
    """The graph's layers, one proposal after the other, from lists of neighbours."""
    weights = arrays(module)
    states = [np.maximum(weights["embed.0.weight"] @ value.ravel() + weights["embed.0.bias"], 0) for value in values]
    for layer in range(2):
        weight, bias = weights["layers.%d.join.weight" % layer], weights["layers.%d.join.bias" % layer]
        means = [np.mean([states[other] for other in own], axis=0) if own else np.zeros(WIDTH) for own in lists]
        states = [np.maximum(weight @ np.concatenate(pair) + bias, 0) for pair in zip(states, means)]
    return np.array([weights["score.weight"] @ state + weights["score.bias"] for state in states])


@pytest.mark.parametrize("by", ["tiou", "distance", "features"])
@pytest.mark.parametrize("count", [1, 3, 50])
def test_graph_equals_its_layers_written_out(rng, by, count):
    """Three clips, one of them with a single proposal; more neighbours asked for than there are."""
    values, proposals = make_proposals(rng, 12, 1, 7)
    module = stage("graph", "deeplab.neighbours_by=" + by, "deeplab.neighbours=%d" % count)
    lists = [neighbours_of(by, count, row, proposals.numpy(), values.numpy()) for row in range(20)]
    np.testing.assert_allclose(module(values, proposals).detach().numpy(), written_out(module, values.numpy(), lists),
                               rtol=1e-10, atol=1e-10)


def test_neighbours_by_hand():
    """tIoU with the first: 8/10, 4/10, 0, and a copy 1. Nothing overlaps the fourth, whose nearest are the longest."""
    values = torch.zeros(1, 5, 1)
    segments = torch.tensor([[[0, 10], [0, 8], [6, 10], [20, 22], [0, 10]]], dtype=torch.float64)
    real = torch.ones(1, 5, dtype=torch.float64)
    overlapping = stage("graph", "deeplab.neighbours=2", "deeplab.sampled_neighbours=1").neighbours
    found = overlapping(values, segments, real)[0].numpy()
    assert found[0].tolist() == [0, 0.5, 0, 0, 0.5] and found[3].tolist() == [0] * 5
    assert found[2].tolist() == [0.5, 0, 0, 0, 0.5], "both copies are as close, and the second is not"
    nearest = stage("graph", "deeplab.neighbours_by=distance", "deeplab.neighbours=1").neighbours
    assert nearest(values, segments, real)[0, 3].tolist() == [0.5, 0, 0, 0, 0.5]


@pytest.mark.parametrize("name", sorted(SECOND_STAGES))
def test_the_order_of_proposals_is_of_no_importance(rng, name):
    values, proposals = make_proposals(rng, 15)
    module, order = stage(name), rng.permutation(15)
    np.testing.assert_allclose(module(values[order], proposals[order]).detach().numpy(),
                               module(values, proposals).detach().numpy()[order], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", sorted(SECOND_STAGES))
def test_clips_do_not_touch_each_other(rng, name):
    """Nor does the room that shorter ones leave in a batch."""
    counts = (9, 0, 2, 1)
    values, proposals = make_proposals(rng, *counts)
    module, begin = stage(name), 0
    together = module(values, proposals).detach().numpy()
    for count in counts:
        own = slice(begin, begin + count)
        np.testing.assert_allclose(module(values[own], proposals[own]).detach().numpy(), together[own], rtol=1e-12,
                                   atol=1e-12)
        begin += count


@pytest.mark.parametrize("name", sorted(SECOND_STAGES))
@pytest.mark.parametrize("counts", [(0, 0), (1,), (3, 0, 1)])
def test_every_weight_has_a_gradient_whatever_there_is_to_judge(rng, name, counts):
    values, proposals = make_proposals(rng, *counts)
    module = stage(name)
    found = module(values, proposals)
    assert found.shape == (sum(counts), 2)
    (found ** 2).sum().backward()
    assert all(weight.grad is not None for weight in module.parameters())


def test_a_graph_of_proposals_out_of_order_is_refused(rng):
    values, proposals = make_proposals(rng, 2, 2)
    with pytest.raises(ValueError, match="in the order of their clips"):
        stage("graph")(values.flip(0), proposals.flip(0))


def test_drawn_neighbours_are_some_of_all(rng):
    """As many as asked for, each of them about equally often, and nothing else changes."""
    values, proposals = make_proposals(rng, 10)
    module = stage("graph", "deeplab.neighbours_by=features", "deeplab.neighbours=6", "deeplab.sampled_neighbours=2")
    real, seen = torch.ones(1, 10, dtype=torch.float64), np.zeros((10, 10))
    segments = proposals[None, :, 1:]
    everyone = module.neighbours(values.flatten(1)[None], segments, real)[0].numpy() > 0
    for _ in range(600):
        drawn = torch.from_numpy(rng.random_sample((1, 10, 10)))
        found = module.neighbours(values.flatten(1)[None], segments, real, drawn)[0].numpy()
        assert ((found > 0).sum(axis=1) == 2).all() and not (found > 0)[~everyone].any()
        seen += found > 0
    # Binomial with 600 draws of probability 1/3: eight deviations of 11.5 around 200
    assert everyone.sum() == 60 and (np.abs(seen[everyone] - 200) < 92).all()
    lists = [[other for other in range(10) if found[row, other]] for row in range(10)]
    np.testing.assert_allclose(module(values, proposals, [drawn[0]]).detach().numpy(),
                               written_out(module, values.numpy(), lists), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("bins", [4, 5, 6, 7, 24])
def test_convolutions_equal_their_sums_written_out(rng, bins):
    module = stage("cnn", bins=bins)
    values, weights = rng.standard_normal((2, CHANNELS, bins)), arrays(module)
    found = module(torch.from_numpy(values)).detach().numpy()
    for value, scores in zip(values, found):
        for layer, stride in ((0, 1), (2, 2), (4, 2)):
            kernel, bias = (weights["convolutions.%d.%s" % (layer, part)] for part in ("weight", "bias"))
            around = np.pad(value, ((0, 0), (1, 1)), "constant")
            value = np.stack([np.maximum(bias + np.einsum("oik,ik->o", kernel, around[:, at:at + 3]), 0)
                              for at in range(0, value.shape[1], stride)], axis=1)
        hidden = np.maximum(weights["score.0.weight"] @ value.ravel() + weights["score.0.bias"], 0)
        np.testing.assert_allclose(scores, weights["score.3.weight"] @ hidden + weights["score.3.bias"], rtol=1e-10)


def test_only_a_graph_looks_at_other_proposals(rng):
    values, proposals = make_proposals(rng, 3)
    proposals[:, 1:] = torch.tensor([0.0, 4.0], dtype=torch.float64)
    for name in SECOND_STAGES:
        values.grad = None
        values.requires_grad_()
        module = stage(name)
        if isinstance(module, Graph):
            for weight in module.parameters():
                weight.data.abs_()  # so that no rectifier is in the way
        module(values.abs(), proposals)[0].sum().backward()
        assert bool(values.grad[1:].abs().sum() > 0) == (name == "graph")
