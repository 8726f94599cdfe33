"""Graphs whose nodes are the proposals of a clip: who is whose neighbour, and what neighbours tell each other.

After P-GCN (Zeng et al., "Graph Convolutional Networks for Temporal Action Localization", ICCV 2019). Clips lie in a
batch of their own in front, so that nodes of different clips never meet: values ``(B, N, F)``, segments ``(B, N, 2)``
and matrices ``(B, N, N)``, in which row ``i`` is about the neighbours of node ``i``.
"""

import torch
from torch import nn

from tad.models.nearest import mean_of, nearest, others, unless


def by_tiou(values, segments):
    """tIoU with each other proposal that overlaps (P-GCN: contextual edges)."""
    shared, union = _shared(segments)
    return unless(shared <= 0, shared / union)


def by_distance(values, segments):
    """Nearness to each proposal that does not overlap, distance of centres over union (P-GCN: surrounding edges)."""
    shared, union = _shared(segments)
    centres = segments.mean(dim=2)
    return unless(shared > 0, -(centres[:, :, None] - centres[:, None]).abs() / union)


def by_features(values, segments):
    """Cosine of the features of any two proposals, by which P-GCN weighs its edges."""
    unit = values / values.norm(dim=2, keepdim=True).clamp(min=1e-6)
    return unit.matmul(unit.transpose(1, 2))


CLOSENESS = {"tiou": by_tiou, "distance": by_distance, "features": by_features}


class Neighbours(nn.Module):
    """The weights with which a proposal takes the mean of its neighbours.

    :param by: key of :data:`CLOSENESS`. :param count: neighbours of a proposal, more where several are equally close.
    :param sampled: of these so many are drawn in training (GraphSAGE: Hamilton et al., "Inductive Representation
        Learning on Large Graphs", NIPS 2017, section 3.1).
    """

    def __init__(self, by, count, sampled):
        super(Neighbours, self).__init__()
        self.closeness, self.count, self.sampled = CLOSENESS[by], count, sampled

    def forward(self, values, segments, real, draws=None):
        """Values, segments, and ``real (B, N)``, 1 for proposals and 0 for padding, to weights ``(B, N, N)``.

        :param draws: random numbers ``(B, N, N)`` by which neighbours are drawn; None takes all.
        """
        able = real[:, :, None] * others(real)
        chosen = nearest(unless(able < 1, self.closeness(values.detach(), segments)), self.count)
        if draws is not None:
            chosen = nearest(unless(chosen < 1, draws), self.sampled)
        return mean_of(chosen)


class GraphConvolution(nn.Module):
    """GraphSAGE's layer with the mean of the neighbours (Hamilton et al., 2017, algorithm 1, line 5)."""

    def __init__(self, width):
        super(GraphConvolution, self).__init__()
        self.join = nn.Linear(2 * width, width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, states, weights):
        """States ``(B, N, width)`` and weights ``(B, N, N)`` to ``(B, N, width)``; no neighbours count as zeros."""
        return self.relu(self.join(torch.cat([states, weights.matmul(states)], dim=2)))


def _shared(segments):
    """Length that each two segments share, and that of their union, above 0: two times ``(B, N, N)``."""
    starts, ends = segments[:, :, 0], segments[:, :, 1]
    shared = torch.min(ends[:, :, None], ends[:, None]) - torch.max(starts[:, :, None], starts[:, None])
    shared, lengths = shared.clamp(min=0), ends - starts
    return shared, (lengths[:, :, None] + lengths[:, None] - shared).clamp(min=1e-6)
