"""Building blocks that several networks share."""

import math

from torch import nn


def conv_norm(channels_in, channels_out, kernel=3, stride=1, dilation=1):
    """A convolution that keeps the length (divided by ``stride``, rounded up), with group normalization.

    Group normalization does not mix the windows of a batch, so a window's result does not depend on its neighbours.
    """
    padding = dilation * (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv1d(channels_in, channels_out, kernel, stride, padding, dilation, bias=False),
        nn.GroupNorm(norm_groups(channels_out), channels_out))


def conv_norm_relu(channels_in, channels_out, kernel=3, stride=1, dilation=1):
    """:func:`conv_norm` followed by ReLU."""
    return nn.Sequential(conv_norm(channels_in, channels_out, kernel, stride, dilation), nn.ReLU(inplace=True))


def norm_groups(channels, most=8):
    """The largest divisor of ``channels`` up to ``most``."""
    return max(groups for groups in range(1, most + 1) if channels % groups == 0)


class ResidualBlock(nn.Module):
    """Two convolutions around a shortcut (He et al., "Deep Residual Learning", 2016, figure 2)."""

    def __init__(self, channels_in, channels_out, kernel=3, stride=1, dilation=1):
        super(ResidualBlock, self).__init__()
        self.body = nn.Sequential(
            conv_norm_relu(channels_in, channels_out, kernel, stride, dilation),
            conv_norm(channels_out, channels_out, kernel, 1, dilation))
        same = stride == 1 and channels_in == channels_out
        self.shortcut = nn.Sequential() if same else conv_norm(channels_in, channels_out, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features):
        """``(B, C_in, T) -> (B, C_out, ceil(T / stride))``"""
        return self.relu(self.body(features) + self.shortcut(features))


def initialize(module, rare_outputs=()):
    """He initialization of every convolution and linear layer; ``rare_outputs`` start at probability 0.01.

    The prior keeps the many negatives from drowning the first steps (Lin et al., "Focal Loss", 2017, section 3.3).
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    for layer in rare_outputs:
        nn.init.normal_(layer.weight, std=0.01)
        nn.init.constant_(layer.bias, -math.log((1 - 0.01) / 0.01))
