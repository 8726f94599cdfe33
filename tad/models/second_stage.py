"""What judges proposals by the features that were sampled of each: the last module of a proposal head."""

from torch import nn


class FullyConnected(nn.Sequential):
    """Each proposal on its own, by a perceptron with two hidden layers.

    :param channels: of a proposal's features, over ``bins``.
    :param width: of the hidden layers.
    :param outputs: numbers that a proposal gets.
    """

    def __init__(self, channels, bins, width, dropout, outputs):
        super(FullyConnected, self).__init__(
            nn.Linear(channels * bins, width), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, outputs))

    def forward(self, values):
        """Features ``(..., channels, bins)`` to logits ``(..., outputs)``."""
        return super(FullyConnected, self).forward(values.flatten(-2))
