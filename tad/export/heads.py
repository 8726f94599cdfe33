"""The proposal head that graphs share."""

from torch.nn.functional import pad

from tad import segments
from tad.export.align1d import align1d_matrix
from tad.models.proposal_features import AlignSampling, MaskSampling


def proposal_scores(head, features, proposals, most, block):
    """What a :class:`tad.models.heads.ProposalHead` says of the same number of proposals in each entry of a batch.

    Its last module must judge each proposal on its own.

    :param features: float32 ``(B, P, T)``, as ``head.reduce`` makes them.
    :param proposals: ``(B, N, 2)`` of start and end in snippets.
    :param most: samples in a bin of the longest proposal with its context; ``block``: proposals that are handled at
        once; both as :func:`tad.export.align1d.align1d_matrix` takes them.
    :returns: logits float32 ``(B, N, outputs)``.
    """
    values = MATRICES[type(head.sample)](head.sample, features, proposals, most, block)
    return head.score(values.flatten(0, 1)).unflatten(0, proposals.shape[:2])


def _align_matrix(sample, features, proposals, most, block):
    # In the features' type, as AlignSampling does it: what lies just outside the sequence must stay there
    rois = _widened(proposals.to(features.dtype), sample.context)
    return align1d_matrix(features, rois, sample.align.output_size, most, block)


def _mask_matrix(sample, features, proposals, most, block):
    rois = _widened(proposals.double(), sample.context)
    step = (rois[..., 1:] - rois[..., :1]) / (sample.points - 1)
    rois = rois + step * rois.new_tensor([-0.5, 0.5]) + 1
    return align1d_matrix(pad(features, (1, 1)), rois, sample.align.output_size, most, block,
                          sample.align.sampling_ratio)


def _widened(proposals, context):
    return segments.widen(proposals.flatten(0, 1), context).unflatten(0, proposals.shape[:2])


MATRICES = {AlignSampling: _align_matrix, MaskSampling: _mask_matrix}
