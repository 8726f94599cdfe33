"""Align1D in plain PyTorch, for the CPU and any other device.

A bin is a bag of snippets: the weighted sum of those left and right of each of its samples, which is what
``embedding_bag`` computes, in C++ and on all cores. The backward pass is the same sum the other way round: a snippet is
a bag of bins. Its additions happen in a fixed order, so it is deterministic. Only samples inside the sequence become
entries of a bag: outliers, infinities and NaNs stay out of the bins that do not touch them.

Extra memory, for any number of rois of any length: 64 bytes for each roi; in the forward pass one transposed copy of
the input, in the backward pass two; and a block of rois, which takes no more than :data:`BLOCK_BYTES` (in the backward
pass as much as the input, if that is more) and a single roi. A roi takes :data:`SAMPLE_BYTES` for each of its samples
inside the sequence, which are at most ``2 (T + R + 2)``, or ``R * sampling_ratio`` if that is given, and
:data:`BIN_BYTES` and two copies of the values for each of its bins.

Positions and weights are computed in float64 where the device has it, values at least in float32.
"""

from typing import NamedTuple

import torch
from torch.nn.functional import embedding_bag

from tad.compat import widest_float

BLOCK_BYTES = 2 ** 25
SAMPLE_BYTES = 100  # of the arrays for each sample that are alive at once
BIN_BYTES = 150     # of those for each bin


def forward(input, rois, output_size, sampling_ratio):
    """See :func:`tad.ops.align1d.align1d`, which has checked the arguments."""
    batch, channels, snippets = input.shape
    output = input.new_empty((rois.size(0), channels, output_size))
    rows = _empty_rows(batch, channels, snippets, input)
    rows[:, :snippets] = input.transpose(1, 2)
    rows = rows.view(-1, channels)
    for block in _blocks(rois, rows, snippets, output_size, sampling_ratio, BLOCK_BYTES):
        bins = _bins(rois[block], snippets, output_size, sampling_ratio)
        samples = _samples(bins, snippets, rows.dtype)
        starts = bins.ends - bins.counts
        values = _bags(samples.row, rows, starts, samples.left_weight)
        values += _bags(samples.row, rows[1:], starts, samples.right_weight)
        output[block] = values.view(-1, output_size, channels).transpose(1, 2)
    return output


def backward(grad_output, rois, shape, sampling_ratio):
    """The gradient of the input, of ``shape`` (B, C, T), from that of the output ``(N, C, R)``."""
    batch, channels, snippets = shape
    output_size = grad_output.size(2)
    grad_rows = _empty_rows(batch, channels, snippets, grad_output)
    flat = grad_rows.view(-1, channels)
    limit = max(BLOCK_BYTES, flat.numel() * flat.element_size())
    for block in _blocks(rois, flat, snippets, output_size, sampling_ratio, limit):
        samples = _samples(_bins(rois[block], snippets, output_size, sampling_ratio), snippets, flat.dtype)
        if not len(samples.row):
            continue
        values = grad_output[block].transpose(1, 2).to(flat.dtype).reshape(-1, channels)
        first, counts, order = _by_row(samples.row)
        starts = counts.cumsum(0) - counts
        chosen = samples.bin.index_select(0, order)
        for row, weights in ((first, samples.left_weight), (first + 1, samples.right_weight)):
            part = _bags(chosen, values, starts, weights.index_select(0, order))
            flat[row:row + len(starts)].add_(part)
    return grad_rows[:, :snippets].transpose(1, 2).to(grad_output.dtype).contiguous()


class _Bins(NamedTuple):
    """Bins of a block, each ``(M,)``. Only samples inside the sequence count, ``counts`` from ``first`` on."""

    begin: torch.Tensor    # where it begins
    spacing: torch.Tensor  # distance of its samples
    share: torch.Tensor    # weight of a sample
    row: torch.Tensor      # the row of its batch entry's first snippet
    first: torch.Tensor
    counts: torch.Tensor
    ends: torch.Tensor     # counts, added up


class _Samples(NamedTuple):
    """Samples of the bins of a block, bin by bin, each ``(S,)``: between rows ``row`` and ``row + 1``."""

    bin: torch.Tensor
    row: torch.Tensor
    left_weight: torch.Tensor
    right_weight: torch.Tensor


