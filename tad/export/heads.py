"""The proposal head that graphs share."""

from tad import segments
from tad.export.align1d import align1d_matrix


def proposal_scores(head, features, proposals, most, block):
    """What a :class:`tad.models.heads.ProposalHead` says of the same number of proposals in each entry of a batch.

    :param features: float32 ``(B, P, T)``, as ``head.reduce`` makes them.
    :param proposals: ``(B, N, 2)`` of start and end in snippets.
    :param most: samples in a bin of the longest proposal with its context; ``block``: proposals that are handled at
        once; both as :func:`tad.export.align1d.align1d_matrix` takes them.
    :returns: logits float32 ``(B, N, outputs)``.
    """
    # In the features' type, as ProposalHead does it: what lies just outside the sequence must stay there
    rois = segments.widen(proposals.to(features.dtype).flatten(0, 1), head.context).unflatten(0, proposals.shape[:2])
    return head.score(align1d_matrix(features, rois, head.align.output_size, most, block).flatten(2))
