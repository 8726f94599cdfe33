"""The class head of networks with short views: equal to its convolutions written out, as wide as its dilations say."""

import numpy as np
import pytest
import torch

from tad.models.heads import ClassHead, SnippetHead


@pytest.mark.parametrize("dilations", [(), (1,), (1, 2, 4, 8), (3, 1)])
def test_each_dilation_widens_the_view(rng, dilations):
    """Group normalization apart, a snippet's scores depend on 1 + 2 x (sum of dilations) snippets and no others."""
    head = ClassHead(8, 3, dilations).double()
    for layer in head.branch:
        layer[0][1] = layer[1] = torch.nn.Sequential()  # linear, so that no view is cut by a ReLU
    features = torch.from_numpy(rng.standard_normal((1, 8, 61))).requires_grad_()
    scores = head(features)
    assert scores.shape == (1, 3, 61)
    scores[0, :, 30].sum().backward()
    seen = np.flatnonzero(features.grad[0].abs().sum(dim=0).numpy() > 0)
    reach = sum(dilations)
    assert (seen.min(), seen.max()) == (30 - reach, 30 + reach)


def test_scores_equal_the_convolutions_written_out(rng):
    head = ClassHead(8, 2, (2,)).double()
    convolution, norm = head.branch[0][0]
    features = rng.standard_normal((8, 9))
    padded = np.pad(features, ((0, 0), (2, 2)), "constant")
    hidden = np.zeros((8, 9))
    for snippet in range(9):
        for tap in range(3):
            hidden[:, snippet] += convolution.weight.detach().numpy()[:, :, tap] @ padded[:, snippet + 2 * tap]
    hidden = (hidden - hidden.mean(axis=1, keepdims=True)) / np.sqrt(hidden.var(axis=1, keepdims=True) + norm.eps)
    weight, bias = head.classes.weight.detach().numpy()[:, :, 0], head.classes.bias.detach().numpy()
    expected = weight @ np.maximum(hidden, 0) + bias[:, None]
    found = head(torch.from_numpy(features)[None]).detach().numpy()[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("convolutions", [0, 1, 3])
def test_each_convolution_widens_what_boundaries_see_and_not_what_classes_do(rng, convolutions):
    head = SnippetHead(8, 3, convolutions).double()
    for layer in head.branch:
        if isinstance(layer, torch.nn.Sequential):
            layer[1] = torch.nn.Sequential()  # no normalization over the clip
    # Not cut by a ReLU, wherever the random weights lie
    head.branch = torch.nn.Sequential(*[layer for layer in head.branch if not isinstance(layer, torch.nn.ReLU)])
    for part, reach in (("classes", 0), ("boundaries", convolutions), ("offsets", convolutions)):
        features = torch.from_numpy(rng.standard_normal((1, 8, 21))).requires_grad_()
        getattr(head(features), part)[0, :, 10].sum().backward()
        seen = np.flatnonzero(features.grad[0].abs().sum(dim=0).numpy() > 0)
        assert (seen.min(), seen.max()) == (10 - reach, 10 + reach), part


def test_the_single_convolution_keeps_the_names_of_stored_weights():
    names = {name for name in SnippetHead(8, 3).state_dict() if name.startswith("branch")}
    assert names == {"branch.0.0.weight", "branch.0.1.weight", "branch.0.1.bias"}
    assert not any(name.startswith("branch") for name in SnippetHead(8, 3, 0).state_dict())
