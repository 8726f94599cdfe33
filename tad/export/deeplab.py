"""The detector ``deeplab`` as one graph: everything from features to scored proposals."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import pad

from tad import segments
from tad.export.align1d import align1d_matrix, block_size

NO_PROPOSAL = -1.0  # in place of a probability, in cells of the boundary map that no proposal can be


class DeepLabGraph(nn.Module):
    """What :meth:`tad.detectors.deeplab.DeepLabDetector.propose` computes, in tensor operations of fixed shapes.

    :param detector: :class:`tad.detectors.deeplab.DeepLabDetector`
    :param length: snippets of a clip that memory is planned for; others may be given.
    """

    def __init__(self, detector, length):
        super(DeepLabGraph, self).__init__()
        self.network = detector.network
        self.settings = settings = detector.settings
        longest = settings.max_duration * (1 + 2 * settings.context)
        self.most = int(math.ceil(longest / settings.proposal_bins)) + 1  # one more in case of rounding
        self.block = block_size(length, settings.proposal_bins, self.most)
        # With fewer steps in the encoder, what its normalization divides by is mostly rounding
        self.shortest = max(8, 4 * int(np.prod(settings.strides)))

    def forward(self, features, valid):
        """Features ``(B, C, T)`` and valid snippets int64 ``(B,)`` to what :mod:`tad.export.graphs` asks for."""
        snippets = features.shape[2]
        real = (torch.arange(snippets) < valid[:, None]).unsqueeze(1)
        output = self.network(features, real.to(features.dtype))
        scores = output.scores
        boundaries = torch.sigmoid(scores.boundaries).double()
        starts, ends, product = self._candidates(boundaries, valid)
        quality = torch.sigmoid(self._judge(output.proposal_features, starts, ends)).double()
        offsets = scores.offsets.double()
        low = starts + offsets[:, 0].gather(1, starts)
        high = torch.maximum(ends + offsets[:, 1].gather(1, ends), low + 0.1)
        found = torch.stack([low, high], dim=2)
        classes = mean_inside(torch.sigmoid(scores.classes).double() * real, found)
        count = (product > NO_PROPOSAL).sum(dim=1)
        return found, classes, product, quality[..., 0], quality[..., 1], count

    def _candidates(self, boundaries, valid):
        """The best ``settings.candidates`` cells of the boundary map: first and last snippet, startness x endness.

        Rows for which the clip has no proposal are at the end.
        """
        snippets, candidates = boundaries.shape[2], self.settings.candidates
        durations = torch.arange(1, self.settings.max_duration + 1)[:, None]
        starts = torch.arange(snippets) + 0 * durations
        ends = starts + durations
        inside = ends < valid[:, None, None]
        ends = ends.clamp(max=snippets - 1)
        product = boundaries[:, 0, None] * boundaries[:, 1][:, ends]
        product = torch.where(inside, product, torch.full_like(product, NO_PROPOSAL))
        # Padded, because a short clip has fewer cells than there are candidates
        best, cells = torch.topk(pad(product.flatten(1), (0, candidates), value=NO_PROPOSAL), candidates)
        starts, ends = (pad(cell.flatten(), (0, candidates))[cells] for cell in (starts, ends))
        return starts, ends, best

    def _judge(self, features, starts, ends):
        """Logits ``(B, N, 2)`` of the proposal head."""
        head = self.network.proposal_head
        # In the features' type, as ProposalHead does it: what lies just outside the sequence must stay there
        proposals = torch.stack([starts, ends], dim=2).to(features.dtype).flatten(0, 1)
        rois = segments.widen(proposals, head.context).unflatten(0, starts.shape)
        return head.score(align1d_matrix(features, rois, self.settings.proposal_bins, self.most, self.block).flatten(2))


def mean_inside(scores, found):
    """:func:`tad.postprocess.fusion.mean_inside` for a batch: ``(B, K, T), (B, N, 2) -> (B, N, K)``, all float64."""
    last = scores.shape[2] - 1
    total = pad(scores.cumsum(dim=2), (1, 0))
    edges = (found + 0.5).clamp(min=0, max=last + 1)
    left = edges.floor().clamp(max=last)
    index = left.to(torch.int64).flatten(1)[:, None].expand(-1, scores.shape[1], -1)
    part = (edges - left).flatten(1)[:, None]
    integral = (total.gather(2, index) + scores.gather(2, index) * part).unflatten(2, (-1, 2))
    width = (found[..., 1] - found[..., 0]).clamp(min=1e-6)
    return ((integral[..., 1] - integral[..., 0]) / width[:, None]).transpose(1, 2)
