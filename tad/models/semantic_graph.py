"""A graph over the steps of a sequence, whose neighbours are alike wherever they are (G-TAD, Xu et al., 2020)."""

import torch
from torch import nn

from tad.models.layers import conv_norm_relu
from tad.models.nearest import mean_of, nearest, others, unless

NEIGHBOURS = 3  # of a step, as in the authors' code


class NearestSteps(nn.Module):
    """The weights with which a step takes the mean of the ``count`` others whose features are nearest (Euclid)."""

    def __init__(self, count):
        super(NearestSteps, self).__init__()
        self.count = count

    def forward(self, features, real):
        """``(B, C, T)`` and ``real (B, T)``, 0 for steps that are no neighbour of any, to ``(B, T, T)``."""
        features = features.detach()
        # Of the squared distance, without the part that is the same in a whole row
        closeness = 2 * features.transpose(1, 2).matmul(features) - (features * features).sum(dim=1, keepdim=True)
        return mean_of(nearest(unless(others(real) < 1, closeness), self.count))


class SemanticGraph(nn.Module):
    """Edge convolution over semantic edges (G-TAD, GCNeXt): of a step, and of its neighbours' mean less the step.

    :param width: channels of input and output.
    """

    def __init__(self, width):
        super(SemanticGraph, self).__init__()
        self.nearest = NearestSteps(NEIGHBOURS)
        self.edges = conv_norm_relu(2 * width, width, kernel=1)

    def forward(self, features, valid):
        """``(B, width, T)`` with ``valid (B, 1, T)``, 0 on padding, to ``(B, width, T)``."""
        weights = self.nearest(features, (valid[:, 0] > 0).to(features.dtype))
        joined = weights.sum(dim=2)[:, None]  # 1, or 0 without neighbours
        means = features.matmul(weights.transpose(1, 2))
        return self.edges(torch.cat([features, means - joined * features], dim=1))
