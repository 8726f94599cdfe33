"""The network of the detector ``deeplab``: encoder, atrous pyramid, decoder, heads."""

from typing import NamedTuple

import torch
from torch import nn

from tad.models.aspp import AtrousPyramid
from tad.models.decoder import Decoder
from tad.models.encoder import Encoder
from tad.models.heads import ProposalHead, SnippetHead, SnippetScores
from tad.models.layers import conv_norm_relu, initialize
from tad.models.proposal_features import SAMPLINGS
from tad.models.resizing import resize
from tad.models.second_stage import SECOND_STAGES


class DeepLabOutput(NamedTuple):
    """``scores`` of every snippet, and the features ``(B, P, T)`` that proposals are judged by."""

    scores: SnippetScores
    proposal_features: torch.Tensor


class DeepLab(nn.Module):
    """DeepLabv3+ over time with a proposal head.

    :param channels: width of the input features.
    :param classes: number of classes.
    :param settings: :class:`tad.config.DeepLabSettings`
    """

    def __init__(self, channels, classes, settings):
        super(DeepLab, self).__init__()
        width, dropout = settings.width, settings.dropout
        self.input_dropout = nn.Dropout2d(settings.input_dropout)
        self.encoder = Encoder(channels, width, settings.strides, settings.blocks, settings.kernel)
        self.pyramid = AtrousPyramid(width, settings.atrous_rates, dropout, settings.atrous_graph)
        self.decoder = Decoder(width, dropout)
        self.snippet_head = SnippetHead(width, classes, settings.boundary_convs)
        self.proposal_head = ProposalHead(
            conv_norm_relu(width, settings.proposal_width), SAMPLINGS[settings.proposal_features](settings),
            SECOND_STAGES[settings.second_stage](settings, settings.proposal_width, settings.proposal_bins, width,
                                                 dropout, 2))
        initialize(self, rare_outputs=(self.snippet_head.classes, self.snippet_head.boundaries))

    def forward(self, features, valid):
        """Features ``(B, C, T)`` and ``valid`` ``(B, 1, T)`` (1 real, 0 padding) to :class:`DeepLabOutput`."""
        features = self.input_dropout(features.unsqueeze(3)).squeeze(3)
        low_level, deep = self.encoder(features * valid)
        pyramid = self.pyramid(deep, resize(valid, deep.size(2)))
        decoded = self.decoder(low_level, pyramid, features.size(2))
        return DeepLabOutput(self.snippet_head(decoded), self.proposal_head.reduce(decoded))
