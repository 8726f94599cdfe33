"""The detector ``atss`` as one graph: everything from features to scored proposals."""

import torch
from torch.nn.functional import pad

from tad.detectors.atss import FARTHEST
from tad.export.base import SHORTEST, Graph

NO_ANCHOR = -1.0  # in place of a probability, of anchors on padding


class ATSSGraph(Graph):
    """What :meth:`tad.detectors.atss.ATSSDetector.propose` computes."""

    def __init__(self, detector, length):
        super(ATSSGraph, self).__init__()
        self.network = detector.network
        self.settings = settings = detector.settings
        # Two locations on the coarsest level, as ATSSDetector.fit wants them
        self.shortest = max(SHORTEST, 2 ** settings.levels)

    def forward(self, features, valid):
        """See :meth:`tad.export.base.Graph.forward`."""
        snippets, last = features.shape[2], valid[:, None].double() - 0.5
        real = (torch.arange(snippets) < valid[:, None]).unsqueeze(1)
        output = self.network(features, real.to(features.dtype))
        centres, halves = anchors(snippets, self.settings.levels, self.settings.anchor_scale)
        classes = torch.sigmoid(output.classes).double().transpose(1, 2)
        chosen, count = self._best(classes.max(dim=2)[0], centres < valid[:, None])
        distances = halves * torch.exp(output.sides.double().clamp(-FARTHEST, FARTHEST))
        low, high = (torch.minimum(edges.gather(1, chosen).clamp(min=-0.5), last)
                     for edges in (centres - distances[:, 0], centres + distances[:, 1]))
        quality = torch.sigmoid(output.quality).double().gather(1, chosen)
        ones = torch.ones_like(quality)
        classes = classes.gather(1, chosen[:, :, None].expand(-1, -1, classes.shape[2]))
        return torch.stack([low, high], dim=2), classes, ones, quality, ones, count

    def _best(self, scores, real):
        """Indices ``(B, settings.candidates)`` of the best anchors on real snippets, and how many of them are such."""
        wanted = self.settings.candidates
        scores = torch.where(real, scores, torch.full_like(scores, NO_ANCHOR))
        # Padded, because a short clip has fewer anchors than there are candidates
        best, chosen = torch.topk(pad(scores, (0, wanted), value=NO_ANCHOR), wanted)
        # An index of the padding is of no anchor, and any will do
        return chosen.clamp(max=scores.shape[1] - 1), (best > NO_ANCHOR).sum(dim=1)

    def rank(self, proposals):
        """The highest class score."""
        return proposals.classes.max(axis=1)


def anchors(snippets, levels, scale):
    """:func:`tad.proposals.anchors.pyramid_anchors` as float64 centres ``(N,)`` and halves of their widths ``(N,)``."""
    centres, halves, count = [], [], snippets
    for level in range(levels):
        centres.append(2.0 ** level * torch.arange(count, dtype=torch.float64))
        halves.append(torch.full_like(centres[-1], 0.5 * scale * 2 ** level))
        count = (count - 1) // 2 + 1
    return torch.cat(centres), torch.cat(halves)
