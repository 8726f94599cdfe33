"""The encoder of ``deeplab``: residual stages over time."""

from torch import nn

from tad.models.layers import ResidualBlock, conv_norm_relu


class Encoder(nn.Module):
    """Residual stages; the first keeps full resolution for the decoder, the others stride.

    :param channels_in: width of the features.
    :param width: channels of every stage.
    :param strides: stride of each stage; their product is the output stride.
    :param blocks: residual blocks in a stage.
    """

    def __init__(self, channels_in, width, strides, blocks, kernel):
        super(Encoder, self).__init__()
        self.stem = conv_norm_relu(channels_in, width, kernel)
        self.stages = nn.ModuleList([_stage(width, stride, blocks, kernel) for stride in strides])

    def forward(self, features):
        """``(B, C, T)`` to ``(B, width, T / strides[0])`` of the first stage and ``(B, width, T / output stride)``."""
        features = low_level = self.stages[0](self.stem(features))
        for stage in self.stages[1:]:
            features = stage(features)
        return low_level, features


def _stage(width, stride, blocks, kernel):
    first = ResidualBlock(width, width, kernel, stride)
    return nn.Sequential(first, *[ResidualBlock(width, width, kernel) for _ in range(blocks - 1)])
