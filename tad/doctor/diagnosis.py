"""From facts to findings: each diagnosis recognises one situation and knows its fix, without looking at the machine."""

import re
from typing import NamedTuple

from tad.ops.align1d_backends import CHOICES, VARIABLE

# The first branch of the driver for a CUDA version; from 11 on it serves all versions of that major number
DRIVERS = {"9.0": 384, "9.1": 390, "9.2": 396, "10.0": 410, "10.1": 418, "10.2": 440, "11": 450, "12": 525, "13": 580}
# The first CUDA that compiles for an architecture
FIRST_CUDA = ((121, "12.9"), (100, "12.8"), (89, "11.8"), (87, "11.4"), (86, "11.1"), (80, "11.0"), (75, "10.0"),
              (70, "9.0"), (60, "8.0"))
NO_CODE = re.compile(r"no kernel image|invalid device function|\berror:? \(?(98|209|8|48)\b", re.IGNORECASE)
ILLEGAL = re.compile(r"illegal (memory access|address)|misaligned|\berror:? \(?(700|77|716|74)\b", re.IGNORECASE)


class Finding(NamedTuple):
    """A situation that was recognised.

    ``severity``: ``error`` (the wanted Align1D does not work), ``warning`` (something else does not, or is slow) or
    ``note``.
    """

    key: str
    severity: str
    what: str
    fix: str


def diagnose(facts):
    """Every :class:`Finding`, the worst first."""
    found = [finding for finding in (diagnosis(facts) for diagnosis in DIAGNOSES) if finding]
    if not facts.works and not any(finding.severity == "error" for finding in found):
        found.append(other_failure(facts))
    return sorted(found, key=lambda finding: ("error", "warning", "note").index(finding.severity))


def old_driver(facts):
    """PyTorch was built for a CUDA that the driver does not know: ``cudaSetupArgument``, "driver is too old"."""
    if facts.cuda_available or not facts.torch_cuda or not facts.driver_cuda:
        return None
    if number(facts.driver_cuda) >= number(facts.torch_cuda):
        return None
    version = number(facts.torch_cuda)
    branch = DRIVERS.get("%d.%d" % tuple(version)) or DRIVERS.get("%d" % version[0])
    return Finding("old_driver", "warning", "The NVIDIA driver supports CUDA up to %s, but PyTorch %s was built for "
                   "CUDA %s, so PyTorch cannot use the GPU." % (facts.driver_cuda, facts.torch, facts.torch_cuda),
                   "update the NVIDIA driver%s, or install a PyTorch built for CUDA %s or older"
                   % (" to %d or newer" % branch if branch else "", facts.driver_cuda))


def gpu_without_code(facts):
    """The PyTorch binaries have no code for a GPU: errors 98 and 209."""
    if not facts.cuda_available:
        return None
    failed = any(check.problem and NO_CODE.search(check.problem) for check in facts.checks)
    newest, known = newest_architecture(facts), facts.torch_architectures
    for index, gpu in enumerate(facts.gpus):
        newer = gpu.architecture // 10 > newest // 10
        if runs_on(known, gpu.architecture) if known else not failed and not newer:
            continue
        older = gpu.architecture < min(digits(name) for name in known) if known else not newer
        built = ", ".join(known) if known else "up to sm_%d" % newest if newer else "it does not tell for which"
        what = ("cuda:%d (%s) is sm_%d, which PyTorch %s was not built for (%s): its own operations can fail with "
                "'invalid device function' (error 98) or 'no kernel image is available' (error 209)."
                % (index, gpu.name, gpu.architecture, facts.torch, built))
        if not failed:
            what += (" Align1D is compiled for this GPU at first use (through PTX, where NVRTC is too old to know it) "
                     "and works all the same.")
        return Finding("gpu_without_code", "error" if failed else "warning", what,
                       "install an older PyTorch, whose binaries still have sm_%d" % gpu.architecture if older else
                       "install a PyTorch built for CUDA %s or newer" % first_cuda(gpu.architecture))
    return None


def cpu_build(facts):
    """A PyTorch without CUDA beside an NVIDIA driver or GPU."""
    if facts.torch_cuda or not (facts.gpus or facts.driver_cuda or facts.nvidia_hardware):
        return None
    name = facts.gpus[0].name if facts.gpus else "an NVIDIA GPU or driver"
    cuda = "CUDA %s or older" % facts.driver_cuda if facts.driver_cuda else "CUDA, and the NVIDIA driver"
    return Finding("cpu_build", "warning", "There is %s, but PyTorch %s is a CPU build." % (name, facts.torch),
                   "install a PyTorch built for %s: see https://pytorch.org/get-started/locally" % cuda)


def no_driver(facts):
    """NVIDIA hardware, a PyTorch for it, and no driver library; the usual reason is a container."""
    if not facts.torch_cuda or facts.driver_cuda or not (facts.nvidia_hardware or facts.driver_version):
        return None
    return Finding("no_driver", "warning", "There is an NVIDIA GPU, but the CUDA driver's library cannot be used: %s"
                   % facts.driver_problem,
                   "install the NVIDIA driver; in a container: start it with --gpus all (NVIDIA container toolkit)")


