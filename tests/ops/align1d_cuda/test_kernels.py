"""The CUDA kernels on the CPU, a thread for each of their threads: right numbers, and no access out of bounds.

emulator.cpp stands for CUDA. Layouts are those that launch.py chooses for made-up GPUs, so that small problems meet
several blocks and little shared memory. Reads outside shared memory are found with the address sanitizer:

    TAD_EMULATOR_ASAN=1 ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=$(g++ -print-file-name=libasan.so) \
        python -m pytest tests/ops/align1d_cuda/test_kernels.py
"""

import ctypes
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch

from tad.ops.align1d_cuda import launch, program
from tests.ops.test_align1d import random_rois, slow_align1d

HERE = os.path.dirname(os.path.abspath(__file__))
HOPPER = launch.Machine(2, 232448, 233472)  # its shared memory, but two multiprocessors
PASCAL = launch.Machine(8, 49152, 65536)
TINY = launch.Machine(1, 20000, 20000)      # smaller than any GPU, for tiles in global memory in the forward kernel
FENCE = 64                                  # values around every array
DTYPES = [np.float32, np.float64]
LIMIT = {np.float32: 3e-6, np.float64: 1e-12}


def compiler_problem():
    """Why the kernels cannot be compiled for the CPU here, or None."""
    if shutil.which("g++") is None:
        return "needs g++ 11 or newer (std::barrier), found none"
    version = subprocess.check_output(["g++", "-dumpversion"], universal_newlines=True).strip()
    return None if int(version.split(".")[0]) >= 11 else "needs g++ 11 or newer (std::barrier), found " + version


emulated = pytest.mark.skipif(compiler_problem() is not None, reason=str(compiler_problem()))


