"""Every difference between the Python and PyTorch versions that ``tad`` supports (3.6 to 3.13, 1.1 to 2.14).

No other module asks for a version.
"""

import importlib
import importlib.util
import os
import sys
import zipfile

import torch

from tad.arrays import check_size
from tad.errors import UserError, reason

TORCH_VERSION = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])


def set_deterministic():
    """Ask PyTorch for kernels that give the same bits from run to run.

    PyTorch before 1.8 has no general switch; there cuDNN is the only known source of differences.
    """
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if TORCH_VERSION >= (1, 11):
        # As use_deterministic_algorithms(True, warn_only=True), which imports PyTorch's compiler: seconds of a start
        torch.set_deterministic_debug_mode("warn")


def widest_float(device):
    """float64 where the device has it, else float32 (Apple's MPS)."""
    return torch.float32 if torch.device(device).type == "mps" else torch.float64


def best_device():
    """The device that ``auto`` stands for: the first CUDA GPU that PyTorch can use, else the CPU."""
    return torch.device("cuda:0") if torch.cuda.is_available() else torch.device("cpu")


def binary_architectures():
    """What PyTorch's own GPU code was built for, ``["sm_80", "compute_90"]``; None where it cannot be asked."""
    ask = getattr(torch.cuda, "get_arch_list", None)
    return (ask() if ask else None) or None


def load_tensors(path):
    """What a ``.pt`` or ``.pth`` file holds, on the CPU, through PyTorch's loader that can run no code.

    Before PyTorch 2.6 that loader had holes (CVE-2025-32434), or did not exist.

    :raises UserError: this PyTorch cannot read the file without risk.
    :raises ValueError: the file holds more than tensors, or is broken.
    """
    if TORCH_VERSION < (2, 6):
        raise UserError("%s cannot be read without risk by PyTorch %s; save arrays as .npy, or use PyTorch 2.6 or newer"
                        % (path, torch.__version__))
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            check_size(sum(member.file_size for member in archive.infolist()), os.path.getsize(path))
    try:
        return torch.load(path, map_location=torch.device("cpu"), weights_only=True)
    except Exception as error:  # whatever is no plain tensor, and broken archives, come as a dozen types
        raise ValueError("is no file of tensors alone: %s" % reason(error))


def load_array(path):
    """The one tensor of a ``.pt`` file as a NumPy array; see :func:`load_tensors`.

    :raises ValueError: the file holds something else than one tensor.
    """
    value = load_tensors(path)
    while isinstance(value, (dict, list, tuple)) and len(value) == 1:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    if not isinstance(value, torch.Tensor):
        raise ValueError("holds a %s where one tensor is needed" % type(value).__name__)
    # A tensor of a few numbers can pretend to be any size, by strides of 0
    check_size(value.nelement() * value.element_size(), os.path.getsize(path), "its tensor")
    value = value.detach()
    return (value.float() if value.is_floating_point() else value).numpy()


def shapes_without_memory(build):
    """Names and shapes of the weights of a module that a function makes, or None where that takes memory (before 2.0).

    :param build: function without arguments that gives a :class:`torch.nn.Module`.
    """
    if TORCH_VERSION < (2, 0):
        return None
    with torch.device("meta"):
        module = build()
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def adam_step(count):
    """Adam's step counter as the optimizer of this PyTorch keeps it: a tensor since 1.12, a number before."""
    return torch.tensor(float(count)) if TORCH_VERSION >= (1, 12) else count


def numeric_switches():
    """PyTorch's switches that change numbers, as far as this version has them; plain values for JSON."""
    cudnn = torch.backends.cudnn
    found = {"cudnn.deterministic": cudnn.deterministic, "cudnn.benchmark": cudnn.benchmark,
             "cudnn.enabled": cudnn.enabled, "default_dtype": str(torch.get_default_dtype()),
             "mkl": torch.backends.mkl.is_available()}
    if TORCH_VERSION >= (1, 8):
        found["deterministic_algorithms"] = torch.are_deterministic_algorithms_enabled()
    if TORCH_VERSION >= (1, 7):
        found.update({"cudnn.allow_tf32": cudnn.allow_tf32,
                      "matmul.allow_tf32": torch.backends.cuda.matmul.allow_tf32})
    if TORCH_VERSION >= (2, 1):
        found["cpu_capability"] = torch.backends.cpu.get_cpu_capability()
    return found


def optional_version(name):
    """The version of a package that need not be installed, or None."""
    if importlib.util.find_spec(name) is None:
        return None
    return getattr(importlib.import_module(name), "__version__", None)


def python_version():
    """For example ``3.11.7``."""
    return "%d.%d.%d" % sys.version_info[:3]


def is_out_of_memory(error):
    """Whether an exception says that memory was too small; PyTorch before 1.13 has no type of its own for it."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in (
        "out of memory", "can't allocate memory", "not enough memory"))


def convolved(module, values):
    """What convolutions give for ``values (N, C, T)``, N of 0 too, which PyTorch before 1.5 refuses."""
    if TORCH_VERSION >= (1, 5) or len(values):  # in this order, because exporters cannot ask a free size
        return module(values)
    return module(torch.cat([values, values.new_zeros((1,) + values.shape[1:])]))[:0]


def is_capturing():
    """Whether the current stream is being captured into a CUDA graph (PyTorch 1.10 and newer)."""
    return TORCH_VERSION >= (1, 10) and torch.cuda.is_current_stream_capturing()


def is_compiling():
    """Whether ``torch.compile`` or ``torch.export`` is tracing, in a PyTorch that takes custom operators (2.4)."""
    return TORCH_VERSION >= (2, 4) and torch.compiler.is_compiling()


def register_operator(name, forward, fake, setup_context=None, backward=None):
    """A custom operator that compilers keep in one piece, or None where PyTorch has none (before 2.4).

    :param name: ``"namespace::name"``.
    :param forward: function with annotated arguments.
    :param fake: the same on shapes only.
    :param setup_context: with ``backward``, as in :func:`torch.library.register_autograd`.
    """
    if TORCH_VERSION < (2, 4):
        return None
    operator = torch.library.custom_op(name, forward, mutates_args=())
    operator.register_fake(fake)
    if backward is not None:
        operator.register_autograd(backward, setup_context=setup_context)
    return operator


def exports_onnx():
    """Whether PyTorch has the ONNX exporter that follows ``torch.export`` and takes dynamic shapes (2.6)."""
    return TORCH_VERSION >= (2, 6)


def is_lost_rank(error):
    """Whether an exception of :mod:`torch.distributed` says that another rank has gone; it has no type of its own."""
    text = str(error).lower()
    return any(words in text for words in (
        "connection closed", "connection reset", "connection refused", "connection was likely closed", "broken pipe",
        "socket closed", "timed out", "timeout", "connectfullmesh", "nccl communicator was aborted", "remote process",
        "failed to recv", "failed to send", "recvvalue failed", "ncclremoteerror"))


def meet(patience):
    """The store that all ranks share, by the environment variables of ``torchrun``.

    :param patience: how long to wait for the others, a :class:`datetime.timedelta`; PyTorch before 1.5 waits five
        minutes.
    """
    from torch.distributed import rendezvous
    options = {"timeout": patience} if TORCH_VERSION >= (1, 5) else {}
    return next(rendezvous("env://", **options))[0]
