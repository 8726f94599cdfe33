"""The network of the detector ``bsn``: temporal and proposal evaluation modules."""

from typing import NamedTuple, Optional

import torch
from torch import nn
from torch.nn import functional

from tad.models.heads import ClassHead
from tad.models.layers import conv_norm_relu, initialize


class SnippetCurves(NamedTuple):
    """Logits of the snippets: ``curves (B, 3, T)`` of actionness, startness, endness; ``classes (B, K, T)``, None
    without a class head."""

    curves: torch.Tensor
    classes: Optional[torch.Tensor]


class TemporalEvaluation(nn.Module):
    """Temporal evaluation module (Lin et al., 2018, section 3.2), with group normalization and a class head.

    :param channels: width of the input features. :param classes: number of classes.
    :param settings: :class:`tad.config.BSNSettings`
    """

    def __init__(self, channels, classes, settings):
        super(TemporalEvaluation, self).__init__()
        width = settings.width
        self.input_dropout = nn.Dropout2d(settings.input_dropout)
        widths = [channels] + [width] * len(settings.dilations)
        self.base = nn.Sequential(*[conv_norm_relu(before, after, dilation=dilation)
                                    for before, after, dilation in zip(widths, widths[1:], settings.dilations)])
        self.curves = nn.Conv1d(width, 3, 1)
        self.class_head = ClassHead(width, classes, settings.class_dilations) if settings.class_head else None
        initialize(self, rare_outputs=[self.class_head.classes] if settings.class_head else [])
        nn.init.normal_(self.curves.weight, std=0.01)

    def forward(self, features, valid):
        """Features ``(B, C, T)`` and ``valid (B, 1, T)`` (1 real, 0 padding) to :class:`SnippetCurves`."""
        features = self.input_dropout(features.unsqueeze(3)).squeeze(3)
        shared = self.base(features * valid)
        return SnippetCurves(self.curves(shared), None if self.class_head is None else self.class_head(shared))


class ProposalEvaluation(nn.Module):
    """Proposal evaluation module (section 3.2): from features of proposals to a logit of their tIoU.

    :param features: F. :param width: hidden units.
    """

    def __init__(self, features, width):
        super(ProposalEvaluation, self).__init__()
        self.score = nn.Sequential(nn.Linear(features, width), nn.ReLU(inplace=True), nn.Linear(width, 1))
        initialize(self)

    def forward(self, features):
        """``(N, F) -> (N,)``; N may be 0."""
        # With one row more, because PyTorch 1.1 cannot multiply no rows, and 1.4 not learn from them
        return self.score(functional.pad(features, (0, 0, 0, 1)))[:-1, 0]
