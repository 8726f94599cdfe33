"""From the CUDA source to an image that a GPU loads: the options, the choice of architecture, the cache."""

import functools
import os

from tad.ops.align1d_cuda import cache, driver, nvrtc

HERE = os.path.dirname(os.path.abspath(__file__))
KERNELS = ("forward", "backward")
SCALARS = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 3}  # TAD_SCALAR of bins.cu
FILES = {"forward": ("bins.cu", "lists.cu", "forward.cu"), "backward": ("bins.cu", "backward.cu")}
# TAD_SIZE: vectors of channels that a lane of the forward kernel holds; pairs of them for one of the backward kernel
SIZES = {"forward": (1, 2), "backward": (8, 16, 32, 64)}


def compile_options(architecture, scalar="float32", size=1):
    """Options for NVRTC.

    :param architecture: ``"sm_90"`` for a cubin, ``"compute_90"`` for PTX.
    :param scalar: a key of :data:`SCALARS`.
    :param size: one of :data:`SIZES` of the kernel.
    """
    # c++11 is the newest that NVRTC 9.0 knows and that every later one still takes
    return ["--gpu-architecture=" + architecture, "--std=c++11",
            "-DTAD_SCALAR=%d" % SCALARS[scalar], "-DTAD_SIZE=%d" % size]


@functools.lru_cache(maxsize=None)
def source(kernel):
    """The CUDA source of one of :data:`KERNELS`, in one text."""
    parts = []
    for name in FILES[kernel]:
        with open(os.path.join(HERE, name), encoding="utf-8") as stream:
            parts.append('#line 1 "%s"\n%s' % (name, stream.read()))
    return "".join(parts)


def choose_architecture(compiler, capability):
    """What to compile for on a GPU of ``capability`` (90 for 9.0): ``"sm_90"`` where possible, else PTX.

    PTX for an older architecture is translated by the driver; that also serves GPUs newer than the compiler.

    :raises nvrtc.NvrtcError: the GPU is older than everything that this NVRTC compiles for.
    """
    known = compiler.architectures()
    if capability in known and compiler.can_make_cubin:
        return "sm_%d" % capability
    usable = [number for number in known if number <= capability]
    if not usable:
        raise nvrtc.NvrtcError("NVRTC %d.%d compiles for sm_%d and newer, but the GPU is sm_%d; install a PyTorch "
                               "built for an older CUDA" % (compiler.version + (min(known), capability)))
    return "compute_%d" % max(usable)


def image(device, kernel, scalar, size, compiler=None):
    """A kernel's machine code for a GPU, from the cache or compiled now.

    :param kernel: one of :data:`KERNELS`.
    :param device: :class:`tad.ops.align1d_cuda.driver.Device`
    :param compiler: :class:`tad.ops.align1d_cuda.nvrtc.Nvrtc`; None for the best one found.
    :raises nvrtc.NvrtcError: no compiler, or it refuses.
    :raises driver.DriverError: the driver cannot translate the PTX.
    """
    compiler = compiler or nvrtc.load()
    architecture = choose_architecture(compiler, device.capability)
    options = compile_options(architecture, scalar, size)
    key = cache.key(source(kernel), "\n".join(options), "%d.%d" % compiler.version, "sm_%d" % device.capability,
                    "driver %d" % driver.version())
    found = cache.load(key)
    if found is None:
        program = compiler.compile(source(kernel), kernel + ".cu", options)
        found = program.cubin if program.cubin is not None else device.assemble(program.ptx)
        cache.store(key, found)
    return found
