"""Align1D: fixed-length features of segments of a sequence. The only way the rest of ``tad`` calls the operator."""

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from tad.compat import is_compiling, register_operator
from tad.ops.align1d_backends import backend_for


def align1d(input, rois, output_size, sampling_ratio=0):
    """Average ``output_size`` bins over each roi, each from evenly spaced, linearly interpolated samples.

    RoIAlign (He et al., "Mask R-CNN", 2017, section 3) in one dimension, as G-TAD and BMN-like detectors use it. For
    roi ``(b, s, e)`` and ``R = output_size``: ``length = max(e - s, 1)``, ``bin = length / R``,
    ``g = sampling_ratio if > 0 else ceil(length / R)``, and ::

        out[n, c, r] = mean over i in 0..g-1 of lerp(input[b, c], s + r * bin + (i + 0.5) * bin / g)

    where ``lerp(v, t)`` is 0 for ``t < -1`` or ``t > T``, ``v[0]`` for ``t`` in ``[-1, 0]``, ``v[T - 1]`` for
    ``t >= T - 1``, and interpolates between the two nearest values elsewhere.

    CUDA tensors go to the CUDA kernels, all others to vectorized PyTorch; ``TAD_ALIGN1D`` (``auto``, ``cuda`` or
    ``reference``) forces a choice. Forward and backward are deterministic on both.

    :param input: float tensor ``(B, C, T)`` with ``T >= 1``: float32, float64, float16 or bfloat16.
    :param rois: float tensor ``(N, 3)`` of rows (batch index, start, end) in snippet units, on the device of ``input``;
        float32 or float64 also beside half-precision input, whose own type cannot tell far snippets apart.
    :param output_size: bins for each roi, ``R >= 1``.
    :param sampling_ratio: samples in each bin; 0 takes about one for each snippet.
    :returns: ``(N, C, R)`` of the dtype of ``input``; gradient flows to ``input``, rois are constants.
    :raises ValueError: wrong shape, dtype, device or option; a roi that is not finite or has no such batch index. While
        a GPU is busy the host does not wait to look at rois: then their output is NaN and the next call on that GPU
        raises (:mod:`tad.ops.align1d_cuda.guard`).
    :raises tad.errors.UserError: ``TAD_ALIGN1D`` asks for a backend that cannot be used.
    """
    _check_form(input, rois, output_size, sampling_ratio)
    if is_compiling():
        return _operator(input, rois, int(output_size), int(sampling_ratio))
    return _Align1D.apply(input, rois, int(output_size), int(sampling_ratio))


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


class _Align1D(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input, rois, output_size, sampling_ratio):
        ctx.save_for_backward(rois)
        ctx.options = tuple(input.shape), sampling_ratio
        return _run(input, rois, output_size, sampling_ratio)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        rois, = ctx.saved_tensors
        shape, sampling_ratio = ctx.options
        return backend_for(grad_output).backward(grad_output, rois, shape, sampling_ratio), None, None, None


def _run(input: torch.Tensor, rois: torch.Tensor, output_size: int, sampling_ratio: int) -> torch.Tensor:
    backend = backend_for(input)
    problem = backend.check(rois, input.size(0))
    if problem:
        raise ValueError("align1d: " + problem)
    return backend.forward(input, rois, output_size, sampling_ratio)


def _run_fake(input, rois, output_size, sampling_ratio):
    return input.new_empty((rois.size(0), input.size(1), output_size))


def _run_backward(grad_output: torch.Tensor, rois: torch.Tensor, batch: int, snippets: int,
                  sampling_ratio: int) -> torch.Tensor:
    shape = batch, grad_output.size(1), snippets
    return backend_for(grad_output).backward(grad_output, rois, shape, sampling_ratio)


def _run_backward_fake(grad_output, rois, batch, snippets, sampling_ratio):
    return grad_output.new_empty((batch, grad_output.size(1), snippets))


def _remember(ctx, inputs, output):
    input, rois, _, sampling_ratio = inputs
    ctx.save_for_backward(rois)
    ctx.options = input.size(0), input.size(2), sampling_ratio


def _differentiate(ctx, grad_output):
    rois, = ctx.saved_tensors
    return (_backward_operator(grad_output, rois, *ctx.options),) + (None,) * 3


_backward_operator = register_operator("tad::align1d_backward", _run_backward, _run_backward_fake)
_operator = register_operator("tad::align1d", _run, _run_fake, _remember, _differentiate)


def _check_form(input, rois, output_size, sampling_ratio):
    """Everything that can be checked without looking at values."""
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
