"""Which code runs Align1D: the CUDA kernels or the PyTorch reference, and why."""

import functools
import os
import warnings

import torch

from tad.errors import UserError
from tad.ops import align1d_ref
from tad.ops.align1d_cuda import driver, nvrtc, program
from tad.ops.align1d_cuda.launch import Kernels, scalar_name

CHOICES = ("auto", "cuda", "reference")
VARIABLE = "TAD_ALIGN1D"


class Align1DUnavailableError(UserError, RuntimeError):
    """``TAD_ALIGN1D`` asks for a backend that cannot be used; the message says why and what to do."""


class Align1DWarning(UserWarning):
    """The CUDA kernels cannot be used and the slower reference takes their place."""


class Reference(object):
    """Vectorized PyTorch, on any device."""

    name = "reference"

    def __init__(self, reason):
        self.reason = reason

    def check(self, rois, batch):
        """What is wrong with the rois, or None."""
        return unusable_roi(rois, batch)

    def forward(self, input, rois, output_size, sampling_ratio):
        """``(B, C, T), (N, 3) -> (N, C, output_size)``"""
        return align1d_ref.forward(input, rois, output_size, sampling_ratio)

    def backward(self, grad_output, rois, shape, sampling_ratio):
        """Gradient of the input, of ``shape`` (B, C, T)."""
        return align1d_ref.backward(grad_output, rois, shape, sampling_ratio)


class Cuda(object):
    """The CUDA kernels of one GPU; the same methods as :class:`Reference`."""

    name = "cuda"

    def __init__(self, kernels, reason):
        self.reason = reason
        self.kernels = kernels

    def check(self, rois, batch):
        """What is wrong with the rois, or None if nothing is or the GPU is too busy to look."""
        if rois.size(0) == 0 or self.kernels.guard.is_clean(rois, batch):
            return None
        return unusable_roi(rois, batch)

    def forward(self, input, rois, output_size, sampling_ratio):
        return self.kernels.forward(input, rois, output_size, sampling_ratio)

    def backward(self, grad_output, rois, shape, sampling_ratio):
        return self.kernels.backward(grad_output, rois, shape, sampling_ratio)


def backend_for(tensor):
    """The backend that runs a call on ``tensor``.

    :raises Align1DUnavailableError: the environment forces one that cannot be used.
    """
    return choose(tensor.device.type, tensor.device.index or 0, scalar_name(tensor),
                  os.environ.get(VARIABLE, "auto"))


def active_backend(device):
    """What would run on a device, and why: ``(name, reason)``."""
    device = torch.device(device)
    backend = choose(device.type, device.index or 0, "float32", os.environ.get(VARIABLE, "auto"))
    return backend.name, backend.reason


@functools.lru_cache(maxsize=None)
def choose(kind, index, scalar, wanted):
    """The backend for a device type and number, a scalar type and a choice; warns once of a fallback."""
    if wanted not in CHOICES:
        raise Align1DUnavailableError("%s must be one of %s, not '%s'" % (VARIABLE, ", ".join(CHOICES), wanted))
    if wanted == "reference":
        return Reference("%s=reference asks for it" % VARIABLE)
    if kind != "cuda":
        if wanted == "cuda":
            raise Align1DUnavailableError("%s=cuda, but the tensors are on '%s'; unset it, or use device cuda:0"
                                          % (VARIABLE, kind))
        return Reference("vectorized PyTorch; the CUDA kernels need tensors on a CUDA GPU, these are on '%s'" % kind)
    try:
        return open_kernels(index, scalar)
    except (driver.DriverError, nvrtc.NvrtcError) as error:
        message = "the CUDA kernels of Align1D cannot be used on cuda:%d (%s): %s" % (index, scalar, error)
        if wanted == "cuda":
            raise Align1DUnavailableError(message)
        warnings.warn("%s The PyTorch reference takes their place: same results, slower; `tad doctor` says more."
                      % message, Align1DWarning, stacklevel=3)
        return Reference(message)


def open_kernels(index, scalar):
    """The :class:`Cuda` backend, after compiling and loading its forward kernel."""
    if scalar not in program.SCALARS:
        raise nvrtc.NvrtcError("no kernel for %s." % scalar)
    kernels = kernels_of(index)
    kernels.module("forward", scalar)
    compiler = nvrtc.load()
    return Cuda(kernels, "compiled for sm_%d by NVRTC %d.%d (%s, %s)"
                % ((kernels.device.capability,) + compiler.version + (compiler.origin, compiler.path)))


@functools.lru_cache(maxsize=None)
def kernels_of(index):
    """The kernels of one GPU, made once."""
    return Kernels(index)


def unusable_roi(rois, batch):
    """Names the first roi that is not finite or has no batch entry, or None; waits for the device."""
    if rois.size(0) == 0:
        return None
    finite = torch.isfinite(rois).all(dim=1)
    if not finite.all():
        row = int((finite == 0).nonzero()[0])
        return "roi %d is not finite: %s" % (row, rois[row].tolist())
    index = rois[:, 0]
    wrong = (index < 0) + (index > batch - 1) + (index != index.floor())
    if wrong.any():
        row = int(wrong.nonzero()[0])
        return "roi %d has batch index %g, where 0..%d are allowed" % (row, index[row], batch - 1)
    return None
