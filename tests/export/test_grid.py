"""What graphs of grids share equals what detectors do in NumPy."""

import numpy as np
import pytest
import torch

from tad import compat
from tad.export.grid import NO_PROPOSAL, best_cells, mean_inside, proposal_count
from tad.postprocess import fusion
from tad.proposals.grid import all_proposals, best_by_boundaries

pytestmark = pytest.mark.skipif(not compat.exports_onnx(), reason="tad export needs PyTorch 2.6")


@pytest.mark.parametrize("max_duration", [1, 7, 40])
@pytest.mark.parametrize("count", [1, 20, 2000])
def test_best_cells_are_the_best_proposals(rng, max_duration, count):
    starts, ends = rng.uniform(size=(2, 4, 30))
    valid = [30, 1, 2, int(rng.randint(3, 30))]
    first, last, product = best_cells(torch.from_numpy(starts), torch.from_numpy(ends), torch.tensor(valid),
                                      max_duration, count)
    assert first.shape == last.shape == product.shape == (4, count)
    for row, snippets in enumerate(valid):
        cells = all_proposals(snippets, max_duration)
        chosen = cells[best_by_boundaries(cells, starts[row], ends[row], count)]
        number = int(proposal_count(product)[row])
        assert np.stack([first[row, :number], last[row, :number]], axis=1).tolist() == chosen.tolist()
        np.testing.assert_array_equal(product[row, :number], starts[row, chosen[:, 0]] * ends[row, chosen[:, 1]])
        assert (product[row, number:] == NO_PROPOSAL).all()


def test_mean_inside_equals_that_of_numpy(rng):
    scores = rng.uniform(size=(2, 3, 15))
    found = np.sort(rng.uniform(-4, 19, (2, 30, 2)), axis=2)
    found[0, 0], found[0, 1] = (-9, -8), (3, 3)
    means = mean_inside(torch.from_numpy(scores), torch.from_numpy(found)).numpy()
    for index in range(2):
        np.testing.assert_allclose(means[index], fusion.mean_inside(scores[index], found[index]), atol=1e-12)
