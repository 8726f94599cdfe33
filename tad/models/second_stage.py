"""What judges proposals by the features that were sampled of each: the last module of a proposal head.

Each takes features ``(N, channels, bins)``, the proposals ``(N, 3)`` that they are of (batch index, start, end), and
random numbers for training; and gives logits ``(N, outputs)``.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tad.compat import convolved
from tad.models.proposal_graph import GraphConvolution, Neighbours


class FullyConnected(nn.Sequential):
    """Each proposal on its own, by a perceptron with two hidden layers.

    :param channels: of a proposal's features, over ``bins``.
    :param width: of the hidden layers.
    :param outputs: numbers that a proposal gets.
    """

    def __init__(self, channels, bins, width, dropout, outputs):
        super(FullyConnected, self).__init__(
            nn.Linear(channels * bins, width), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, outputs))

    def forward(self, values, proposals=None, draws=None):
        """``(N, channels, bins) -> (N, outputs)``; the other arguments are those of :class:`Graph`."""
        return super(FullyConnected, self).forward(values.flatten(1))


class Convolutions(nn.Module):
    """Each proposal on its own, by convolutions over its bins, of which the last two halve them, and a perceptron.

    Without normalization, which would take away how strong a proposal's features are. Arguments are those of
    :class:`FullyConnected`.
    """

    def __init__(self, channels, bins, width, dropout, outputs):
        super(Convolutions, self).__init__()
        self.convolutions = nn.Sequential(
            nn.Conv1d(channels, width, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv1d(width, width, 3, stride=2, padding=1), nn.ReLU(inplace=True),
            nn.Conv1d(width, width, 3, stride=2, padding=1), nn.ReLU(inplace=True))
        self.score = nn.Sequential(
            nn.Linear(width * ((bins + 3) // 4), width), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(width, outputs))

    def forward(self, values, proposals=None, draws=None):
        """``(N, channels, bins) -> (N, outputs)``; the other arguments are those of :class:`Graph`."""
        return self.score(convolved(self.convolutions, values).flatten(1))


class Graph(nn.Module):
    """Each proposal among its neighbours of the same clip, by two graph convolutions (GraphSAGE, section 4: K = 2).

    :param neighbours: :class:`tad.models.proposal_graph.Neighbours`; the other arguments are those of
        :class:`FullyConnected`.
    """

    def __init__(self, channels, bins, width, dropout, outputs, neighbours):
        super(Graph, self).__init__()
        self.neighbours = neighbours
        self.embed = nn.Sequential(nn.Linear(channels * bins, width), nn.ReLU(inplace=True), nn.Dropout(dropout))
        self.layers = nn.ModuleList([GraphConvolution(width) for _ in range(2)])
        self.score = nn.Linear(width, outputs)

    def forward(self, values, proposals, draws=None):
        """``(N, channels, bins)`` and proposals ``(N, 3)``, clip after clip, to ``(N, outputs)``.

        All proposals of a clip are to come in one call: what a proposal gets depends on them.

        :param draws: for each clip of the batch, in training, random numbers ``(n, n)`` between its n proposals, by
            which neighbours are drawn; None takes all neighbours.
        """
        index = proposals[:, 0].long().cpu().numpy()
        if (np.diff(index) < 0).any():
            raise ValueError("the proposals of a graph must be in the order of their clips")
        counts = np.bincount(index, minlength=1)
        clips = np.flatnonzero(counts).tolist() or [0]  # a clip without proposals, so that weights have a gradient
        counts = counts[clips].tolist()
        segments = proposals[:, 1:].to(values.dtype)
        values, segments, real = (padded(part.split(counts)) for part in (
            values.flatten(1), segments, torch.ones_like(segments[:, :1])))
        if draws is not None:
            draws = padded([functional.pad(draws[clip], (0, values.size(1) - count))
                            for clip, count in zip(clips, counts)])
        found = self.judge(values, segments, real[:, :, 0], draws)
        return torch.cat([own[:count] for own, count in zip(found, counts)])

    def judge(self, values, segments, real, draws=None):
        """``(B, N, channels * bins)``, ``(B, N, 2)`` and ``real (B, N)``, 0 for padding, to ``(B, N, outputs)``."""
        weights = self.neighbours(values, segments, real, draws)
        states = self.embed(values)
        for layer in self.layers:
            states = layer(states, weights)
        return self.score(states)


def padded(parts):
    """Tensors ``(n, ...)`` of two dimensions as one ``(B, N, ...)`` with zeros after the shorter; N is at least 1."""
    most = max([1] + [len(part) for part in parts])
    return torch.stack([functional.pad(part, (0, 0, 0, most - len(part))) for part in parts])


def _graph(settings, *sizes):
    return Graph(*sizes, neighbours=Neighbours(settings.neighbours_by, settings.neighbours,
                                               settings.sampled_neighbours))


SECOND_STAGES = {
    "fc": lambda settings, *sizes: FullyConnected(*sizes),
    "cnn": lambda settings, *sizes: Convolutions(*sizes),
    "graph": _graph,
}  # by the setting ``deeplab.second_stage``, of :class:`tad.config.DeepLabSettings` and the five sizes
