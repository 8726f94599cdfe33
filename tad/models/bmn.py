"""The network of the detector ``bmn``: base, temporal evaluation and proposal evaluation modules."""

from typing import NamedTuple, Optional

import torch
from torch import nn

from tad.models.boundary_map import SAMPLINGS
from tad.models.heads import ClassHead
from tad.models.layers import conv_norm_relu, initialize


class BMNOutput(NamedTuple):
    """All logits.

    ``boundaries (B, 2, T)`` of a start, an end; ``confidences (B, 2, D, T)`` of each cell's tIoU (regression) and of
    being a whole action (classification); ``classes (B, K, T)``, None without a class head.
    """

    boundaries: torch.Tensor
    confidences: torch.Tensor
    classes: Optional[torch.Tensor]


class BMN(nn.Module):
    """Boundary-Matching Network (Lin et al., 2019, figure 4), with group normalization in its 1-D convolutions.

    :param channels: width of the input features.
    :param classes: number of classes.
    :param settings: :class:`tad.config.BMNSettings` with ``max_duration``.
    """

    def __init__(self, channels, classes, settings):
        super(BMN, self).__init__()
        width, narrow, fused = settings.width, settings.proposal_width, settings.fusion_width
        self.base = nn.Sequential(conv_norm_relu(channels, width), conv_norm_relu(width, width))
        self.boundary_branch = conv_norm_relu(width, width)
        self.boundaries = nn.Conv1d(width, 2, 1)
        self.class_head = ClassHead(width, classes, settings.class_dilations) if settings.class_head else None
        self.reduce = conv_norm_relu(width, narrow)
        self.sample = SAMPLINGS[settings.sampling](settings.max_duration, settings.proposal_samples, settings.context)
        self.join = nn.Conv2d(narrow * settings.proposal_samples, fused, 1)
        self.evaluate = nn.Sequential(
            nn.ReLU(inplace=True), nn.Dropout(settings.dropout),
            nn.Conv2d(fused, narrow, 1), nn.ReLU(inplace=True),
            nn.Conv2d(narrow, narrow, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(narrow, narrow, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(narrow, 2, 1))
        initialize(self, rare_outputs=[self.boundaries] + ([self.class_head.classes] if settings.class_head else []))

    def forward(self, features, valid):
        """Features ``(B, C, T)`` and ``valid`` ``(B, 1, T)`` (1 real, 0 padding) to :class:`BMNOutput`."""
        shared = self.base(features * valid)
        sampled = self.sample(self.reduce(shared) * valid)
        # The convolution over all N samples (N x 1 x 1 in the paper) is one of 1 x 1 over N x C channels
        joined = self.join(sampled.flatten(1, 2))
        return BMNOutput(self.boundaries(self.boundary_branch(shared)), self.evaluate(joined),
                         None if self.class_head is None else self.class_head(shared))
