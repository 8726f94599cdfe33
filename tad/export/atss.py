"""The detector ``atss`` as one graph: everything from features to scored proposals, of one stage or two."""

import math

import torch
from torch.nn.functional import pad

from tad import segments
from tad.export.align1d import align1d_matrix, block_size
from tad.export.base import SHORTEST, Graph
from tad.models.atss import stretched

NO_PROPOSAL = -1.0  # in place of a class score, at anchors on padding


class ATSSGraph(Graph):
    """What :meth:`tad.detectors.atss.ATSSDetector.propose` computes.

    A segment may be as long as its clip. That bounds the samples in a bin of the second stage, which therefore takes
    clips of the detector's own length only.
    """

    def __init__(self, detector, length):
        super(ATSSGraph, self).__init__()
        self.network = detector.network
        self.settings = settings = detector.settings
        longest = length * (1 + 2 * settings.refine_context)
        self.most = int(math.ceil(longest / settings.refine_bins)) + 1  # one more in case of rounding
        self.block = block_size(length, settings.refine_bins, self.most)
        # With fewer steps in the coarsest level, what its normalization divides by is mostly rounding
        self.shortest = length + 1 if settings.refine else max(SHORTEST, 4 * 2 ** (settings.levels - 1))

    def forward(self, features, valid):
        """See :meth:`tad.export.base.Graph.forward`."""
        real = (torch.arange(features.shape[2]) < valid[:, None]).unsqueeze(1)
        levels = self.network.pyramid(features * real.to(features.dtype))
        classes, sides, quality = self.network.head(levels)
        classes, quality = torch.sigmoid(classes).double(), torch.sigmoid(quality).double()
        anchors = self._anchors([level.shape[2] for level in levels])
        best = torch.where(anchors.mean(dim=1) < valid[:, None], classes.max(dim=1)[0],
                           torch.full_like(quality, NO_PROPOSAL))
        # Padded, because a short clip has fewer anchors than are asked for
        count = self.settings.candidates
        best, chosen = torch.topk(pad(best, (0, count), value=NO_PROPOSAL), count)
        found = self._cut(stretched(anchors, sides.transpose(1, 2).double()), valid)
        found, classes = taken(found, chosen), taken(classes.transpose(1, 2), chosen)
        if self.settings.refine:
            found, again = self._refined(levels[0], found)
            found, classes = self._cut(found, valid), torch.sqrt(classes * again)
        quality, ones = taken(quality[..., None], chosen)[..., 0], torch.ones_like(best)
        return found, classes, ones, quality, ones, (best > NO_PROPOSAL).sum(dim=1)

    def rank(self, proposals):
        """The first stage's class score. A second stage hides it, so that any row may be the last one taken."""
        return (0.0 if self.settings.refine else 1.0) * proposals.classes.max(axis=1)

    def _anchors(self, lengths):
        """:func:`tad.proposals.anchors.pyramid_anchors` of levels with these steps: float64 ``(N, 2)``."""
        parts = []
        for level, steps in enumerate(lengths):
            centres = torch.arange(steps, dtype=torch.float64) * 2 ** level
            half = 0.5 * self.settings.anchor_scale * 2 ** level
            parts.append(torch.stack([centres - half, centres + half], dim=1))
        return torch.cat(parts)

    def _cut(self, found, valid):
        return torch.minimum(found, (valid - 0.5).double()[:, None, None]).clamp(min=-0.5)

    def _refined(self, features, found):
        """The second stage's segments ``(B, N, 2)`` and class scores ``(B, N, K)`` of segments ``(B, N, 2)``."""
        head = self.network.second.head
        # In the features' type, as ProposalHead does it: what lies just outside the sequence must stay there
        rois = segments.widen(found.to(features.dtype).flatten(0, 1), head.context).unflatten(0, found.shape[:2])
        values = head.score(align1d_matrix(head.reduce(features), rois, self.settings.refine_bins, self.most,
                                           self.block).flatten(2))
        return stretched(found, values[..., :2].double()), torch.sigmoid(values[..., 2:]).double()


def taken(values, chosen):
    """The rows ``chosen (B, count)`` of ``values (B, N, W)``, zeros from row N on: ``(B, count, W)``."""
    padded = pad(values, (0, 0, 0, chosen.shape[1]))
    return padded.gather(1, chosen[..., None].expand(-1, -1, values.shape[2]))
