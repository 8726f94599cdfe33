"""Align1D in operators that ONNX has: the bins' interpolation weights as a matrix, times the features.

The samples lie where :func:`tad.ops.align1d.align1d` puts them. Their number differs from roi to roi, so every bin gets
room for ``most`` samples, and those that it does not have weigh nothing. All weights of a bin are added up at the
snippets that they belong to (``ScatterElements``); one matrix product then gives the bins of all channels.

Extra memory: a block of rois takes no more than :data:`BLOCK_BYTES` for each entry of the batch, or is a single roi.
"""

import torch

BLOCK_BYTES = 2 ** 26
SAMPLE_BYTES = 150  # of the arrays for each sample that are alive at once


def align1d_matrix(features, rois, bins, most, block=None, sampling_ratio=0):
    """Align1D of the same number of rois in each entry of a batch.

    :param features: float32 ``(B, C, T)``; float64 gets the same weights.
    :param rois: float32 or float64 ``(B, N, 2)`` of start and end in snippet units, finite; or ``(1, N, 2)``, the same
        for all entries.
    :param most: samples in a bin of the longest roi: its length divided by ``bins``, rounded up. The bins of a longer
        roi would lack samples. With a ``sampling_ratio`` it is that.
    :param block: rois of an entry that are handled at once, a plain number; None for all.
    :param sampling_ratio: samples in each bin; 0 takes about one for each snippet.
    :returns: ``(B, N, C, bins)`` of the features' type.
    """
    columns = features.transpose(1, 2)
    parts = []
    rois = rois.to(torch.float64)
    for part in (rois,) if block is None else rois.split(block, dim=1):
        weights = bin_weights(part, features.shape[2], bins, most, sampling_ratio)
        values = torch.matmul(weights.flatten(1, 2).to(columns.dtype), columns)
        parts.append(values.unflatten(1, (part.shape[1], bins)).transpose(2, 3))
    return torch.cat(parts, dim=1)


def bin_weights(rois, snippets, bins, most, sampling_ratio=0):
    """The weight of each snippet in each bin: float64 ``(B, N, 2)`` to float32 ``(B, N, bins, snippets)``."""
    width = (rois[..., 1] - rois[..., 0]).clamp(min=1) / bins
    samples = (torch.full_like(width, sampling_ratio) if sampling_ratio else torch.ceil(width))[..., None, None]
    begin = rois[..., :1] + torch.arange(bins, dtype=rois.dtype) * width[..., None]
    number = torch.arange(most, dtype=rois.dtype)
    position = multiply_add(number + 0.5, width[..., None, None] / samples, begin[..., None])
    counts = (number < samples) & (position >= -1) & (position <= snippets)
    share = counts.to(rois.dtype) / samples
    position = position.clamp(min=0, max=snippets - 1)
    left = torch.floor(position)
    right_share = (position - left) * share
    left = left.to(torch.int64)
    index = torch.cat([left, (left + 1).clamp(max=snippets - 1)], dim=3)
    value = torch.cat([share - right_share, right_share], dim=3).to(torch.float32)
    return torch.zeros(index.shape[:3] + (snippets,)).scatter_add(3, index, value)


def multiply_add(factor, other, summand):
    """``factor * other + summand`` rounded once, as the processor's fused operation does it, in plain operations.

    A sample that lies exactly on -1 or T counts, and one that rounding puts just outside does not; the operator's
    samples come from a fused operation, so these must too. The parts are those of Dekker, "A floating-point technique
    for extending the available precision", 1971.

    :param factor: float64 with at most 24 significant bits; the others any float64.
    """
    high = other.to(torch.float32).to(torch.float64)
    product = factor * high
    total = product + summand
    rest = total - summand
    error = (summand - (total - rest)) + (product - rest)
    return total + (error + factor * (other - high))


def block_size(snippets, bins, most):
    """Rois whose weights take :data:`BLOCK_BYTES`, at least one."""
    return max(1, BLOCK_BYTES // (bins * (4 * snippets + SAMPLE_BYTES * most)))
