"""The network of the detector ``atss``: a feature pyramid, and one head that all levels share."""

from typing import NamedTuple

import torch
from torch import nn

from tad.models.heads import ProposalHead
from tad.models.layers import conv_norm_relu, initialize
from tad.models.proposal_features import AlignSampling
from tad.models.pyramid import Pyramid
from tad.models.second_stage import FullyConnected

FARTHEST = 4.0  # a boundary lies within exp(4) halves of its anchor's centre, so that exp cannot overflow


class AnchorScores(NamedTuple):
    """Of each of N anchors, finest level first: logits of ``classes (B, K, N)`` and ``quality (B, N)``, and ``sides``.

    ``sides (B, 2, N)`` are logarithms of the distances from the anchor's centre to start and end, in halves of the
    anchor's width: 0 gives the anchor itself. ``features (B, width, T)`` of the finest level are for the second stage.
    """

    classes: torch.Tensor
    sides: torch.Tensor
    quality: torch.Tensor
    features: torch.Tensor


class ATSS(nn.Module):
    """RetinaNet over time with one anchor a location and the centerness branch of FCOS, as ATSS puts them together.

    :param channels: width of the input features.
    :param classes: number of classes.
    :param settings: :class:`tad.config.ATSSSettings` with ``levels`` set.
    """

    def __init__(self, channels, classes, settings):
        super(ATSS, self).__init__()
        self.input_dropout = nn.Dropout2d(settings.input_dropout)
        self.pyramid = Pyramid(channels, settings.width, settings.levels, settings.blocks, settings.kernel)
        self.head = AnchorHead(settings.width, classes, settings.levels, settings.head_convs, settings.dropout)
        initialize(self, rare_outputs=(self.head.classes,))
        for layer in (self.head.sides, self.head.quality):
            nn.init.normal_(layer.weight, std=0.01)  # the first segments are nearly the anchors
        self.second = SecondStage(classes, settings) if settings.refine else None

    def forward(self, features, valid):
        """Features ``(B, C, T)`` and ``valid`` ``(B, 1, T)`` (1 real, 0 padding) to :class:`AnchorScores`."""
        features = self.input_dropout(features.unsqueeze(3)).squeeze(3)
        levels = self.pyramid(features * valid)
        return AnchorScores(*self.head(levels), features=levels[0])


class AnchorHead(nn.Module):
    """Two branches of convolutions, for classes and for segments, off which quality is read as in the authors' code."""

    def __init__(self, width, classes, levels, convs, dropout):
        super(AnchorHead, self).__init__()
        self.of_classes = _branch(width, convs, dropout)
        self.of_segments = _branch(width, convs, dropout)
        self.classes = nn.Conv1d(width, classes, 3, padding=1)
        self.sides = nn.Conv1d(width, 2, 3, padding=1)
        self.quality = nn.Conv1d(width, 1, 3, padding=1)
        # One factor a level (Tian et al., "FCOS", ICCV 2019, section 3.2): the head is shared, the levels differ
        self.factors = nn.Parameter(torch.ones(levels))

    def forward(self, levels):
        """List of ``(B, width, T_l)`` to classes, sides and quality of all levels, one after the other."""
        parts = []
        for factor, features in zip(self.factors, levels):
            segments = self.of_segments(features)
            parts.append((self.classes(self.of_classes(features)), self.sides(segments) * factor,
                          self.quality(segments)[:, 0]))
        return [torch.cat(values, dim=-1) for values in zip(*parts)]


class SecondStage(nn.Module):
    """Classes and boundaries of segments again, from Align1D features of each with its context.

    The later stages of Cascade R-CNN (Cai and Vasconcelos, CVPR 2018, section 4) over time.
    """

    def __init__(self, classes, settings):
        super(SecondStage, self).__init__()
        self.head = ProposalHead(
            conv_norm_relu(settings.width, settings.refine_width),
            AlignSampling(settings.refine_bins, settings.refine_context),
            FullyConnected(settings.refine_width, settings.refine_bins, settings.width, settings.dropout, 2 + classes))
        initialize(self, rare_outputs=(self.head.score[-1],))
        nn.init.zeros_(self.head.score[-1].bias[:2])  # the first refinement leaves segments nearly as they are

    def forward(self, features, rois):
        """``(B, width, T)`` and rois ``(N, 3)`` (batch index, start, end) to sides ``(N, 2)`` and logits ``(N, K)``.

        ``sides`` are of the segments as those of :class:`AnchorScores` are of anchors.
        """
        found = self.head(self.head.reduce(features), rois)
        return found[:, :2], found[:, 2:]


def stretched(segments, sides):
    """Segments ``(..., 2)`` whose start and end are moved to ``exp(sides)`` halves from the centre: ``(..., 2)``.

    Their lengths never vanish, whatever ``sides (..., 2)`` are; they are cut to :data:`FARTHEST`.
    """
    centres, halves = segments.mean(dim=-1), (segments[..., 1] - segments[..., 0]) / 2
    distances = halves[..., None] * torch.exp(sides.clamp(-FARTHEST, FARTHEST))
    return torch.stack([centres - distances[..., 0], centres + distances[..., 1]], dim=-1)


def _branch(width, convs, dropout):
    return nn.Sequential(*[conv_norm_relu(width, width) for _ in range(convs)], nn.Dropout(dropout))
