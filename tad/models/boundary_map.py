"""Features of every cell of BMN's boundary-matching map (Lin et al., 2019, section 3.1), sampled in three ways.

Cell ``(i, t)`` of the map is the proposal from snippet ``t`` to ``t + i + 1``; cells that end past the sequence are 0.
"""

import torch
from torch import nn
from torch.nn import functional

from tad.ops.align1d import Align1D
from tad.segments import widen


class MaskSampling(nn.Module):
    """The paper's way: a product with fixed weights ``(T, N x D x T)``, equation 2.

    A sample between two snippets is interpolated linearly; outside the sequence features are 0.

    :param durations: longest duration D in snippets.
    :param points: samples N of a proposal, from end to end of it and its context.
    :param context: part of its duration by which a proposal is widened at each end.
    """

    def __init__(self, durations, points, context):
        super(MaskSampling, self).__init__()
        self.durations, self.points, self.context = durations, points, context
        self.weights = None  # no buffer: it follows from the settings and would fill checkpoints

    def forward(self, features):
        """``(B, C, T) -> (B, C, N, D, T)``"""
        batch, channels, length = features.shape
        if self.weights is None or len(self.weights) != length:
            self.weights = sampling_weights(length, self.durations, self.points, self.context)
        self.weights = self.weights.to(features)
        sampled = features.reshape(batch * channels, length).matmul(self.weights)
        return sampled.reshape(batch, channels, self.points, self.durations, length)


class IndexedSampling(nn.Module):
    """The numbers of :class:`MaskSampling` from the two neighbours of each sample: no weight is ever stored.

    Align1D with one sample a bin stands on the paper's points when a roi is half a step longer at both ends; a zero
    before and after the sequence makes its border the paper's. Arguments are those of :class:`MaskSampling`.
    """

    def __init__(self, durations, points, context):
        super(IndexedSampling, self).__init__()
        self.durations, self.points, self.context = durations, points, context
        self.align = Align1D(points, sampling_ratio=1)

    def forward(self, features):
        """``(B, C, T) -> (B, C, N, D, T)``"""
        cells, inside = map_cells(features.size(2), self.durations)
        segments = widen(cells[inside], self.context)
        step = (segments[:, 1] - segments[:, 0]) / (self.points - 1)
        segments = torch.stack([segments[:, 0] - step / 2, segments[:, 1] + step / 2], dim=1) + 1
        return aligned(self.align, functional.pad(features, (1, 1)), segments, inside)


class Align1DSampling(nn.Module):
    """Means of N equal bins over a proposal with its context, as G-TAD aligns them (Xu et al., 2020, section 3.4).

    Arguments are those of :class:`MaskSampling`.
    """

    def __init__(self, durations, points, context):
        super(Align1DSampling, self).__init__()
        self.durations, self.context = durations, context
        self.align = Align1D(points)

    def forward(self, features):
        """``(B, C, T) -> (B, C, N, D, T)``"""
        cells, inside = map_cells(features.size(2), self.durations)
        return aligned(self.align, features, widen(cells[inside], self.context), inside)


SAMPLINGS = {"mask": MaskSampling, "indexed": IndexedSampling, "align1d": Align1DSampling}


def map_cells(length, durations):
    """Start and end of every cell, float64 ``(D, T, 2)``, and which lie inside the sequence, bool ``(D, T)``."""
    starts = torch.arange(length, dtype=torch.float64).expand(durations, length)
    ends = starts + torch.arange(1, durations + 1, dtype=torch.float64)[:, None]
    return torch.stack([starts, ends], dim=2), ends <= length - 1


def sampling_weights(length, durations, points, context):
    """The paper's mask, float32 ``(T, N x D x T)``, equation 2."""
    cells, inside = map_cells(length, durations)
    segments = widen(cells.reshape(-1, 2), context)
    part = torch.arange(points, dtype=torch.float64)[:, None] / (points - 1)
    position = segments[:, 0] + part * (segments[:, 1] - segments[:, 0])
    weights = torch.zeros(length, points, durations * length)
    for snippet in range(length):
        near = (1 - (position - snippet).abs()).clamp(min=0)
        weights[snippet] = near * inside.reshape(1, -1).to(near)
    return weights.reshape(length, -1)


def aligned(align, features, segments, inside):
    """Align1D features of the cells ``inside`` ``(D, T)``, 0 in the others: ``(B, C, N, D, T)``."""
    batch, count = features.size(0), len(segments)
    durations, length = inside.shape
    index = torch.arange(batch, dtype=segments.dtype)[:, None].expand(batch, count).reshape(-1, 1)
    rois = torch.cat([index, segments.repeat(batch, 1)], dim=1).to(features.device)
    values = align(features, rois).reshape(batch, count, features.size(1), -1)
    # Duration by duration the cells inside are the first ones of a row, so no scatter is needed
    rows = values.split([int(row.sum()) for row in inside], dim=1)
    rows = [functional.pad(row, (0, 0, 0, 0, 0, length - row.size(1))) for row in rows]
    return torch.stack(rows, dim=1).permute(0, 3, 4, 1, 2)
