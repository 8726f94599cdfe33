"""What ``tad doctor`` looks at, collected once; nothing here draws conclusions or stops at an error."""

import glob
import importlib
import importlib.util
import os
import re
import warnings
from typing import List, NamedTuple, Optional

import numpy as np
import torch

from tad.compat import binary_architectures, python_version
from tad.ops import align1d_ref
from tad.ops.align1d import align1d
from tad.ops.align1d_backends import CHOICES, VARIABLE, active_backend
from tad.ops.align1d_cuda import cache, driver, nvrtc

# Names under which other code bases install their compiled Align1D; a plain align1d may be anybody's script
EXTENSIONS = ("Align1D", "Align1D_cuda", "align1d_cuda", "Align1D_cpp", "align1d_cpp")
LARGEST_ERROR = 1e-5  # relative, of float32 against float64


class Gpu(NamedTuple):
    """A GPU as the driver tells it, whatever PyTorch can do with it; ``architecture`` is 90 for ``sm_90``."""

    name: str
    architecture: int


class Check(NamedTuple):
    """A live check: relative errors against the float64 reference, or the error that ended it."""

    device: str
    backend: Optional[str] = None
    reason: Optional[str] = None
    forward: Optional[float] = None
    backward: Optional[float] = None
    problem: Optional[str] = None

    @property
    def passed(self):
        return self.problem is None


class Facts(NamedTuple):
    """Everything that the diagnoses look at. ``..._problem`` says why a value is None."""

    python: str = ""
    torch: str = ""
    torch_cuda: Optional[str] = None           # the CUDA that PyTorch was built for, "12.4"; None for a CPU build
    torch_architectures: Optional[List[str]] = None
    cuda_available: bool = False               # PyTorch can use a GPU
    cuda_problem: Optional[str] = None
    driver_cuda: Optional[str] = None          # the newest CUDA that the driver supports
    driver_version: Optional[str] = None       # of the kernel module, "580.65.06"
    driver_problem: Optional[str] = None
    nvidia_hardware: bool = False
    gpus: List[Gpu] = []
    visible: Optional[str] = None              # CUDA_VISIBLE_DEVICES
    nvrtc_path: Optional[str] = None
    nvrtc_version: Optional[str] = None
    nvrtc_origin: Optional[str] = None
    nvrtc_problem: Optional[str] = None
    cache_path: Optional[str] = None
    cache_writable: bool = True
    cache_problem: Optional[str] = None
    extensions: List[str] = []                 # files of importable modules named like another Align1D
    choice: Optional[str] = None               # TAD_ALIGN1D
    checks: List[Check] = []                   # of every GPU that PyTorch can use, and last of the CPU

    @property
    def wanted(self):
        """The backend that should be active: ``cuda``, ``reference``, or None for a choice that does not exist."""
        choice = "auto" if self.choice is None else self.choice
        if choice == "auto":
            return "cuda" if self.cuda_available else "reference"
        return choice if choice in CHOICES else None

    @property
    def active(self):
        """The check of the device that ``auto`` stands for."""
        return self.checks[0] if self.checks else Check("cpu")

    @property
    def works(self):
        """Whether the wanted backend is active and right on every device that it is wanted on."""
        checks = self.checks[:-1] if self.cuda_available else self.checks
        return bool(checks and self.wanted) and all(check.passed and check.backend == self.wanted for check in checks)


def collect():
    """The :class:`Facts` of this machine; live checks come last, because a fault of the GPU stays in the process."""
    facts = dict(python=python_version(), torch=torch.__version__, torch_cuda=torch.version.cuda,
                 visible=os.environ.get("CUDA_VISIBLE_DEVICES"), choice=os.environ.get(VARIABLE),
                 extensions=find_extensions(), nvidia_hardware=has_hardware(), driver_version=kernel_module())
    facts["driver_cuda"], facts["driver_problem"] = attempt(lambda: dotted(driver.version()))
    found, problem = attempt(driver.gpus)
    facts["gpus"] = [Gpu(*gpu) for gpu in found or []]
    facts["driver_problem"] = facts["driver_problem"] or problem
    facts["cuda_available"], facts["cuda_problem"] = try_cuda()
    facts["torch_architectures"] = attempt(binary_architectures)[0]
    compiler, facts["nvrtc_problem"] = attempt(nvrtc.load)
    if compiler:
        facts.update(nvrtc_path=compiler.path, nvrtc_version="%d.%d" % compiler.version, nvrtc_origin=compiler.origin)
    facts.update({"cache_" + name: value for name, value in cache.describe().items()})
    count = attempt(torch.cuda.device_count)[0] if facts["cuda_available"] else 0
    devices = [torch.device("cuda", index) for index in range(count or 0)] + [torch.device("cpu")]
    return Facts(checks=[check(device) for device in devices], **facts)


