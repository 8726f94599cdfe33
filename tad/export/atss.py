"""The detector ``atss`` as one graph: everything from features to scored proposals."""

import math

import numpy as np
import torch
from torch.nn.functional import pad

from tad.export.align1d import block_size
from tad.export.base import SHORTEST, Graph
from tad.export.heads import proposal_scores
from tad.models.atss import stretched

NO_ANCHOR = -1.0  # in place of a probability, of anchors on padding


class ATSSGraph(Graph):
    """What :meth:`tad.detectors.atss.ATSSDetector.propose` computes, with or without its second stage."""

    def __init__(self, detector, length):
        super(ATSSGraph, self).__init__()
        self.network = detector.network
        self.settings = settings = detector.settings
        self.widest = int(math.ceil(1 + 2 * settings.refine_context))  # of a segment with its context, in clips
        self.block = block_size(length, settings.refine_bins, self._most(length))
        # Two locations on the coarsest level, as ATSSDetector.fit wants them
        self.shortest = max(SHORTEST, 2 ** settings.levels)

    def _most(self, snippets):
        """Samples in a bin of the longest segment with its context; two more in case of rounding."""
        return self.widest * snippets // self.settings.refine_bins + 2

    def forward(self, features, valid):
        """See :meth:`tad.export.base.Graph.forward`."""
        snippets = features.shape[2]
        real = (torch.arange(snippets) < valid[:, None]).unsqueeze(1)
        output = self.network(features, real.to(features.dtype))
        anchors = pyramid_anchors(snippets, self.settings.levels, self.settings.anchor_scale)
        classes = torch.sigmoid(output.classes).double().transpose(1, 2)
        chosen, count = self._best(classes.max(dim=2)[0], anchors.mean(dim=1) < valid[:, None])
        found = cut(_rows(stretched(anchors, output.sides.transpose(1, 2).double()), chosen), valid)
        classes = _rows(classes, chosen)
        if self.settings.refine:
            found, second = self._refined(output.features, found, valid)
            classes = torch.sqrt(classes * second)
        quality = torch.sigmoid(output.quality).double().gather(1, chosen)
        ones = torch.ones_like(quality)
        return found, classes, ones, quality, ones, count

    def _best(self, scores, real):
        """Indices ``(B, settings.candidates)`` of the best anchors on real snippets, and how many of them are such."""
        wanted = self.settings.candidates
        scores = torch.where(real, scores, torch.full_like(scores, NO_ANCHOR))
        # Padded, because a short clip has fewer anchors than there are candidates
        best, chosen = torch.topk(pad(scores, (0, wanted), value=NO_ANCHOR), wanted)
        # An index of the padding is of no anchor, and any will do
        return chosen.clamp(max=scores.shape[1] - 1), (best > NO_ANCHOR).sum(dim=1)

    def _refined(self, features, found, valid):
        """The second stage's segments ``(B, N, 2)`` and class scores ``(B, N, K)``."""
        head = self.network.second.head
        output = proposal_scores(head, head.reduce(features), found, self._most(features.shape[2]), self.block)
        return cut(stretched(found, output[..., :2].double()), valid), torch.sigmoid(output[..., 2:]).double()

    def rank(self, proposals):
        """The highest class score; the second stage's scores do not tell which candidates were the last."""
        return np.zeros(len(proposals.segments)) if self.settings.refine else proposals.classes.max(axis=1)


def pyramid_anchors(snippets, levels, scale):
    """Segments float64 ``(N, 2)`` of :func:`tad.proposals.anchors.pyramid_anchors`."""
    centres, halves, count = [], [], snippets
    for level in range(levels):
        centres.append(2.0 ** level * torch.arange(count, dtype=torch.float64))
        halves.append(torch.full_like(centres[-1], 0.5 * scale * 2 ** level))
        count = (count - 1) // 2 + 1
    centres, halves = torch.cat(centres), torch.cat(halves)
    return torch.stack([centres - halves, centres + halves], dim=1)


def cut(found, valid):
    """Segments ``(B, N, 2)`` cut to the snippets ``valid (B,)`` of their clips."""
    return torch.minimum(found.clamp(min=-0.5), valid[:, None, None].double() - 0.5)


def _rows(values, chosen):
    """Some rows of each entry of a batch: ``(B, N, X), (B, M) -> (B, M, X)``."""
    return values.gather(1, chosen[:, :, None].expand(-1, -1, values.shape[2]))
