"""The network of the detector ``ssn``: actionness, structured temporal pyramid pooling, three linear heads."""

from typing import NamedTuple

import torch
from torch import nn

from tad.models.layers import conv_norm_relu, initialize
from tad.ops.align1d import align1d

SHORTEST = 1.0  # of a stage, in snippets


class SSNOutput(NamedTuple):
    """``actionness`` logits ``(B, A, T)``: of any action, then of each class where there are curves of classes; and the
    snippets' features ``(B, width, T)``, 0 on padding."""

    actionness: torch.Tensor
    features: torch.Tensor


class Judgement(NamedTuple):
    """Of N proposals: logits of ``activity`` ``(N, 1 + K)``, background first, and of ``completeness`` ``(N, K)``;
    ``location`` ``(N, K, 2)``, the move of the centre in durations and the logarithm of the change of duration."""

    activity: torch.Tensor
    completeness: torch.Tensor
    location: torch.Tensor


class SSN(nn.Module):
    """Structured Segment Network (Zhao et al., 2017, figure 2) on features of snippets.

    :param channels: width of the input features.
    :param classes: number of classes.
    :param settings: :class:`tad.config.SSNSettings`
    """

    def __init__(self, channels, classes, settings):
        super(SSN, self).__init__()
        width, course = settings.width, sum(settings.pyramid) * settings.width
        self.classes = classes
        self.input_dropout = nn.Dropout2d(settings.input_dropout)
        self.base = nn.Sequential(conv_norm_relu(channels, width), conv_norm_relu(width, width))
        self.actionness = nn.Conv1d(width, 1 + (classes if settings.actionness == "classes" else 0), 1)
        self.pool = StructuredPyramid(settings.pyramid, settings.context)
        self.dropout = nn.Dropout(settings.dropout)
        self.activity = nn.Linear(course, 1 + classes)
        self.completeness = nn.Linear(course + 2 * width, classes)
        self.location = nn.Linear(course + 2 * width, 2 * classes)
        initialize(self, rare_outputs=[self.actionness])
        # Whether anything happens is no rare event, and what is judged is sampled evenly
        nn.init.zeros_(self.actionness.bias[:1])
        for layer in (self.activity, self.completeness, self.location):
            nn.init.normal_(layer.weight, std=0.01)

    def forward(self, features, valid):
        """Features ``(B, C, T)`` and ``valid`` ``(B, 1, T)`` (1 real, 0 padding) to :class:`SSNOutput`."""
        features = self.input_dropout(features.unsqueeze(3)).squeeze(3)
        shared = self.base(features * valid)
        return SSNOutput(self.actionness(shared), shared * valid)

    def judge(self, features, proposals):
        """``features`` of :class:`SSNOutput` and proposals ``(N, 3)`` (batch index, start, end) to
        :class:`Judgement`."""
        course, whole = self.pool(features, proposals.to(features.dtype))
        course, whole = self.dropout(course), self.dropout(whole)
        location = self.location(whole).view(-1, self.classes, 2)
        return Judgement(self.activity(course), self.completeness(whole), location)


class StructuredPyramid(nn.Module):
    """Structured temporal pyramid pooling (section 3.2): means over parts of the stages start, course and end.

    A part's mean is Align1D's: equal to that of the snippets where parts begin and end at their edges. What lies
    outside the clip counts as 0.

    :param levels: parts of the course at each level; start and end have one level of one part.
    :param context: duration of start and end, as part of the proposal's; at least one snippet.
    """

    def __init__(self, levels, context):
        super(StructuredPyramid, self).__init__()
        self.levels = tuple(levels)
        self.context = context

    def forward(self, features, proposals):
        """``(B, C, T)`` and ``(N, 3)`` to the course's ``(N, P * C)``, P parts of all levels, and all stages'
        ``(N, (P + 2) * C)``."""
        index, start, end = (proposals[:, column:column + 1] for column in range(3))
        beside = ((end - start) * self.context).clamp(min=SHORTEST)
        course = torch.cat([align1d(features, proposals, parts).flatten(1) for parts in self.levels], dim=1)
        before = align1d(features, torch.cat([index, start - beside, start], dim=1), 1).flatten(1)
        after = align1d(features, torch.cat([index, end, end + beside], dim=1), 1).flatten(1)
        return course, torch.cat([before, course, after], dim=1)
