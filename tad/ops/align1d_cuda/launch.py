"""How a problem is laid out on a GPU, and its launch on PyTorch's current stream."""

import ctypes
import functools
import threading
from typing import NamedTuple, Tuple

import torch

from tad.ops.align1d_cuda import driver, program
from tad.ops.align1d_cuda.guard import RoiGuard

VECTOR_BYTES = 16     # of channels that a lane reads at once
ROW_BYTES = 128       # of channels in a row of a forward tile
BINS = 32             # bins that a warp describes together
LEAST_CAPACITY = 10   # entries of a bin's list: two ends, two corrections, six snippets beside the sums of four
WARP = 32             # snippets of a warp of the backward kernel
MOST_WARPS = 8        # of a block of the backward kernel
TASK_BYTES = {4: 64, 8: 80}  # of a task that waits for its block, for each size of what is added up in
RESERVED = 1024       # bytes of shared memory that the driver keeps for itself in each block


class Problem(ctypes.Structure):
    """The same fields as ``Problem`` in bins.cu."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("values", "rois", "tiles", "result", "bad_roi")] + \
               [(name, ctypes.c_int) for name in ("wide_rois", "batch", "channels", "snippets", "rois_count", "bins",
                                                  "ratio", "slices", "groups", "capacity", "stage", "windows")]


class Machine(NamedTuple):
    """What a layout depends on; bytes of shared memory."""

    multiprocessors: int
    shared_per_block: int
    shared_per_multiprocessor: int


class Layout(NamedTuple):
    """How a kernel is launched."""

    grid: Tuple[int, int]
    threads: int
    shared: int       # bytes of dynamic shared memory
    slices: int
    groups: int
    capacity: int = 0
    stage: int = 0
    windows: int = 1
    size: int = 1         # TAD_SIZE
    tile_values: int = 0  # forward_long: values of all tiles in global memory


class Shape(NamedTuple):
    """Sizes of a problem: batch, channels, snippets, rois and bins, and the bytes of what is added up in."""

    batch: int
    channels: int
    snippets: int
    rois: int
    bins: int
    real: int


def ceil_div(a, b):
    return -(-a // b)


@functools.lru_cache(maxsize=4096)
def forward_layout(shape, machine, registers=128):
    """The layout of the forward kernel.

    :param registers: of a thread of the kernel, from the driver.
    :returns: :class:`Layout`; ``tile_values`` is above 0 where no tile fits into shared memory.
    """
    candidates = [forward_blocks(shape, machine, vectors) for vectors in (2, 1)]
    layout = next((found for found in candidates if found is not None), None) or long_blocks(shape, machine)
    units = shape.batch * ceil_div(shape.channels, layout.groups * layout.size * ROW_BYTES // shape.real)
    tasks = ceil_div(shape.rois, max(1, BINS // shape.bins)) * ceil_div(shape.bins, BINS)
    slices = slices_for(units, ceil_div(tasks, layout.threads // 32), layout.threads, layout.shared, registers, machine)
    return layout._replace(grid=(units, slices), slices=slices)


def forward_blocks(shape, machine, vectors):
    """A block that keeps as many tiles of ``vectors`` x 128 bytes of channels as fit, or None; grid and slices open."""
    capacity = list_capacity(shape)
    tile, lists = vectors * tile_bytes(shape), list_bytes(capacity, shape.real)
    wanted = ceil_div(shape.channels, vectors * ROW_BYTES // shape.real)
    room = machine.shared_per_block
    least = 12 if vectors > 1 else 4
    warps = next((warps for warps in (16, 12, 8, 4) if warps >= least and tile + warps * lists <= room), None)
    if warps is None or (vectors > 1 and shape.channels * shape.real <= ROW_BYTES):
        return None
    groups = max(1, min(4 // vectors, wanted, (room - warps * lists) // tile))
    groups = ceil_div(wanted, ceil_div(wanted, groups))
    return Layout((0, 0), 32 * warps, groups * tile + warps * lists, 0, groups, capacity, size=vectors)


def long_blocks(shape, machine):
    """A block whose tile lies in global memory."""
    lists = list_bytes(list_capacity(shape), shape.real)
    warps = next(warps for warps in (8, 4, 2, 1) if warps * lists <= machine.shared_per_block)
    tiles = shape.batch * ceil_div(shape.channels, ROW_BYTES // shape.real)
    return Layout((0, 0), 32 * warps, warps * lists, 0, 1, list_capacity(shape),
                  tile_values=tiles * tile_bytes(shape) // shape.real)


def tile_bytes(shape):
    """Of 128 bytes of channels of every snippet, and the sums of each four."""
    return (shape.snippets + shape.snippets // 4) * ROW_BYTES


def list_capacity(shape):
    """Entries of a bin's list that hold any bin of a roi no longer than the sequence, if that is not too much."""
    fours = ceil_div(shape.snippets, shape.bins) // 4
    return LEAST_CAPACITY + min(4, fours + fours % 2 if fours > 1 else 0) + 1  # odd, so that lists begin in all banks


