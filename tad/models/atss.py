"""The network of the detector ``atss``: a feature pyramid, and one head that all levels share."""

from typing import NamedTuple

import torch
from torch import nn

from tad.models.layers import conv_norm_relu, initialize
from tad.models.pyramid import Pyramid


class AnchorScores(NamedTuple):
    """Of each of N anchors, finest level first: logits of ``classes (B, K, N)`` and ``quality (B, N)``, and ``sides``.

    ``sides (B, 2, N)`` are logarithms of the distances from the anchor's centre to start and end, in halves of the
    anchor's width: 0 gives the anchor itself.
    """

    classes: torch.Tensor
    sides: torch.Tensor
    quality: torch.Tensor


class ATSS(nn.Module):
    """RetinaNet over time with one anchor a location and a quality branch (ATSS, sections 2 and 3).

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

    def forward(self, features, valid):
        """Features ``(B, C, T)`` and ``valid`` ``(B, 1, T)`` (1 real, 0 padding) to :class:`AnchorScores`."""
        features = self.input_dropout(features.unsqueeze(3)).squeeze(3)
        return self.head(self.pyramid(features * valid))


class AnchorHead(nn.Module):
    """Two branches of convolutions, for classes and for segments; quality is read off the second, as in ATSS."""

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
        """List of ``(B, width, T_l)`` to :class:`AnchorScores` of all levels, one after the other."""
        parts = []
        for factor, features in zip(self.factors, levels):
            segments = self.of_segments(features)
            parts.append((self.classes(self.of_classes(features)), self.sides(segments) * factor,
                          self.quality(segments)[:, 0]))
        return AnchorScores(*(torch.cat(values, dim=-1) for values in zip(*parts)))


def _branch(width, convs, dropout):
    return nn.Sequential(*[conv_norm_relu(width, width) for _ in range(convs)], nn.Dropout(dropout))