def _empty_rows(batch, channels, snippets, like):
    """Zeros for each snippet, in the dtype to add up in, and one more row after each last snippet: its right."""
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    return torch.zeros((batch, snippets + 1, channels), dtype=dtype, device=like.device)


def _bags(indices, rows, starts, weights):
    """Weighted sums of ``rows[indices]``, each from one of ``starts`` to the next."""
    return embedding_bag(indices, rows, starts, mode="sum", per_sample_weights=weights)


def _by_row(row):
    """The first row, how many samples it and each later one has, and the samples in their order."""
    first = int(row.min())
    row = row - first
    # PyTorch sorts int64 in as many passes as it has bytes
    narrow = row.to(torch.int16) if int(row.max()) < 2 ** 15 else row
    return first, torch.bincount(row), torch.sort(narrow)[1]


def _length(rois):
    return (rois[:, 2] - rois[:, 1]).clamp(min=1, max=1e300 if rois.dtype == torch.float64 else 1e37)


def _blocks(rois, rows, snippets, output_size, sampling_ratio, limit):
    """Slices of the rois that take ``limit`` bytes, or one roi more."""
    length = _length(rois.to(widest_float(rois.device)))
    samples = torch.full_like(length, output_size * sampling_ratio) if sampling_ratio > 0 else \
        (length + output_size).clamp(max=2 * (snippets + output_size + 2))
    size = samples * SAMPLE_BYTES + output_size * (BIN_BYTES + 2 * rows.size(1) * rows.element_size())
    block = (size.cumsum(0) / limit).floor()
    starts = ((block[1:] != block[:-1]).nonzero().view(-1) + 1).tolist()
    starts = [0] + starts + [len(rois)]
    for start, end in zip(starts, starts[1:]):
        if end > start:
            yield slice(start, end)


def _bins(rois, snippets, output_size, sampling_ratio):
    """The bins of ``rois`` in the order (roi, bin)."""
    row = rois[:, 0].long() * (snippets + 1)
    rois = rois.to(widest_float(rois.device))
    width = _length(rois) / output_size
    samples = torch.full_like(width, sampling_ratio) if sampling_ratio > 0 else torch.ceil(width)
    steps = torch.arange(output_size, device=rois.device).to(rois.dtype)
    begin = (rois[:, 1, None] + steps * width[:, None]).view(-1)
    spacing, share, samples, row = (values[:, None].expand(-1, output_size).reshape(-1)
                                    for values in (width / samples, 1 / samples, samples, row))
    # Samples in [-1, T], one more at each side in case of rounding; then those that are not inside are taken away
    first = torch.max(torch.ceil((-1 - begin) / spacing - 0.5) - 1, torch.zeros_like(begin))
    last = torch.min(torch.floor((snippets - begin) / spacing - 0.5) + 1, samples - 1)
    for _ in range(2):
        first = first + (_position(begin, spacing, first) < -1).to(first.dtype)
        last = last - (_position(begin, spacing, last) > snippets).to(last.dtype)
    inside = (_position(begin, spacing, first) >= -1) * (_position(begin, spacing, last) <= snippets)
    bound = max(sampling_ratio, 2 * (snippets + 2))
    counts = (last - first + 1).clamp(0, bound).long() * inside.long()
    return _Bins(begin, spacing, share, row, first, counts, counts.cumsum(0))


def _position(begin, spacing, sample):
    return torch.addcmul(begin, sample + 0.5, spacing)


def _samples(bins, snippets, dtype):
    """The samples of bins, with weights of ``dtype``."""
    chosen = torch.repeat_interleave(bins.counts)
    # index_select is far faster than indexing with []
    begin, spacing, row = (values.index_select(0, chosen) for values in (bins.begin, bins.spacing, bins.row))
    share = bins.share.to(dtype).index_select(0, chosen)
    sample = torch.arange(len(chosen), device=chosen.device, dtype=begin.dtype)
    sample += (bins.first - (bins.ends - bins.counts).to(begin.dtype)).index_select(0, chosen)
    position = _position(begin, spacing, sample).clamp_(min=0, max=snippets - 1)
    row += position.long()
    right_weight = position.frac_().to(dtype) * share
    return _Samples(chosen, row, share - right_weight, right_weight)