def list_bytes(capacity, real):
    """Shared memory of the lists and heads of one warp of the forward kernel."""
    return BINS * capacity * 2 * real + BINS * 4 * real


@functools.lru_cache(maxsize=4096)
def backward_layout(shape, machine, registers=256):
    """The layout of the backward kernel: as many channels in a block as the sequence leaves warps and memory for."""
    most = 256 // shape.real  # MOST_PAIRS of the kernel
    sizes = [size for size in program.SIZES["backward"] if size <= most]
    # The weights of a bin serve all channels of a lane; but a block that owns a part of the sequence reads gradients
    # that another reads too
    wanted = next((size for size in sizes if 2 * size >= shape.channels), most)
    if shape.snippets > MOST_WARPS * WARP:
        wanted = min(wanted, most // 2)
    candidates = [backward_blocks(shape, machine, size, groups, registers)
                  for size in sizes[::-1] if size <= wanted for groups in (8, 4, 2, 1)]
    candidates = [found for found in candidates if found is not None]
    layout = next((found for found in candidates if found.stage >= 2), candidates[-1])
    units = shape.batch * ceil_div(shape.channels, layout.groups * 2 * layout.size) * layout.windows
    tasks = shape.rois * ceil_div(shape.bins, BINS)
    slices = slices_for(units, ceil_div(tasks, 64), layout.threads, layout.shared, registers, machine)
    return layout._replace(grid=(units, slices), slices=slices)


def backward_blocks(shape, machine, size, groups, registers):
    """Blocks for ``groups`` x ``size`` pairs of channels, or None if these are too many; grid and slices are open."""
    all_warps = ceil_div(shape.snippets, WARP * (256 // shape.real // size))
    windows = ceil_div(all_warps, MOST_WARPS)
    warps = ceil_div(all_warps, windows)
    if groups > 1 and (groups * warps > MOST_WARPS or (groups - 1) * 2 * size >= shape.channels):
        return None
    threads = WARP * warps * groups
    capacity = min(threads, 256 if machine.shared_per_block > 2 ** 17 else 64)
    fixed = capacity * TASK_BYTES[shape.real] + 4 * MOST_WARPS
    place = 2 * groups * size * 2 * BINS * shape.real
    # Two tasks at least, if they fit, and no more than 8 or what leaves room for as many blocks as registers allow
    blocks = max(1, 65536 // (threads * registers))
    stage = min(8, max(2, (machine.shared_per_multiprocessor // blocks - RESERVED - fixed) // place))
    stage = min(stage, (machine.shared_per_block - fixed) // place)
    return Layout((0, 0), threads, stage * place + fixed, 0, groups, capacity, stage, windows, size)


def slices_for(units, most, threads, shared, registers, machine):
    """Into how many slices the rois are cut, so that the blocks of all units fill the GPU about once."""
    per_multiprocessor = min(machine.shared_per_multiprocessor // (shared + RESERVED),
                             65536 // (threads * ceil_div(registers, 8) * 8), 2048 // threads)
    blocks = machine.multiprocessors * max(1, per_multiprocessor)
    return max(1, min(blocks // units, most))


class Kernels(object):
    """The kernels of one GPU, compiled when first needed; safe to use from several threads."""

    def __init__(self, index):
        self.device = driver.device(index)
        self.machine = Machine(self.device.multiprocessors, self.device.shared_per_block,
                               self.device.shared_per_multiprocessor)
        self.guard = RoiGuard(self)
        self._modules = {}
        self._lock = threading.Lock()

    def module(self, kernel, scalar, size=1):
        """The loaded module of a kernel for a scalar type and a TAD_SIZE."""
        key = (kernel, scalar, size)
        with self._lock:
            if key not in self._modules:
                self._modules[key] = self.device.load(program.image(self.device, kernel, scalar, size))
            return self._modules[key]

    def forward(self, input, rois, output_size, sampling_ratio):
        """``(B, C, T), (N, 3) -> (N, C, output_size)``; arguments are checked by the caller."""
        input = aligned(input)
        rois = coordinates(rois)
        output = input.new_empty((rois.size(0), input.size(1), output_size))
        if output.numel() == 0:
            return output
        shape = Shape(input.size(0), input.size(1), input.size(2), rois.size(0), output_size, accumulator_size(input))
        layout = forward_layout(shape, self.machine)
        module = self.module("forward", scalar_name(input), layout.size)
        problem = self.problem(shape, layout, input, rois, output, sampling_ratio)
        stream = current_stream(input)
        if layout.tile_values:
            tiles = torch.empty(layout.tile_values, dtype=accumulator(input), device=input.device)
            problem.tiles = tiles.data_ptr()
            module.launch("align1d_tiles", (layout.grid[0], 1), 512, 0, stream, problem)
        name = "align1d_forward_long" if layout.tile_values else "align1d_forward"
        module.launch(name, layout.grid, layout.threads, layout.shared, stream, problem)
        return output

    def backward(self, grad_output, rois, shape, sampling_ratio):
        """The gradient of the input, of ``shape`` (B, C, T)."""
        grad_output = aligned(grad_output)
        rois = coordinates(rois)
        grad_input = grad_output.new_empty(shape)
        if grad_input.numel() == 0 or rois.size(0) == 0:
            return grad_input.zero_()
        shape = Shape(shape[0], shape[1], shape[2], rois.size(0), grad_output.size(2), accumulator_size(grad_output))
        layout = backward_layout(shape, self.machine)
        module = self.module("backward", scalar_name(grad_output), layout.size)
        partial = grad_input
        if layout.slices > 1:
            partial = torch.empty((layout.slices,) + tuple(grad_input.shape), dtype=accumulator(grad_output),
                                  device=grad_output.device)
        problem = self.problem(shape, layout, grad_output, rois, partial, sampling_ratio)
        stream = current_stream(grad_output)
        module.launch("align1d_backward", layout.grid, layout.threads, layout.shared, stream, problem)
        if layout.slices > 1:
            blocks = min(ceil_div(grad_input.numel(), 256), 8 * self.machine.multiprocessors)
            module.launch("align1d_reduce", (blocks, 1), 256, 0, stream, ctypes.c_uint64(partial.data_ptr()),
                          ctypes.c_uint64(grad_input.data_ptr()), ctypes.c_longlong(grad_input.numel()),
                          ctypes.c_int(layout.slices))
        return grad_input

    def check(self, rois, batch, stream):
        """Launch the kernel that marks an unusable roi."""
        rois = coordinates(rois)
        shape = Shape(batch, 1, 1, rois.size(0), 1, 4)
        problem = self.problem(shape, Layout((1, 1), 256, 0, 1, 0), rois, rois, rois, 0)
        blocks = min(ceil_div(rois.size(0), 256), self.machine.multiprocessors)
        self.module("forward", "float32").launch("align1d_check", (blocks, 1), 256, 0, stream, problem)

    def problem(self, shape, layout, values, rois, result, ratio):
        """The record that the kernels take."""
        return Problem(values.data_ptr(), rois.data_ptr(), 0, result.data_ptr(), self.guard.address,
                       int(rois.dtype == torch.float64), shape.batch, shape.channels, shape.snippets, shape.rois,
                       shape.bins, ratio, layout.slices, layout.groups, layout.capacity, layout.stage, layout.windows)


def coordinates(rois):
    """The rois as the kernels read them: float64, or else float32, contiguous."""
    return (rois if rois.dtype in (torch.float32, torch.float64) else rois.float()).contiguous()


def aligned(tensor):
    """The tensor as the kernels read it: contiguous, from an address that 16-byte reads may use."""
    tensor = tensor.contiguous()
    return tensor if tensor.data_ptr() % VECTOR_BYTES == 0 else tensor.clone()


def scalar_name(tensor):
    """``"float32"`` for a tensor of that type."""
    return str(tensor.dtype)[len("torch."):]


def accumulator(tensor):
    """The dtype to add up in."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def accumulator_size(tensor):
    return 8 if tensor.dtype == torch.float64 else 4


def current_stream(tensor):
    """The handle of PyTorch's current stream on the tensor's device."""
    return torch.cuda.current_stream(tensor.device).cuda_stream
