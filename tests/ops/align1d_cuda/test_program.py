"""The CUDA source through the NVRTC of this machine, without a GPU; and which architecture is compiled for."""

import types

import pytest

from tad.ops.align1d_cuda import nvrtc, program


@pytest.fixture(scope="module")
def compiler():
    nvrtc.load.cache_clear()
    try:
        return nvrtc.load()
    except nvrtc.NvrtcError:
        pytest.skip("no NVRTC on this machine; pip install nvidia-cuda-nvrtc")


@pytest.mark.parametrize("scalar", sorted(program.SCALARS))
@pytest.mark.parametrize("kernel, size", [(kernel, size) for kernel in program.KERNELS
                                          for size in program.SIZES[kernel]])
def test_compiles_without_a_warning(kernel, size, scalar, compiler):
    if (kernel, size, scalar) == ("backward", 64, "float64"):
        pytest.skip("no lane has registers for so many")
    target = "compute_%d" % compiler.architectures()[-1]
    made = compiler.compile(program.source(kernel), kernel + ".cu", program.compile_options(target, scalar, size))
    assert (".visible .entry align1d_%s(" % kernel).encode() in made.ptx
    assert made.log == ""
    assert b".local" not in made.ptx, "an array of a thread is not in registers"


def test_no_header_and_no_atomic():
    for kernel in program.KERNELS:
        assert "#include" not in program.source(kernel) and "atomic" not in program.source(kernel).replace(
            "no atomics", "")


@pytest.mark.parametrize("known, cubin, capability, expected", [
    ((50, 70, 90), True, 90, "sm_90"), ((50, 70, 90), True, 120, "compute_90"), ((50, 70), False, 70, "compute_70"),
    ((50, 70), False, 86, "compute_70"), ((50, 70), True, 61, "compute_50")])
def test_choice_of_architecture(known, cubin, capability, expected):
    fake = types.SimpleNamespace(version=(9, 0), can_make_cubin=cubin, architectures=lambda: known)
    assert program.choose_architecture(fake, capability) == expected


def test_a_gpu_older_than_the_compiler_is_refused():
    fake = types.SimpleNamespace(version=(13, 0), can_make_cubin=True, architectures=lambda: (75, 80))
    with pytest.raises(nvrtc.NvrtcError, match="sm_75 and newer, but the GPU is sm_61"):
        program.choose_architecture(fake, 61)
