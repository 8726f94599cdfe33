"""Boundaries and features of proposals in standard operators, beyond what every graph is tested for."""

import numpy as np
import pytest
import torch

from tad import compat
from tad.export.bsn import boundaries
from tad.proposals.boundaries import boundary_snippets

pytestmark = pytest.mark.skipif(not compat.exports_onnx(), reason="tad export needs PyTorch 2.6")


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_boundaries_are_those_of_the_detector(rng, fraction):
    """Few levels, so that there are plateaus of all lengths, also at the end of the real part."""
    scores = rng.randint(0, 4, size=(60, 17)) / 4.0
    valid = rng.randint(1, 18, size=60)
    real = np.arange(17) < valid[:, None]
    found = boundaries(torch.from_numpy(scores), torch.from_numpy(real), torch.tensor(fraction, dtype=torch.float64))
    for row, count, mask in zip(scores, valid, found.numpy()):
        assert np.flatnonzero(mask).tolist() == boundary_snippets(row[:count], fraction).tolist()
