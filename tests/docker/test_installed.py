"""What a session of a pinned environment runs in is what was pinned. The sessions set TAD_ENVIRONMENT."""

import os
import subprocess
import sys

import environments
import pytest
import show_build
import torch

from tad.ops.align1d_cuda import nvrtc, program

NAME = os.environ.get("TAD_ENVIRONMENT")
pytestmark = pytest.mark.skipif(NAME is None, reason="not in a session such as tests-cpu")
ENTRY = environments.load().get(NAME)


def installed():
    """``{package: version}`` of everything here."""
    try:
        from importlib import metadata
    except ImportError:
        import importlib_metadata as metadata
    return {environments.canonical(each.metadata["Name"]): each.version for each in metadata.distributions()}


def test_python_and_pytorch_are_those_of_the_table():
    assert "%d.%d" % sys.version_info[:2] == ENTRY["python"]
    assert torch.__version__.split("+")[0] == ENTRY["torch"]


def test_cuda_is_that_of_the_build_that_was_asked_for():
    own = ENTRY["cuda"] if environments.torch_source() == "pytorch" else ENTRY["pypi_cuda"]
    allowed = {own} | ({"", ENTRY["pypi_cuda"]} if ENTRY.get("pypi_stands_in") else set())
    assert ".".join((torch.version.cuda or "").split(".")[:2]) in allowed


def test_gpu_code_is_for_the_architectures_of_the_table():
    found = show_build.architectures()
    if not found or ".".join(torch.version.cuda.split(".")[:2]) != ENTRY["cuda"]:
        pytest.skip("this PyTorch has no CUDA, another one than the table's, or does not tell")
    assert found == ENTRY["architectures"]


def test_nothing_but_what_is_locked_is_installed():
    locked = {}
    for lock in environments.lock_names(ENTRY):
        locked.update(environments.read_lock(environments.lock_path(NAME, lock)))
    found = installed()
    assert {"torch", "tad"} <= set(found)
    others = {package: version for package, version in found.items() if package not in ("torch", "tad")}
    changed = {package: version for package, version in others.items() if locked.get(package, version) != version}
    assert changed == {}
    unknown = sorted(set(others) - set(locked))
    if ENTRY["cuda"] != ENTRY["pypi_cuda"]:
        unknown = [package for package in unknown if not package.startswith(environments.LIBRARIES)]
    assert unknown == []
    for lock in ("pip", "run", "tests"):
        assert set(environments.read_lock(environments.lock_path(NAME, lock))) <= set(others)


def test_every_requirement_is_met():
    """The locks are whole: no package asks for one that is not here."""
    done = subprocess.run([sys.executable, "-m", "pip", "check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kernel", program.KERNELS)
def test_the_kernels_compile_with_this_environments_own_compiler(kernel):
    """Never skipped: without a GPU this is what shows that they would run on one."""
    compiler = nvrtc.load()
    cuda = torch.version.cuda or dict(line.split("==") for line in ENTRY["tests"])["nvidia-cuda-nvrtc"]
    assert "%d.%d" % compiler.version == ".".join(cuda.split(".")[:2])
    assert os.path.realpath(compiler.path).startswith(os.path.realpath(sys.prefix) + os.sep)
    assert compiler.origin in ("PyTorch", "nvidia wheel")
    for number in compiler.architectures():
        made = compiler.compile(program.source(kernel), kernel + ".cu", program.compile_options("compute_%d" % number))
        assert (".visible .entry align1d_%s(" % kernel).encode() in made.ptx
