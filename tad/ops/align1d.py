"""Align1D: fixed-length features of segments of a sequence. The only way the rest of ``tad`` calls the operator."""

import torch
from torch import nn

from tad.ops import align1d_ref


def align1d(input, rois, output_size, sampling_ratio=0):
    """Average ``output_size`` bins over each roi, each from evenly spaced, linearly interpolated samples.

    RoIAlign (He et al., "Mask R-CNN", 2017, section 3) in one dimension, as G-TAD and BMN-like detectors use it. For
    roi ``(b, s, e)`` and ``R = output_size``: ``length = max(e - s, 1)``, ``bin = length / R``,
    ``g = sampling_ratio if > 0 else ceil(length / R)``, and ::

        out[n, c, r] = mean over i in 0..g-1 of lerp(input[b, c], s + r * bin + (i + 0.5) * bin / g)

    where ``lerp(v, t)`` is 0 for ``t < -1`` or ``t > T``, ``v[0]`` for ``t`` in ``[-1, 0]``, ``v[T - 1]`` for
    ``t >= T - 1``, and interpolates between the two nearest values elsewhere.

    :param input: float tensor ``(B, C, T)`` with ``T >= 1``.
    :param rois: float tensor ``(N, 3)`` of rows (batch index, start, end) in snippet units, on the device of ``input``.
    :param output_size: bins for each roi, ``R >= 1``.
    :param sampling_ratio: samples in each bin; 0 takes about one for each snippet.
    :returns: ``(N, C, R)`` of the dtype of ``input``; gradient flows to ``input``, rois are constants.
    :raises ValueError: wrong shape, dtype, device or option; a roi that is not finite or has no such batch index.
    """
    _check(input, rois, output_size, sampling_ratio)
    return align1d_ref.align1d(input, rois.detach(), int(output_size), int(sampling_ratio))


class Align1D(nn.Module):
    """:func:`align1d` with fixed options, as a module."""

    def __init__(self, output_size, sampling_ratio=0):
        super(Align1D, self).__init__()
        self.output_size = output_size
        self.sampling_ratio = sampling_ratio

    def forward(self, input, rois):
        """``(B, C, T), (N, 3) -> (N, C, output_size)``"""
        return align1d(input, rois, self.output_size, self.sampling_ratio)

    def extra_repr(self):
        return "output_size=%d, sampling_ratio=%d" % (self.output_size, self.sampling_ratio)


def active_backend(device):
    """The backend that would run on a device, and why: ``(name, reason)``."""
    return "reference", "vectorized PyTorch, the only backend of this version; it runs on %s" % device


def _check(input, rois, output_size, sampling_ratio):
    if not isinstance(input, torch.Tensor) or not isinstance(rois, torch.Tensor):
        raise ValueError("align1d takes tensors, got %s and %s" % (type(input).__name__, type(rois).__name__))
    if input.dim() != 3 or input.size(2) < 1:
        raise ValueError("align1d: input must be (B, C, T) with T >= 1, got %s" % (tuple(input.shape),))
    if rois.dim() != 2 or rois.size(1) != 3:
        raise ValueError("align1d: rois must be (N, 3), got %s" % (tuple(rois.shape),))
    if not input.is_floating_point() or not rois.is_floating_point():
        raise ValueError("align1d: input and rois must be floating point, got %s and %s" % (input.dtype, rois.dtype))
    if input.device != rois.device:
        raise ValueError("align1d: input is on %s, rois are on %s" % (input.device, rois.device))
    for name, value, least in (("output_size", output_size, 1), ("sampling_ratio", sampling_ratio, 0)):
        if isinstance(value, bool) or int(value) != value or value < least:
            raise ValueError("align1d: %s must be a whole number >= %d, got %r" % (name, least, value))
    if rois.size(0) == 0:
        return
    if not torch.isfinite(rois).all():
        row = int((torch.isfinite(rois).sum(dim=1) < 3).nonzero()[0])
        raise ValueError("align1d: roi %d is not finite: %s" % (row, rois[row].tolist()))
    batch = rois[:, 0]
    wrong = (batch < 0) + (batch > input.size(0) - 1) + (batch != batch.floor())
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError("align1d: roi %d has batch index %g, where 0..%d are allowed"
                         % (row, batch[row], input.size(0) - 1))
