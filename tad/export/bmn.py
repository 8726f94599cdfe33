"""The detector ``bmn`` as one graph: everything from features to scored proposals."""

import copy
import math

import torch
from torch import nn
from torch.nn.functional import pad

from tad.export.align1d import align1d_matrix, block_size
from tad.export.base import Graph
from tad.export.grid import best_cells, mean_inside, proposal_count
from tad.models.boundary_map import map_cells
from tad.segments import widen


class BMNGraph(Graph):
    """What :meth:`tad.detectors.bmn.BMNDetector.propose` computes; the map's features are sampled in another way."""

    def __init__(self, detector, length):
        super(BMNGraph, self).__init__()
        self.settings = settings = detector.settings
        self.classes = detector.classes
        self.network = copy.deepcopy(detector.network)
        self.network.sample = SAMPLINGS[settings.sampling](settings, length)

    def forward(self, features, valid):
        """See :meth:`tad.export.base.Graph.forward`."""
        real = (torch.arange(features.shape[2]) < valid[:, None]).unsqueeze(1)
        output = self.network(features, real.to(features.dtype))
        boundaries, confidences = (torch.sigmoid(logits).double() for logits in (output.boundaries, output.confidences))
        starts, ends, product = best_cells(boundaries[:, 0], boundaries[:, 1], valid, self.settings.max_duration,
                                           self.settings.candidates)
        # Row 0 of the map has duration 1; a row that is no proposal has none
        cells = (ends - starts - 1).clamp(min=0) * features.shape[2] + starts
        tiou, completeness = (confidences[:, kind].flatten(1).gather(1, cells) for kind in range(2))
        found = torch.stack([starts, ends], dim=2).double()
        return found, self._classes(output.classes, real, found), product, tiou, completeness, proposal_count(product)

    def _classes(self, logits, real, found):
        if logits is None:
            return torch.ones(found.shape[:2] + (self.classes,), dtype=found.dtype)
        return mean_inside(torch.sigmoid(logits).double() * real, found)


class PointSampling(nn.Module):
    """:class:`tad.models.boundary_map.MaskSampling`, and so ``IndexedSampling``, from the neighbours of each sample.

    :param settings: :class:`tad.config.BMNSettings`
    :param length: is of no importance here.
    """

    def __init__(self, settings, length):
        super(PointSampling, self).__init__()
        self.durations, self.points = settings.max_duration, settings.proposal_samples
        self.register_buffer("context", torch.tensor(settings.context, dtype=torch.float64))

    def forward(self, features):
        """``(B, C, T) -> (B, C, N, D, T)``"""
        snippets = features.shape[2]
        cells, inside = map_cells(snippets, self.durations)
        proposals = widen(cells.flatten(0, 1), self.context)
        part = torch.arange(self.points, dtype=torch.float64)[:, None] / (self.points - 1)
        position = proposals[:, 0] + part * (proposals[:, 1] - proposals[:, 0])
        # One snippet further, because features are 0 at -1 and at T, and beyond
        position = position.clamp(min=-1, max=snippets).flatten() + 1
        left = position.floor()
        right_weight = (position - left).to(features.dtype)
        left = left.to(torch.int64)
        features = pad(features, (1, 2))
        before, after = (features.index_select(2, index) for index in (left, left + 1))
        sampled = before + (after - before) * right_weight
        return sampled.unflatten(2, (self.points, self.durations, snippets)) * inside.to(features.dtype)


class BinSampling(nn.Module):
    """:class:`tad.models.boundary_map.Align1DSampling` in standard operators.

    :param settings: :class:`tad.config.BMNSettings`
    :param length: snippets of a clip that blocks are planned for.
    """

    def __init__(self, settings, length):
        super(BinSampling, self).__init__()
        self.durations, self.bins = settings.max_duration, settings.proposal_samples
        self.register_buffer("context", torch.tensor(settings.context, dtype=torch.float64))
        longest = settings.max_duration * (1 + 2 * settings.context)
        self.most = int(math.ceil(longest / self.bins)) + 1  # one more in case of rounding
        self.block = max(1, block_size(length, self.bins, self.most) // length)

    def forward(self, features):
        """``(B, C, T) -> (B, C, N, D, T)``"""
        snippets = features.shape[2]
        cells, inside = map_cells(snippets, self.durations)
        # The same for each clip, and blocks of whole durations, because their number must not depend on the length
        blocks = [align1d_matrix(features, widen(part.flatten(0, 1), self.context)[None], self.bins, self.most)
                  .unflatten(1, (part.shape[0], snippets)) for part in cells.split(self.block)]
        return torch.cat(blocks, dim=1).permute(0, 3, 4, 1, 2) * inside.to(features.dtype)


SAMPLINGS = {"mask": PointSampling, "indexed": PointSampling, "align1d": BinSampling}
