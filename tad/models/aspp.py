"""Atrous spatial pyramid pooling over time (Chen et al., "Rethinking Atrous Convolution", 2017, section 3.3)."""

import torch
from torch import nn

from tad.models.layers import conv_norm_relu
from tad.models.semantic_graph import SemanticGraph


class AtrousPyramid(nn.Module):
    """A 1x1 convolution, parallel atrous convolutions and global pooling, joined by a 1x1 convolution.

    :param width: channels of input and output.
    :param rates: dilations of the parallel convolutions, in steps of the input.
    :param graph: whether a :class:`tad.models.semantic_graph.SemanticGraph` stands beside the convolutions.
    """

    def __init__(self, width, rates, dropout, graph=False):
        super(AtrousPyramid, self).__init__()
        self.pointwise = conv_norm_relu(width, width, kernel=1)
        self.atrous = nn.ModuleList([conv_norm_relu(width, width, kernel=3, dilation=rate) for rate in rates])
        self.pooled = nn.Sequential(nn.Conv1d(width, width, 1), nn.ReLU(inplace=True))
        self.graph = SemanticGraph(width) if graph else None
        branches = len(rates) + (3 if graph else 2)
        self.project = nn.Sequential(conv_norm_relu(width * branches, width, kernel=1), nn.Dropout(dropout))

    def forward(self, features, valid):
        """``(B, width, T)`` with ``valid`` (B, 1, T), 1 on real snippets and 0 on padding, to ``(B, width, T)``."""
        weight = valid / valid.sum(dim=2, keepdim=True).clamp(min=1e-6)
        pooled = self.pooled((features * weight).sum(dim=2, keepdim=True))
        branches = [self.pointwise(features)] + [branch(features) for branch in self.atrous]
        if self.graph is not None:
            branches.append(self.graph(features, valid))
        return self.project(torch.cat(branches + [pooled.expand_as(features)], dim=1))