def attempt(function):
    """``(result, None)``, or ``(None, what went wrong)``: whatever is broken here, the others are still looked at."""
    try:
        return function(), None
    except Exception as error:
        return None, str(error) or type(error).__name__


def dotted(number):
    """``"12.4"`` for 12040."""
    return "%d.%d" % (number // 1000, number % 1000 // 10)


def try_cuda():
    """Whether PyTorch can use a GPU, and what it says if not."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            return True, None
        problem = attempt(torch.cuda.current_device)[1]
    return False, problem or "; ".join(str(warning.message) for warning in caught) or None


def kernel_module():
    """Version of NVIDIA's kernel module (Linux), which is the driver's, or None."""
    match = re.search(r"Kernel Module\D*([\d.]+)", read("/proc/driver/nvidia/version"))
    return match.group(1) if match else None


def has_hardware():
    """Whether Linux sees a display controller of NVIDIA's on the PCI bus."""
    devices = glob.glob("/sys/bus/pci/devices/*")
    return any(read(os.path.join(device, "vendor")).strip() == "0x10de"
               and read(os.path.join(device, "class")).startswith("0x03") for device in devices)


def read(path):
    """A system file's text, empty if there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def find_extensions():
    """Files of modules named like another code base's Align1D; looks for them without importing them."""
    importlib.invalidate_caches()
    found = []
    for name in EXTENSIONS:
        spec = attempt(lambda name=name: importlib.util.find_spec(name))[0]
        if spec is not None and spec.origin not in (None, "namespace") and spec.origin not in found:
            found.append(spec.origin)
    return found


def check(device):
    """Align1D's forward and backward pass on a device, on random data, against the reference in float64 on the CPU."""
    rng = np.random.RandomState()
    values = torch.from_numpy(rng.standard_normal((2, 33, 100)).astype(np.float32))
    start = rng.uniform(-20, 110, 50)
    rois = np.stack([rng.randint(0, 2, 50), start, start + rng.uniform(-5, 90, 50)], axis=1)
    rois = torch.from_numpy(rois.astype(np.float32))
    weights = torch.from_numpy(rng.standard_normal((50, 33, 16)).astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is the reason
        found, problem = attempt(lambda: active_backend(device))
    backend, reason = found or (None, problem)
    if problem and device.type != "cpu":
        return Check(str(device), reason=problem, problem=problem)
    run = _by_reference if device.type == "cpu" else _by_dispatcher
    result, problem = attempt(lambda: [tensor.cpu() for tensor in run(values, rois, weights, device)])
    if problem:
        return Check(str(device), backend, reason, problem=problem)
    exact = _by_reference(values.double(), rois.double(), weights.double(), device)
    errors = [_distance(tensor, wanted) for tensor, wanted in zip(result, exact)]
    if not all(error <= LARGEST_ERROR for error in errors):
        problem = "wrong numbers: relative error %.1e forward, %.1e backward" % tuple(errors)
    forward, backward = [error if np.isfinite(error) else None for error in errors]
    return Check(str(device), backend, reason, forward, backward, problem)


def _by_dispatcher(values, rois, weights, device):
    # Copies and Align1D's own kernels only, so that it also works on a GPU that PyTorch has no code for
    values = values.to(device).requires_grad_()
    output = align1d(values, rois.to(device), weights.size(2))
    return output.detach(), torch.autograd.grad(output, values, weights.to(device))[0]


def _by_reference(values, rois, weights, device):
    # Called directly, because TAD_ALIGN1D=cuda makes the dispatcher refuse the CPU
    output = align1d_ref.forward(values, rois, weights.size(2), 0)
    return output, align1d_ref.backward(weights, rois, tuple(values.shape), 0)


def _distance(found, wanted):
    return float((found.double() - wanted).norm() / wanted.norm())
