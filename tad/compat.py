"""Every difference between the Python and PyTorch versions that ``tad`` supports (3.6 to 3.13, 1.1 to 2.14).

No other module asks for a version.
"""

import os
import sys

import torch

TORCH_VERSION = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])


def set_deterministic():
    """Ask PyTorch for kernels that give the same bits from run to run.

    PyTorch before 1.8 has no general switch; there cuDNN is the only known source of differences.
    """
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if TORCH_VERSION >= (1, 11):
        torch.use_deterministic_algorithms(True, warn_only=True)


def widest_float(device):
    """float64 where the device has it, else float32 (Apple's MPS)."""
    return torch.float32 if torch.device(device).type == "mps" else torch.float64


def best_device():
    """The device that ``auto`` stands for: the first CUDA GPU that PyTorch can use, else the CPU."""
    return torch.device("cuda:0") if torch.cuda.is_available() else torch.device("cpu")


def adam_step(count):
    """Adam's step counter as the optimizer of this PyTorch keeps it: a tensor since 1.12, a number before."""
    return torch.tensor(float(count)) if TORCH_VERSION >= (1, 12) else count


def python_version():
    """For example ``3.11.7``."""
    return "%d.%d.%d" % sys.version_info[:3]
