"""The detector ``atss`` as one graph: everything from features to scored proposals, of one stage or two."""

import math

import torch
from torch.nn.functional import pad

from tad import segments
from tad.export.align1d import align1d_matrix, block_size
from tad.export.base import SHORTEST, Graph
from tad.models.atss import stretched

NO_ANCHOR = -1.0  # in place of a probability, of anchors on padding


class ATSSGraph(Graph):
    """What :meth:`tad.detectors.atss.ATSSDetector.propose` computes.

    A segment may be as long as its clip, which bounds the samples in a bin of the second stage; a graph with one
    therefore takes clips of the detector's own length only.
    """

    def __init__(self, detector, length):
        super(ATSSGraph, self).__init__()
        self.network = detector.network
        self.settings = settings = detector.settings
        longest = length * (1 + 2 * settings.refine_context)
        self.most = int(math.ceil(longest / settings.refine_bins)) + 1  # one more in case of rounding
        self.block = block_size(length, settings.refine_bins, self.most)
        # Two locations on the coarsest level, as ATSSDetector.fit wants them
        self.shortest = length + 1 if settings.refine else max(SHORTEST, 2 ** settings.levels)

    def forward(self, features, valid):
        """See :meth:`tad.export.base.Graph.forward`."""
        snippets = features.shape[2]
        real = (torch.arange(snippets) < valid[:, None]).unsqueeze(1)
        output = self.network(features, real.to(features.dtype))
        anchors = pyramid_anchors(snippets, self.settings.levels, self.settings.anchor_scale)
        classes = torch.sigmoid(output.classes).double().transpose(1, 2)
        chosen, count = self._best(classes.max(dim=2)[0], anchors.mean(dim=1) < valid[:, None])
        found = stretched(anchors, output.sides.double().transpose(1, 2))
        found, classes = cut(taken(found, chosen), valid), taken(classes, chosen)
        if self.settings.refine:
            refined, again = self._refined(output.features, found)
            found, classes = cut(refined, valid), torch.sqrt(classes * again)
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

    def _refined(self, features, found):
        """The second stage's segments ``(B, N, 2)`` and class scores ``(B, N, K)`` of the first's ``(B, N, 2)``."""
        head = self.network.second.head
        # In the features' type, as ProposalHead does it: what lies just outside the sequence must stay there
        rois = segments.widen(found.to(features.dtype).flatten(0, 1), head.context).unflatten(0, found.shape[:2])
        values = head.score(align1d_matrix(head.reduce(features), rois, self.settings.refine_bins, self.most,
                                           self.block).flatten(2))
        return stretched(found, values[..., :2].double()), torch.sigmoid(values[..., 2:]).double()

    def rank(self, proposals):
        """The first stage's highest class score; the second stage hides it, and any row may be the last one taken."""
        return (0.0 if self.settings.refine else 1.0) * proposals.classes.max(axis=1)


def taken(values, chosen):
    """Rows ``chosen (B, N)`` of ``values (B, M, W)``: ``(B, N, W)``."""
    return values.gather(1, chosen[:, :, None].expand(-1, -1, values.shape[2]))


def cut(found, valid):
    """Segments ``(B, N, 2)`` cut to the snippets that are not padding."""
    return torch.minimum(found.clamp(min=-0.5), valid[:, None, None].double() - 0.5)


def pyramid_anchors(snippets, levels, scale):
    """:func:`tad.proposals.anchors.pyramid_anchors`, the segments float64 ``(N, 2)``."""
    parts, count = [], snippets
    for level in range(levels):
        centres, half = 2.0 ** level * torch.arange(count, dtype=torch.float64), 0.5 * scale * 2 ** level
        parts.append(torch.stack([centres - half, centres + half], dim=1))
        count = (count - 1) // 2 + 1
    return torch.cat(parts)