def unusable_gpu(facts):
    """Everything seems to fit and PyTorch still cannot use the GPU."""
    if facts.cuda_available or not facts.torch_cuda or not facts.driver_cuda or old_driver(facts):
        return None
    if facts.visible is not None and not facts.gpus:
        return Finding("hidden_gpus", "warning", "CUDA_VISIBLE_DEVICES='%s' hides every GPU." % facts.visible,
                       "unset CUDA_VISIBLE_DEVICES, or set it to 0")
    reason = facts.cuda_problem or facts.driver_problem
    if not (facts.gpus or facts.nvidia_hardware):
        return None
    return Finding("unusable_gpu", "warning", "PyTorch cannot use the GPU: %s" % (reason or "it does not say why"),
                   "restart the machine, or the container, so that driver library and kernel module match")


def stale_extension(facts):
    """Another code base's compiled Align1D on the path."""
    if not facts.extensions:
        return None
    return Finding("stale_extension", "note", "Another Align1D is installed: %s. It fits one PyTorch and one CUDA; tad "
                   "never imports it, but code that does fails with 'undefined symbol', error 98 or error 209."
                   % ", ".join(facts.extensions),
                   "pip uninstall Align1D (or delete the file), and call tad.ops.align1d.align1d instead")


def illegal_access(facts):
    """Error 700 or 77 in a live check. It stays in the process, so that later checks fail with it too."""
    for check in facts.checks:
        if check.problem and ILLEGAL.search(check.problem):
            return Finding("illegal_access", "error", "An illegal memory access on %s. The kernels of Align1D stay "
                           "inside their arrays whatever the rois hold; an earlier operation of the process, the "
                           "driver or the GPU is likely to blame." % check.device,
                           "CUDA_LAUNCH_BLOCKING=1 names the operation; %s=reference runs without the kernels, to "
                           "compare" % VARIABLE)
    return None


def no_compiler(facts):
    """A GPU build of PyTorch, and no NVRTC."""
    if facts.nvrtc_path or not facts.torch_cuda:
        return None
    major, minor = number(facts.torch_cuda)
    wheel = "nvidia-cuda-nvrtc" + ("" if major >= 13 else "-cu%d" % major)
    wheel += "==%d.%d.*" % (major, minor) if major >= 12 else ""  # of CUDA 11, the index has the last two only
    severity = "error" if facts.cuda_available and facts.choice in (None, "auto", "cuda") else "note"
    return Finding("no_nvrtc", severity, "NVRTC, CUDA's run-time compiler, was not found, so Align1D's CUDA kernels "
                   "cannot be compiled.", "pip install '%s'" % wheel if major >= 11 else
                   "reinstall PyTorch: its wheels and conda packages for CUDA %s carry NVRTC" % facts.torch_cuda)


def cache_folder(facts):
    """Compiled kernels cannot be kept."""
    if facts.cache_writable:
        return None
    return Finding("cache_not_writable", "warning" if facts.cuda_available else "note", "Compiled kernels cannot be "
                   "kept in %s (%s): each process compiles them again, a second or two."
                   % (facts.cache_path or "a cache folder", facts.cache_problem),
                   "set TAD_CACHE_DIR to a folder that can be written")


def forced_choice(facts):
    """``TAD_ALIGN1D`` is set."""
    choice = facts.choice
    if choice is None:
        return None
    if choice not in CHOICES:
        return Finding("choice_unknown", "error", "%s is '%s', which is no choice." % (VARIABLE, choice),
                       "set %s to %s, or unset it" % (VARIABLE, ", ".join(CHOICES)))
    if choice == "cuda" and not facts.cuda_available:
        return Finding("choice_impossible", "error", "%s=cuda, but PyTorch cannot use a GPU here." % VARIABLE,
                       "unset %s" % VARIABLE)
    meaning = {"auto": "the default", "cuda": "the CUDA kernels or an error, never a fallback",
               "reference": "the slower PyTorch reference, also on a GPU"}[choice]
    return Finding("choice_set", "note", "%s=%s: %s." % (VARIABLE, choice, meaning),
                   "unset %s for the default" % VARIABLE)


def other_failure(facts):
    """The wanted backend does not work, and nothing above says why."""
    reasons = [check.problem or check.reason for check in facts.checks
               if check.problem or check.backend != facts.wanted]
    return Finding("align1d_fails", "error", "Align1D's %s backend does not work: %s"
                   % (facts.wanted, reasons[0] if reasons else "nothing could be checked"),
                   "%s=reference runs without the CUDA kernels; please report what tad doctor --json prints" % VARIABLE)


DIAGNOSES = (old_driver, gpu_without_code, cpu_build, no_driver, unusable_gpu, stale_extension, illegal_access,
             no_compiler, cache_folder, forced_choice)


def runs_on(architectures, number):
    """Whether a GPU can use any of these: PTX that is not newer, or machine code of the same major number."""
    for name in architectures:
        built = digits(name)
        if name.startswith("compute_") and built <= number:
            return True
        exact = name.endswith("a")  # sm_90a: for this one only
        if built == number or (not exact and built // 10 == number // 10 and built <= number):
            return True
    return False


def newest_architecture(facts):
    """The newest that the CUDA of PyTorch compiles for, for a PyTorch that does not tell what it was built for."""
    cuda = number(facts.torch_cuda or "0")
    return max([architecture for architecture, first in FIRST_CUDA if number(first) <= cuda] or [0])


def first_cuda(architecture):
    """The first CUDA that compiles for an architecture."""
    return next((first for least, first in FIRST_CUDA if architecture >= least), "8.0")


def digits(name):
    """90 for ``sm_90``, ``sm_90a`` and ``compute_90``."""
    return int(re.search(r"\d+", name).group())


def number(version):
    """``[12, 4]`` for ``"12.4"``, to compare."""
    return [int(part) for part in re.findall(r"\d+", version)[:2]]
