"""Features of a list of proposals, sampled from those of the snippets in two ways.

Both take features ``(B, C, T)`` and proposals ``(N, 3)`` of rows (batch index, start, end) in snippets, and give
``(N, C, bins)``: each proposal is widened by its context first, and what lies outside the sequence counts as 0.
"""

import torch
from torch import nn
from torch.nn import functional

from tad import segments
from tad.compat import widest_float
from tad.ops.align1d import Align1D


class AlignSampling(nn.Module):
    """Means of equal bins by Align1D, as G-TAD aligns proposals (Xu et al., 2020, section 3.4).

    :param bins: of a proposal with its context.
    :param context: part of its duration by which a proposal is widened at each end.
    """

    def __init__(self, bins, context):
        super(AlignSampling, self).__init__()
        self.context = context
        self.align = Align1D(bins)

    def forward(self, features, proposals):
        """``(B, C, T), (N, 3) -> (N, C, bins)``"""
        return self.align(features, widened(proposals, self.context).to(features.dtype))


class MaskSampling(nn.Module):
    """The sampling mask of BMN's Boundary-Matching layer (Lin et al., 2019) for a list of proposals, without the mask.

    ``bins x samples`` points lie evenly from end to end of a proposal with its context, each interpolated linearly
    between two snippets; a bin is the mean of ``samples`` of them, as in the authors' code.

    Align1D takes these very points when a roi is half a step longer at both ends; a zero before and after the sequence
    makes its border the mask's. As there, a roi counts at least one snippet.

    :param bins: of a proposal with its context, and ``samples`` in each; more than one point in all.
    :param context: part of its duration by which a proposal is widened at each end.
    """

    def __init__(self, bins, samples, context):
        super(MaskSampling, self).__init__()
        self.context, self.points = context, bins * samples
        self.align = Align1D(bins, sampling_ratio=samples)

    def forward(self, features, proposals):
        """``(B, C, T), (N, 3) -> (N, C, bins)``"""
        # In float32 the interpolation far from the start would be off by more than the features' own rounding
        rois = widened(proposals.to(widest_float(features.device)), self.context)
        step = (rois[:, 2] - rois[:, 1]) / (self.points - 1)
        rois = torch.stack([rois[:, 0], rois[:, 1] - step / 2 + 1, rois[:, 2] + step / 2 + 1], dim=1)
        return self.align(functional.pad(features, (1, 1)), rois)


SAMPLINGS = {
    "align": lambda settings: AlignSampling(settings.proposal_bins, settings.context),
    "mask": lambda settings: MaskSampling(settings.proposal_bins, settings.mask_samples, settings.context),
}  # by the setting ``deeplab.proposal_features``, of :class:`tad.config.DeepLabSettings`


def widened(proposals, context):
    """Proposals ``(N, 3)`` longer by ``context`` of their duration at each end."""
    return torch.cat([proposals[:, :1], segments.widen(proposals[:, 1:], context)], dim=1)
