"""What can change numbers beside settings and data: versions, the machine, switches and variables."""

import os
import platform
import re
import subprocess

import h5py
import matplotlib
import numpy
import pandas
import tensorboardX
import torch
import tqdm
import yaml

import tad
from tad.compat import numeric_switches, optional_version, python_version

# Beginnings of the names of environment variables that PyTorch and its libraries listen to
LISTENED_TO = ("OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "BLIS_", "ONEDNN_", "DNNL_", "ATEN_", "TORCH_", "PYTORCH_",
               "CUBLAS_", "CUDA_", "CUDNN_", "NVIDIA_TF32", "NCCL_", "PYTHONHASHSEED", "LD_PRELOAD", "TAD_")


def versions():
    """Versions of what reads, computes, draws or writes results; None for what is not installed."""
    return {"tad": tad.__version__, "python": python_version(), "torch": torch.__version__,
            "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(), "numpy": numpy.__version__,
            "pandas": pandas.__version__, "h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version,
            "matplotlib": matplotlib.__version__, "PyYAML": yaml.__version__, "tqdm": tqdm.__version__,
            "tensorboardX": tensorboardX.__version__, "scipy": optional_version("scipy")}


def machine():
    """The machine as far as it can change numbers."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"platform": platform.platform(), "processor": processor(), "cpus": os.cpu_count(),
            "threads": torch.get_num_threads(), "gpus": gpus, "driver": driver_version()}


def flags():
    """Switches of PyTorch, and environment variables that it and its libraries listen to."""
    variables = {name: value for name, value in sorted(os.environ.items()) if name.startswith(LISTENED_TO)}
    return {"torch": numeric_switches(), "environment": variables}


def processor():
    """The processor's model; Linux tells it in a file, other systems to Python."""
    found = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def driver_version():
    """Version of NVIDIA's kernel module (Linux), or None."""
    found = re.search(r"Kernel Module\D*([\d.]+)", _read("/proc/driver/nvidia/version"))
    return found.group(1) if found else None


def git_state():
    """Revision of the package's checkout and whether files differ from it; None outside a checkout.

    A container image holds no checkout; whoever built it may have left the revision in ``TAD_REVISION``.
    """
    folder = os.path.dirname(os.path.abspath(tad.__file__))
    revision = _git(folder, "rev-parse", "HEAD")
    if revision is None:
        built_from = os.environ.get("TAD_REVISION")
        return {"revision": built_from, "modified": None} if built_from else None
    return {"revision": revision, "modified": bool(_git(folder, "status", "--porcelain", "--", "."))}


def _git(folder, *arguments):
    try:
        result = subprocess.run(["git", "-C", folder] + list(arguments), stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.decode("utf-8").strip() if result.returncode == 0 else None


def _read(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()
