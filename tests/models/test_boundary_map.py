"""BMN's sampling: three ways against written-out float64 loops, at borders, with gradients, and what they hold."""

import math

import numpy as np
import pytest
import torch

from tad.models.boundary_map import SAMPLINGS, sampling_weights

SHAPES = [(2, 1, 2), (7, 6, 3), (13, 5, 8), (20, 19, 32)]  # snippets, longest duration, points


def written_out(features, durations, points, context):
    """Equation 2 of the paper, one number after the other: samples between floor and floor + 1, 0 outside."""
    batch, channels, length = features.shape
    found = np.zeros((batch, channels, points, durations, length))
    for row in range(durations):
        for start in range(length):
            duration = row + 1
            if start + duration > length - 1:
                continue
            low, high = start - context * duration, start + duration + context * duration
            for point in range(points):
                position = low + (high - low) * point / (points - 1.0)
                left = int(math.floor(position))
                for snippet, weight in ((left, left + 1 - position), (left + 1, position - left)):
                    if 0 <= snippet < length:
                        found[:, :, point, row, start] += weight * features[:, :, snippet]
    return found


@pytest.mark.parametrize("kind", ["mask", "indexed"])
@pytest.mark.parametrize("length, durations, points", SHAPES)
@pytest.mark.parametrize("context", [0.0, 0.25, 1.3])
def test_samples_equal_the_equation(rng, kind, length, durations, points, context):
    features = rng.standard_normal((2, 3, length))
    sample = SAMPLINGS[kind](durations, points, context)
    found = sample(torch.from_numpy(features.astype(np.float32)))
    assert found.shape == (2, 3, points, durations, length) and found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), written_out(features, durations, points, context), atol=1e-5)


@pytest.mark.parametrize("length, durations, points", SHAPES)
def test_both_ways_have_the_same_gradient(rng, length, durations, points):
    features, found = rng.standard_normal((2, 3, length)).astype(np.float32), []
    upstream = torch.from_numpy(rng.standard_normal((2, 3, points, durations, length)).astype(np.float32))
    for kind in ("mask", "indexed"):
        inputs = torch.from_numpy(features).requires_grad_()
        (SAMPLINGS[kind](durations, points, 0.25)(inputs) * upstream).sum().backward()
        found.append(inputs.grad.numpy())
    np.testing.assert_allclose(found[0], found[1], atol=1e-4, rtol=1e-4)


def test_align1d_takes_means_of_bins(rng):
    """A straight line's mean over a bin is its value in the middle of the bin."""
    line = torch.arange(40.0)[None, None]
    found = SAMPLINGS["align1d"](16, 4, 0.25)(line)[0, 0]
    for start, duration in ((10, 8), (12, 16), (20, 4)):
        low, width = start - 0.25 * duration, 1.5 * duration / 4
        np.testing.assert_allclose(found[:, duration - 1, start].numpy(),
                                   [low + (number + 0.5) * width for number in range(4)], atol=1e-4)


@pytest.mark.parametrize("kind", sorted(SAMPLINGS))
def test_cells_past_the_end_are_zero_and_the_others_are_not(kind):
    found = SAMPLINGS[kind](6, 4, 0.25)(torch.ones(1, 1, 9))[0, 0]
    for row in range(6):
        for start in range(9):
            assert bool(found[:, row, start].abs().sum() > 0) == (start + row + 1 <= 8)


def test_another_length_and_type_get_weights_of_their_own(rng):
    sample = SAMPLINGS["mask"](4, 5, 0.25)
    for length, dtype in ((8, torch.float32), (11, torch.float64), (11, torch.float32)):
        features = torch.from_numpy(rng.standard_normal((1, 2, length))).to(dtype)
        found = sample(features)
        assert found.dtype == dtype
        np.testing.assert_allclose(found.numpy(), written_out(features.numpy(), 4, 5, 0.25), atol=1e-5)


def test_no_checkpoint_holds_the_mask():
    sample = SAMPLINGS["mask"](4, 5, 0.25)
    sample(torch.zeros(1, 1, 8))
    assert not sample.state_dict()


def test_the_indexed_way_keeps_less_than_a_fraction_of_the_mask_for_the_backward_pass(rng):
    """What autograd holds besides input and output: the paper's mask against rois of three numbers a cell."""
    length, durations, points = 40, 30, 16
    mask = sampling_weights(length, durations, points, 0.25).numel()
    assert mask == length * points * durations * length
    found = SAMPLINGS["indexed"](durations, points, 0.25)(torch.randn(1, 2, length, requires_grad=True))
    seen, waiting, held = set(), [found.grad_fn], 0
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        held += sum(tensor.numel() for tensor in getattr(node, "saved_tensors", ()))
        waiting.extend(parent for parent, _ in node.next_functions)
    assert 0 < held < mask / 100
