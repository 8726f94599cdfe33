"""A feature pyramid over time (Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017)."""

from torch import nn

from tad.models.layers import ResidualBlock, conv_norm, conv_norm_relu


class Pyramid(nn.Module):
    """A residual backbone whose levels halve the resolution, and the top-down way back with lateral connections.

    Step j of level l looks at snippet ``j * 2 ** l``: there odd kernels of stride 2 have their centres.

    :param channels: width of the input features.
    :param width: channels of every level.
    :param levels: how many; their strides are 1, 2, 4, ... snippets.
    :param blocks: residual blocks before the first level.
    :param kernel: of the backbone's convolutions, odd.
    """

    def __init__(self, channels, width, levels, blocks, kernel):
        super(Pyramid, self).__init__()
        self.stem = nn.Sequential(conv_norm_relu(channels, width, kernel),
                                  *[ResidualBlock(width, width, kernel) for _ in range(blocks)])
        self.down = nn.ModuleList([ResidualBlock(width, width, kernel, stride=2) for _ in range(levels - 1)])
        self.lateral = nn.ModuleList([conv_norm(width, width, 1) for _ in range(levels)])
        self.smooth = nn.ModuleList([conv_norm(width, width, 3) for _ in range(levels)])

    def forward(self, features):
        """``(B, C, T)`` to a list, finest first, of ``(B, width, ceil(T / 2 ** l))``."""
        ways = [self.stem(features)]
        for block in self.down:
            ways.append(block(ways[-1]))
        merged = [self.lateral[-1](ways[-1])]
        for way, lateral in zip(ways[-2::-1], list(self.lateral)[-2::-1]):
            merged.append(lateral(way) + doubled(merged[-1], way.size(2)))
        return [smooth(level) for smooth, level in zip(self.smooth, merged[::-1])]


def doubled(features, length):
    """Each step twice, cut to ``length``: ``(B, C, T) -> (B, C, length)`` with ``length <= 2 T``.

    Nearest-neighbour upsampling, written so that its gradient is deterministic on every device.
    """
    twice = features.unsqueeze(3).expand(features.shape + (2,))
    return twice.reshape(features.size(0), features.size(1), -1)[:, :, :length]
