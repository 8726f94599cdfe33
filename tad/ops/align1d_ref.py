"""Align1D in plain PyTorch, for the CPU and any other device.

Both directions are small matrix products. A bin's value is a weighted sum of a few neighbouring snippets, so the bins
of a block, sorted by the snippet where they begin, form a narrow band of the matrix (bins x snippets): each chunk of it
is filled with interpolation weights and multiplied with the rows of the input that it touches. The backward pass
multiplies with the same band transposed; its additions happen in a fixed order, so it is deterministic.

Extra memory beyond input and output is bounded for any number of rois by :data:`BLOCK_VALUES` output values and
:data:`CHUNK_SAMPLES` samples. Positions and weights are computed in float64 where the device has it.
"""

from typing import NamedTuple

import torch

from tad.compat import widest_float

BLOCK_VALUES = 2 ** 22    # output values (bins x channels) sorted and computed together
CHUNK_BINS = 512          # bins in one band matrix
CHUNK_SAMPLES = 2 ** 20   # samples whose weights are computed together


def forward(input, rois, output_size, sampling_ratio):
    """See :func:`tad.ops.align1d.align1d`, which has checked the arguments."""
    wide = _accumulator(input)
    output = wide.new_empty((rois.size(0), input.size(1), output_size))
    for block, bands in _blocks(rois, input.shape, output_size, sampling_ratio):
        values = wide.new_empty((output[block].size(0) * output_size, input.size(1)))
        for band in bands:
            rows = wide[band.batch, :, band.first:band.last]
            values[band.bins] = torch.matmul(band.weights.to(wide.dtype), rows.t())
        output[block] = values.view(-1, output_size, input.size(1)).transpose(1, 2)
    return output.to(input.dtype)


def backward(grad_output, rois, shape, sampling_ratio):
    """The gradient of the input, of ``shape`` (B, C, T), from that of the output ``(N, C, R)``."""
    wide = _accumulator(grad_output)
    grad_input = wide.new_zeros(shape)
    for block, bands in _blocks(rois, shape, grad_output.size(2), sampling_ratio):
        values = wide[block].transpose(1, 2).reshape(-1, shape[1])
        for band in bands:
            part = torch.matmul(values[band.bins].t(), band.weights.to(wide.dtype))
            grad_input[band.batch, :, band.first:band.last] += part
    return grad_input.to(grad_output.dtype)


class _Band(NamedTuple):
    """``weights`` (bins, last - first) of some bins of a block over snippets ``first..last-1`` of one batch entry."""

    batch: int
    first: int
    last: int
    bins: torch.Tensor
    weights: torch.Tensor


class _Bins(NamedTuple):
    """Bins of a block, each ``(M,)``: where it begins, distance of its samples, how many, which of them count."""

    begin: torch.Tensor
    spacing: torch.Tensor
    samples: torch.Tensor
    first_sample: torch.Tensor
    last_sample: torch.Tensor


def _accumulator(tensor):
    """The tensor in the dtype to add up in: at least float32."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def _blocks(rois, shape, output_size, sampling_ratio):
    """Slices of the rois, each with the bands of its bins."""
    channels, snippets = shape[1], shape[2]
    size = max(1, BLOCK_VALUES // max(1, channels * output_size))
    for start in range(0, rois.size(0), size):
        block = slice(start, min(start + size, rois.size(0)))
        yield block, _bands(rois[block], snippets, output_size, sampling_ratio)


def _bands(rois, snippets, output_size, sampling_ratio):
    bins = _lay_out(rois.to(widest_float(rois.device)), snippets, output_size, sampling_ratio)
    lowest = _snippet_before(bins, bins.first_sample, snippets)
    highest = _snippet_before(bins, bins.last_sample, snippets) + 1
    batch = rois[:, 0].long().repeat_interleave(output_size)
    order = torch.argsort(batch * (snippets + 1) + lowest)
    batch, lowest, highest = (values[order].cpu() for values in (batch, lowest, highest))
    counts = (bins.last_sample - bins.first_sample + 1).clamp(min=0)[order].cpu()
    start = 0
    while start < len(order):
        size = _chunk_size(batch[start:start + CHUNK_BINS], counts[start:start + CHUNK_BINS])
        chunk = slice(start, start + size)
        first, last = int(lowest[chunk].min()), min(int(highest[chunk].max()) + 1, snippets)
        weights = _weights(bins, order[chunk], int(counts[chunk].max()), first, last, snippets)
        yield _Band(int(batch[start]), first, last, order[chunk], weights)
        start += size


def _chunk_size(batch, counts):
    """How many of the next bins go into one band: one batch entry, and no more samples than the bound."""
    same = int((batch == batch[0]).sum())
    bound = max(1, CHUNK_SAMPLES // max(1, int(counts[:same].max())))
    return min(same, bound)


def _lay_out(rois, snippets, output_size, sampling_ratio):
    """Begin and samples of every bin of ``rois``, in the order (roi, bin).

    A roi may be far longer than the sequence; only its samples within ``[-1, T]`` are kept (one more at each side,
    weighted 0, in case of rounding), so the work for a bin is bounded by T, not by the roi.
    """
    length = (rois[:, 2] - rois[:, 1]).clamp(min=1, max=1e300 if rois.dtype == torch.float64 else 1e37)
    width = length / output_size
    samples = torch.full_like(width, sampling_ratio) if sampling_ratio > 0 else torch.ceil(width)
    steps = torch.arange(output_size, device=rois.device).to(rois.dtype)
    begin = (rois[:, 1, None] + steps * width[:, None]).reshape(-1)
    spacing = (width / samples).repeat_interleave(output_size)
    samples = samples.repeat_interleave(output_size)
    first = torch.ceil((-1 - begin) / spacing - 0.5) - 1
    last = torch.floor((snippets - begin) / spacing - 0.5) + 1
    first = torch.max(first, torch.zeros_like(first))
    last = torch.min(last, samples - 1)
    # A bin without samples in the sequence keeps one, weighted 0
    last = torch.max(first, last)
    return _Bins(begin, spacing, samples, first, last)


def _snippet_before(bins, sample, snippets):
    position = bins.begin + (sample + 0.5) * bins.spacing
    return position.clamp(min=0, max=snippets - 1).floor().long()


def _weights(bins, chosen, count, first, last, snippets):
    """Interpolation weights ``(len(chosen), last - first)`` of some bins over snippets ``first..last-1``."""
    begin, spacing, samples, first_sample, last_sample = (values[chosen][:, None] for values in bins)
    sample = first_sample + torch.arange(max(count, 1), device=begin.device).to(begin.dtype)
    position = begin + (sample + 0.5) * spacing
    counted = (sample <= last_sample) * (sample < samples) * (position >= -1) * (position <= snippets)
    share = counted.to(begin.dtype) / samples
    position = position.clamp(min=0, max=snippets - 1)
    left = position.floor()
    part = position - left
    weights = begin.new_zeros((len(chosen), last - first))
    column = left.long() - first
    weights.scatter_add_(1, column.clamp(0, last - first - 1), share * (1 - part))
    weights.scatter_add_(1, (column + 1).clamp(0, last - first - 1), share * part)
    return weights
