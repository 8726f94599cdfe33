"""The decoder of ``deeplab`` (Chen et al., "Encoder-Decoder with Atrous Separable Convolution", 2018, figure 2)."""

import torch
from torch import nn

from tad.models.layers import conv_norm_relu
from tad.models.resizing import resize


class Decoder(nn.Module):
    """Brings the pyramid back to full resolution and joins it with thinned low-level features."""

    def __init__(self, width, dropout):
        super(Decoder, self).__init__()
        thin = max(width // 2, 8)
        self.low_level = conv_norm_relu(width, thin, kernel=1)
        self.refine = nn.Sequential(conv_norm_relu(width + thin, width), conv_norm_relu(width, width),
                                    nn.Dropout(dropout))

    def forward(self, low_level, pyramid, length):
        """``(B, width, T1)`` and ``(B, width, T2)`` to ``(B, width, length)``."""
        low_level = resize(self.low_level(low_level), length)
        return self.refine(torch.cat([resize(pyramid, length), low_level], dim=1))
