"""What ``deeplab`` predicts: scores of every snippet, and scores of proposals."""

from typing import NamedTuple

import torch
from torch import nn

from tad.models.layers import conv_norm_relu


class SnippetScores(NamedTuple):
    """Per-snippet outputs at full temporal resolution.

    ``classes`` logits ``(B, K, T)``, several may be high at once; ``boundaries`` logits ``(B, 2, T)`` of a start, an
    end near the snippet; ``offsets`` ``(B, 2, T)`` snippets from the snippet's centre to that boundary.
    """

    classes: torch.Tensor
    boundaries: torch.Tensor
    offsets: torch.Tensor


class SnippetHead(nn.Module):
    """Class scores from the decoder's features; boundaries and offsets through ``boundary_convs`` convolutions more.

    Offsets recover what the snippet grid rounds away, as CornerNet's do for pixels (Law and Deng, 2018, section 3.2).
    """

    def __init__(self, width, classes, boundary_convs=1):
        super(SnippetHead, self).__init__()
        self.classes = nn.Conv1d(width, classes, 1)
        # One after the other without nesting, so that a single one has the weights' names of checkpoints of before
        self.branch = nn.Sequential(*[layer for _ in range(boundary_convs) for layer in conv_norm_relu(width, width)])
        self.boundaries = nn.Conv1d(width, 2, 1)
        self.offsets = nn.Conv1d(width, 2, 1)

    def forward(self, features):
        """``(B, width, T) -> SnippetScores``"""
        near = self.branch(features)
        return SnippetScores(self.classes(features), self.boundaries(near), self.offsets(near))


class ClassHead(nn.Module):
    """Class scores of snippets through dilated convolutions of their own, for networks that see few snippets at once.

    What tells one class from another may last longer than a boundary; each dilation ``d`` widens the view by ``2 d``.

    :param width: channels of the features. :param classes: number of classes.
    :param dilations: of the convolutions with kernel 3, one after the other; may be empty.
    """

    def __init__(self, width, classes, dilations):
        super(ClassHead, self).__init__()
        self.branch = nn.Sequential(*[conv_norm_relu(width, width, dilation=dilation) for dilation in dilations])
        self.classes = nn.Conv1d(width, classes, 1)

    def forward(self, features):
        """``(B, width, T) -> (B, K, T)`` logits."""
        return self.classes(self.branch(features))


class ProposalHead(nn.Module):
    """tIoU and completeness of proposals, or other outputs, in three steps that can be chosen one by one.

    The two outputs are BMN's regression and classification confidences (Lin et al., 2019, section 3.3).

    :param reduce: features of the snippets ``(B, width, T)`` to ``(B, P, T)``, once for all proposals.
    :param sample: those and proposals ``(N, 3)`` to ``(N, P, bins)`` (:mod:`tad.models.proposal_features`).
    :param score: those to logits ``(N, outputs)`` (:mod:`tad.models.second_stage`).
    """

    def __init__(self, reduce, sample, score):
        super(ProposalHead, self).__init__()
        self.reduce = reduce
        self.sample = sample
        self.score = score

    def forward(self, features, proposals, draws=None):
        """Reduced features ``(B, P, T)``, proposals ``(N, 3)`` (batch index, start, end) to logits ``(N, outputs)``.

        :param draws: random numbers for training, as ``score`` takes them.
        """
        return self.score(self.sample(features, proposals), proposals, draws)
