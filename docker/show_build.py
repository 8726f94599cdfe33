"""Prints which build of PyTorch a pinned environment runs: ``python docker/show_build.py pytorch|pypi``."""

import os
import sys

import torch


def main():
    asked = {"pypi": "PyPI, as TAD_TORCH_SOURCE=pypi asks", "pytorch": "PyTorch's own builds"}[sys.argv[1]]
    print("environment %s: Python %d.%d.%d, PyTorch %s, CUDA %s, from %s (%s)" % (
        (os.environ.get("TAD_ENVIRONMENT"),) + sys.version_info[:3]
        + (torch.__version__, torch.version.cuda or "none", asked, os.path.dirname(torch.__file__))))
    if sys.argv[1] == "pytorch" and "+" not in torch.__version__ and os.environ.get("TAD_ENVIRONMENT") == "cpu":
        print("PyTorch's index was out of reach, so this is PyPI's build; it is larger, because it brings CUDA")
    if torch.cuda.is_available():
        print("GPU: %s; CUDA kernels are compiled and launched" % torch.cuda.get_device_name(0))
    else:
        print("no GPU: CUDA kernels are compiled, their launch is skipped")


if __name__ == "__main__":
    main()