class Emulator(object):
    """Compiles kernels when first needed and runs them."""

    def __init__(self, folder):
        self._folder, self._libraries = folder, {}

    def library(self, kernel, dtype, size):
        key = "%s-%s-%d" % (kernel, np.dtype(dtype).name, size)
        if key not in self._libraries:
            text = program.source(kernel)
            text, count = re.subn(r"extern __shared__ [^;]*;", "", text)
            assert count
            for name in re.findall(r'extern "C" __global__ [^;]*?(align1d_\w+)\(const Problem problem', text):
                text += RUN_PROBLEM.replace("NAME", name)
            text += RUN_REDUCE if kernel == "backward" else ""
            path = os.path.join(self._folder, key)
            with open(path + ".cpp", "w") as stream:
                stream.write(text)
            defines = [option for option in program.compile_options("", np.dtype(dtype).name, size)
                       if option.startswith("-D")]
            # The GPU contracts to fused multiplications as well as not; without them the emulation is reproducible
            flags = ["-std=c++20", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-pthread"]
            if os.environ.get("TAD_EMULATOR_ASAN"):
                flags.append("-fsanitize=address")
            flags += defines + ["-include", os.path.join(HERE, "emulator.cpp")]
            subprocess.check_call(["g++"] + flags + ["-o", path + ".so", path + ".cpp"])
            self._libraries[key] = ctypes.CDLL(path + ".so")
        return self._libraries[key]


RUN_PROBLEM = """
extern "C" int run_NAME(int x, int y, int threads, int bytes, const Problem* problem) {
    return run_grid(x, y, threads, bytes, [=] { NAME(*problem); });
}
"""
RUN_REDUCE = """
extern "C" int run_align1d_reduce(int x, int threads, const Real* partial, Scalar* result, long long size, int slices) {
    return run_grid(x, 1, threads, 0, [=] { align1d_reduce(partial, result, size, slices); });
}
"""


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    return Emulator(str(tmp_path_factory.mktemp("emulator")))


class Fenced(object):
    """An array between two zones of NaN: what is read there spoils the result, what is written there is found."""

    def __init__(self, array, dtype=None):
        array = np.asarray(array, dtype)
        # PyTorch's arrays begin at multiples of 512 bytes; the kernels rely on 16
        self._memory = np.full(array.size + 2 * FENCE + 64, np.nan, array.dtype)
        skip = -self._memory.ctypes.data % 512 // array.itemsize
        self._memory = self._memory[skip % 64:]
        self.array = self._memory[FENCE:FENCE + array.size].reshape(array.shape)
        self.array[...] = array

    @property
    def address(self):
        return self.array.ctypes.data

    def check(self):
        assert np.isnan(self._memory[:FENCE]).all(), "written before the array"
        assert np.isnan(self._memory[FENCE + self.array.size:]).all(), "written after the array"


def record(layout, shape, rois, ratio, word, **arrays):
    """launch.Problem for arrays of the CPU."""
    chosen = {name: getattr(layout, name) for name, _ in launch.Problem._fields_ if hasattr(layout, name)}
    addresses = {name: array.address for name, array in arrays.items()}
    return launch.Problem(rois=rois.address, bad_roi=word.ctypes.data, wide_rois=int(rois.array.dtype == np.float64),
                          batch=shape.batch, channels=shape.channels, snippets=shape.snippets, rois_count=shape.rois,
                          bins=shape.bins, ratio=ratio, **dict(chosen, **addresses))


def run_forward(emulator, values, rois, bins, ratio, machine):
    """Output, and what the kernel left in the word for unusable rois."""
    dtype = values.dtype.type
    shape = launch.Shape(*(values.shape + (len(rois), bins, values.itemsize)))
    layout = launch.forward_layout(shape, machine)
    library = emulator.library("forward", dtype, layout.size)
    source, rows, word = Fenced(values), Fenced(rois), np.zeros(1, np.int64)
    output = Fenced(np.full((len(rois), values.shape[1], bins), 7777), dtype)
    tiles = Fenced(np.full(layout.tile_values, np.nan), dtype)
    problem = ctypes.byref(record(layout, shape, rows, ratio, word, values=source, result=output, tiles=tiles))
    broken, name = 0, "align1d_forward"
    if layout.tile_values:
        broken += library.run_align1d_tiles(layout.grid[0], 1, 64, 0, problem)
        name += "_long"
    broken += getattr(library, "run_" + name)(layout.grid[0], layout.grid[1], layout.threads, layout.shared, problem)
    assert broken == 0, "%d blocks wrote outside their shared memory" % broken
    for array in (source, rows, output, tiles):
        array.check()
    return output.array, word[0]


def run_backward(emulator, grad, rois, shape, ratio, machine):
    """Gradient of the input, and what the kernel left in the word for unusable rois."""
    dtype = grad.dtype.type
    whole = launch.Shape(*(shape + (len(rois), grad.shape[2], grad.itemsize)))
    layout = launch.backward_layout(whole, PASCAL if machine is TINY else machine)
    assert layout.stage >= 1 and layout.windows >= 1
    library = emulator.library("backward", dtype, layout.size)
    source, rows, word = Fenced(grad), Fenced(rois), np.zeros(1, np.int64)
    partial, result = Fenced(np.full((layout.slices,) + shape, 7777), dtype), Fenced(np.full(shape, 7777), dtype)
    target = partial if layout.slices > 1 else result
    problem = record(layout, whole, rows, ratio, word, values=source, result=target)
    broken = library.run_align1d_backward(layout.grid[0], layout.grid[1], layout.threads, layout.shared,
                                          ctypes.byref(problem))
    if layout.slices > 1:
        broken += library.run_align1d_reduce(2, 64, ctypes.c_void_p(partial.address), ctypes.c_void_p(result.address),
                                             ctypes.c_longlong(result.array.size), layout.slices)
    assert broken == 0, "%d blocks wrote outside their shared memory" % broken
    for array in (source, rows, partial, result):
        array.check()
    return result.array, word[0]


def slow_backward(grad, rois, shape, ratio):
    """The slow loop transposed: its weights are what it makes of the unit vectors."""
    batch, channels, snippets = shape
    result = np.zeros(shape)
    for entry in range(batch):
        mine = rois[:, 0] == entry
        row = np.concatenate([np.zeros((int(mine.sum()), 1)), rois[mine, 1:]], axis=1)
        weights = slow_align1d(np.eye(snippets)[None], row, grad.shape[2], ratio)  # (n, T, R)
        result[entry] = np.einsum("ncr,ntr->ct", grad[mine], weights)
    return result


def assert_close(found, wanted, dtype):
    assert np.abs(found - wanted).max() <= LIMIT[dtype] * max(1.0, np.abs(wanted).max())


def draw_rois(rng, batch, snippets, count, dtype):
    """Those of the reference's tests, and whole numbers, short and long ones inside; in random order."""
    rois = random_rois(rng, batch, snippets, count)
    start = rng.uniform(0, snippets, count)
    more = np.stack([rng.randint(0, batch, count), start, start + rng.uniform(0, 1, count) ** 2 * snippets], axis=1)
    more[::3, 1:] = np.round(more[::3, 1:])
    more[1::4, 2] = more[1::4, 1] + rng.uniform(0, 3, len(more[1::4]))
    return rng.permutation(np.concatenate([rois, more])).astype(dtype)


# Batch, channels, snippets, rois / 2, bins, ratio, machine: bins that do not divide 32, more than 32, many in a warp;
# snippets that do not divide 4 or 8; one channel, a few, several tiles; sequences in parts; tiles in global memory
CASES = [
    (1, 1, 1, 5, 1, 0, HOPPER), (3, 5, 2, 8, 3, 0, HOPPER), (2, 33, 7, 9, 12, 0, PASCAL),
    (3, 17, 40, 14, 16, 0, HOPPER), (2, 40, 130, 10, 32, 0, HOPPER), (2, 140, 64, 12, 8, 0, HOPPER),
    (1, 9, 300, 9, 33, 0, PASCAL), (2, 5, 100, 6, 48, 3, HOPPER), (2, 6, 63, 12, 5, 1, TINY),
    (2, 33, 128, 7, 4, 9, PASCAL), (1, 3, 500, 8, 7, 0, TINY), (2, 35, 200, 6, 20, 0, TINY),
    (1, 100, 24, 70, 4, 0, PASCAL), (1, 3, 1300, 4, 7, 0, PASCAL), (1, 66, 530, 4, 6, 0, HOPPER),
]


def test_the_cases_reach_every_layout():
    found = {"forward": [], "backward": []}
    for batch, channels, snippets, count, bins, _, machine in CASES:
        shape = launch.Shape(batch, channels, snippets, 2 * count, bins, 4)
        found["forward"].append(launch.forward_layout(shape, machine))
        found["backward"].append(launch.backward_layout(shape, PASCAL if machine is TINY else machine))
    for kernel, layouts in found.items():
        assert {layout.size for layout in layouts} == set(program.SIZES[kernel])
        assert max(layout.slices for layout in layouts) > 1 < max(layout.groups for layout in layouts)
    assert len({layout.tile_values > 0 for layout in found["forward"]}) == 2
    assert max(layout.windows for layout in found["backward"]) > 1


@emulated
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", range(len(CASES)))
def test_equals_the_slow_loop(case, dtype, emulator, rng):
    batch, channels, snippets, count, bins, ratio, machine = CASES[case]
    rois = draw_rois(rng, batch, snippets, count, dtype)
    values = rng.standard_normal((batch, channels, snippets)).astype(dtype)
    found, word = run_forward(emulator, values, rois, bins, ratio, machine)
    assert word == 0
    assert_close(found, slow_align1d(values.astype(float), rois.astype(float), bins, ratio), dtype)
    grad = rng.standard_normal(found.shape).astype(dtype)
    found, word = run_backward(emulator, grad, rois, values.shape, ratio, machine)
    assert word == 0
    assert_close(found, slow_backward(grad.astype(float), rois.astype(float), values.shape, ratio), dtype)


@emulated
@pytest.mark.parametrize("dtype", DTYPES)
def test_random_shapes(dtype, emulator, rng):
    for _ in range(5):
        batch, channels, snippets = rng.randint(1, 4), rng.randint(1, 50), rng.randint(1, 150)
        bins, ratio, machine = rng.randint(1, 70), rng.choice([0, 0, 2, 5]), (HOPPER, PASCAL, TINY)[rng.randint(3)]
        print(batch, channels, snippets, bins, ratio, machine)
        rois = draw_rois(rng, batch, snippets, 6, dtype)
        values = rng.standard_normal((batch, channels, snippets)).astype(dtype)
        found, word = run_forward(emulator, values, rois, bins, int(ratio), machine)
        assert word == 0
        assert_close(found, slow_align1d(values.astype(float), rois.astype(float), bins, ratio), dtype)
        grad = rng.standard_normal(found.shape).astype(dtype)
        found, word = run_backward(emulator, grad, rois, values.shape, int(ratio), machine)
        assert word == 0
        assert_close(found, slow_backward(grad.astype(float), rois.astype(float), values.shape, ratio), dtype)


@emulated
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("machine", [HOPPER, TINY])
@pytest.mark.parametrize("dtype", DTYPES)
def test_huge_rois(dtype, machine, ratio, emulator, rng):
    """Positions are coarser than snippets, and no longer rise from bin to bin."""
    huge = [[0, -1e17, 1e17], [1, -5e16, 5e16 + 40], [0, -1e30, 1e30], [1, -1e30, 20], [0, 3, 1e30], [1, 1e30, -1e30],
            [0, 1e17, 2e17], [1, -2e17, -1e17], [0, 2 ** 24, 2 ** 25], [1, -2.0 ** 31, 2.0 ** 31], [0, -1e9, 1e9]]
    width = 10 ** rng.uniform(6, 19, 30)  # of a bin; some bin begins inside the sequence
    start = rng.uniform(-5, 305, 30) - rng.randint(0, 12, 30) * width
    huge = np.concatenate([huge, np.stack([rng.randint(0, 2, 30), start, start + 12 * width], axis=1)])
    rois = rng.permutation(huge).astype(dtype)
    values = rng.standard_normal((2, 9, 300)).astype(dtype)
    found, word = run_forward(emulator, values, rois, 12, ratio, machine)
    assert word == 0 and (np.abs(found) <= np.abs(values).max() * 1.001).all()
    if ratio:  # without, the slow loop would count to 1e30
        assert_close(found, slow_align1d(values.astype(float), rois.astype(float), 12, ratio), dtype)
    grad = rng.standard_normal(found.shape).astype(dtype)
    found, word = run_backward(emulator, grad, rois, values.shape, ratio, machine)
    assert word == 0 and (np.abs(found) <= np.abs(grad).sum()).all()
    if ratio:
        assert_close(found, slow_backward(grad.astype(float), rois.astype(float), values.shape, ratio), dtype)


@emulated
@pytest.mark.parametrize("bins", [5, 40])
@pytest.mark.parametrize("machine", [HOPPER, TINY])
@pytest.mark.parametrize("dtype", DTYPES)
def test_unusable_rois_are_marked_and_left_out(dtype, machine, bins, emulator, rng):
    rois = draw_rois(rng, 2, 40, 6, dtype)
    bad = np.array([[0, np.nan, 1], [0, 1, np.inf], [np.nan, 1, 2], [2, 1, 2], [-1, 1, 2], [0.5, 1, 2], [1e30, 1, 2],
                    [1, -np.inf, np.inf]], dtype)
    mixed = np.concatenate([rois, bad])
    order = rng.permutation(len(mixed))
    usable = (order < len(rois))
    values = rng.standard_normal((2, 20, 40)).astype(dtype)
    found, word = run_forward(emulator, values, mixed[order], bins, 0, machine)
    assert word > 0 and not usable[word - 1]
    assert np.isnan(found[~usable]).all()
    assert_close(found[usable], slow_align1d(values.astype(float), mixed[order][usable].astype(float), bins, 0), dtype)
    grad = rng.standard_normal(found.shape).astype(dtype)
    grad[~usable] = np.nan
    found, word = run_backward(emulator, grad, mixed[order], values.shape, 0, machine)
    assert word > 0 and not usable[word - 1]
    wanted = slow_backward(grad[usable].astype(float), mixed[order][usable].astype(float), values.shape, 0)
    assert_close(found, wanted, dtype)
    for rows, marked in ((rois, False), (mixed[order], True)):
        shape, word, fenced = launch.Shape(2, 1, 1, len(rows), 1, 4), np.zeros(1, np.int64), Fenced(rows)
        problem = record(launch.Layout((1, 1), 256, 0, 1, 0), shape, fenced, 0, word)
        assert emulator.library("forward", dtype, 1).run_align1d_check(2, 1, 32, 0, ctypes.byref(problem)) == 0
        assert bool(word[0] > 0) == marked and not (marked and usable[word[0] - 1])


@emulated
@pytest.mark.parametrize("dtype", DTYPES)
def test_all_samples_outside_give_zeros(dtype, emulator, rng):
    rois = np.array([[0, -50, -20], [1, 60, 90], [1, -9, -5], [0, 41.5, 41.6]], dtype)
    values = rng.standard_normal((2, 6, 40)).astype(dtype)
    found, word = run_forward(emulator, values, rois, 6, 0, HOPPER)
    assert word == 0 and not found.any()
    found, word = run_backward(emulator, np.ones((4, 6, 6), dtype), rois, values.shape, 0, HOPPER)
    assert word == 0 and not found.any()


@emulated
def test_a_batch_entry_without_rois_gets_zeros(emulator, rng):
    rois = np.array([[2, 3, 20], [0, 5, 9], [2, 1, 4]], np.float32)
    found, _ = run_backward(emulator, np.ones((3, 5, 8), np.float32), rois, (4, 5, 30), 0, HOPPER)
    assert not found[1].any() and not found[3].any() and found[0].any() and found[2].any()


@emulated
def test_float64_rois_beside_float32_values(emulator, rng):
    rois = draw_rois(rng, 2, 40, 6, np.float64)
    values = rng.standard_normal((2, 6, 40)).astype(np.float32)
    found, _ = run_forward(emulator, values, rois, 10, 0, HOPPER)
    assert_close(found, slow_align1d(values.astype(float), rois, 10, 0), np.float32)


GPUS = [launch.Machine(13, 49152, 49152), launch.Machine(56, 49152, 65536), launch.Machine(40, 65536, 65536),
        launch.Machine(80, 98304, 98304), launch.Machine(108, 166912, 167936), launch.Machine(84, 101376, 102400),
        launch.Machine(132, 232448, 233472), launch.Machine(1, 49152, 49152)]


@pytest.mark.parametrize("machine", GPUS)
@pytest.mark.parametrize("real", [4, 8])
def test_layouts_fit_the_machine(machine, real):
    for snippets in (1, 2, 7, 8, 100, 256, 333, 1000, 1024, 3000, 9001, 100000, 5000000):
        for bins in (1, 3, 8, 16, 31, 32, 33, 64, 257, 4096):
            for batch, channels, rois in ((1, 1, 1), (1, 3000, 1), (2, 100, 7), (16, 512, 8000), (4, 128, 32768),
                                          (1000, 33, 100000), (1, 256, 10000000)):
                shape = launch.Shape(batch, channels, snippets, rois, bins, real)
                layouts = {"forward": launch.forward_layout(shape, machine),
                           "backward": launch.backward_layout(shape, machine)}
                for kernel, layout in layouts.items():
                    at = kernel, shape, layout
                    assert 0 <= layout.shared <= machine.shared_per_block, at
                    assert 1 <= layout.grid[0] < 2 ** 31 and 1 <= layout.grid[1] <= 65535, at
                    assert 32 <= layout.threads <= 1024 and layout.threads % 32 == 0, at
                    assert layout.slices == layout.grid[1] and layout.groups >= 1, at
                    assert layout.size in program.SIZES[kernel] and layout.capacity >= 1, at
                backward = layouts["backward"]
                assert backward.stage >= 1 and backward.windows >= 1, backward
                owned = backward.threads // backward.groups * (256 // real // backward.size)
                assert backward.windows * owned >= snippets, (shape, backward)


def test_the_record_is_laid_out_as_in_the_source():
    text = re.search(r"struct Problem \{(.*?)\};", program.source("forward"), re.DOTALL).group(1)
    text = re.sub(r"//.*", "", text)
    names = [name.strip(" *") for line in text.split(";") if line.strip()
             for name in re.sub(r"^\s*(const )?(long long|\w+)\*? ", "", line).split(",")]
    assert names == [name for name, _ in launch.Problem._fields_]


def test_tensors_between_two_vectors_are_copied():
    """A view may begin anywhere in its storage; a vector read there would be an error of the GPU."""
    base = torch.arange(65.0)
    odd, even = base[1:].view(2, 4, 8), base[:64].view(2, 4, 8)
    copied = launch.aligned(odd)
    assert odd.data_ptr() % 16 != 0 and copied.data_ptr() % 16 == 0 and torch.equal(copied, odd)
    assert launch.aligned(even).data_ptr() == even.data_ptr()
    assert launch.aligned(even.transpose(1, 2)).is_contiguous()
