"""The detector ``deeplab`` as one graph: everything from features to scored proposals."""

import math

import numpy as np
import torch

from tad.export.align1d import block_size
from tad.export.base import SHORTEST, Graph
from tad.export.grid import best_cells, mean_inside, proposal_count
from tad.export.heads import proposal_scores


class DeepLabGraph(Graph):
    """What :meth:`tad.detectors.deeplab.DeepLabDetector.propose` computes."""

    def __init__(self, detector, length):
        super(DeepLabGraph, self).__init__()
        self.network = detector.network
        self.settings = settings = detector.settings
        self.most = samples_of_a_bin(settings)
        self.block = block_size(length, settings.proposal_bins, self.most)
        # With fewer steps in the encoder, what its normalization divides by is mostly rounding
        self.shortest = max(SHORTEST, 4 * int(np.prod(settings.strides)))

    def forward(self, features, valid):
        """See :meth:`tad.export.base.Graph.forward`."""
        real = (torch.arange(features.shape[2]) < valid[:, None]).unsqueeze(1)
        output = self.network(features, real.to(features.dtype))
        scores = output.scores
        boundaries = torch.sigmoid(scores.boundaries).double()
        starts, ends, product = best_cells(boundaries[:, 0], boundaries[:, 1], valid, self.settings.max_duration,
                                           self.settings.candidates)
        quality = torch.sigmoid(proposal_scores(self.network.proposal_head, output.proposal_features,
                                                torch.stack([starts, ends], dim=2), self.most, self.block)).double()
        offsets = scores.offsets.double()
        low = starts + offsets[:, 0].gather(1, starts)
        high = torch.maximum(ends + offsets[:, 1].gather(1, ends), low + 0.1)
        found = torch.stack([low, high], dim=2)
        classes = mean_inside(torch.sigmoid(scores.classes).double() * real, found)
        return found, classes, product, quality[..., 0], quality[..., 1], proposal_count(product)


def samples_of_a_bin(settings):
    """What a bin of the longest proposal with its context is the mean of, at most."""
    if settings.proposal_features == "mask":
        return settings.mask_samples
    longest = settings.max_duration * (1 + 2 * settings.context)
    return int(math.ceil(longest / settings.proposal_bins)) + 1  # one more in case of rounding
