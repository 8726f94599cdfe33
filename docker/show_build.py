"""Prints which build of PyTorch a pinned environment runs; the table's CUDA and that of PyPI's build come as arguments.

    python docker/show_build.py NAME CUDA PYPI_CUDA
"""

import glob
import os
import sys

import torch

FOLDER = os.path.dirname(os.path.abspath(torch.__file__))


def main():
    name, own, pypi = sys.argv[1:]
    cuda = ".".join((torch.version.cuda or "").split(".")[:2])
    if cuda not in (own, pypi):
        return "environment %s: PyTorch %s for CUDA %s is not in the table" % (name, torch.__version__, cuda or "none")
    print("environment %s: Python %d.%d.%d, PyTorch %s, CUDA %s, %s, in %s" % (
        (name,) + sys.version_info[:3] + (torch.__version__, cuda or "none", origin(cuda, pypi), FOLDER)))
    if cuda:
        print("machine code for: %s" % (", ".join(architectures()) or "this PyTorch does not tell"))
    if torch.cuda.is_available():
        print("GPU: %s; CUDA kernels are compiled and launched" % torch.cuda.get_device_name(0))
    else:
        print("no GPU: CUDA kernels are compiled, their launch is skipped")
    return 0


def architectures():
    """GPUs that this PyTorch holds machine code for, as the table spells them; [] where it does not tell.

    ``torch.cuda.get_arch_list()`` reads the same flags, but only where there is a GPU.
    """
    ask = getattr(torch._C, "_cuda_getArchFlags", None)
    return spelled(ask() or "") if ask else []


def spelled(flags):
    """``sm_80 sm_90 compute_90`` as ``["80", "90+PTX"]``."""
    numbers = {word.split("_")[1] for word in flags.split()}
    return [number + ("+PTX" if "compute_" + number in flags.split() else "") for number in sorted(numbers, key=int)]


def origin(cuda, pypi):
    """Whose build it is: PyPI takes no version with a "+", and torch.__version__ has one there too."""
    installed, = glob.glob(os.path.join(os.path.dirname(FOLDER), "torch-*.dist-info"))
    return "PyTorch's own build" if "+" in os.path.basename(installed) or cuda != pypi else "PyPI's build"


if __name__ == "__main__":
    sys.exit(main())
