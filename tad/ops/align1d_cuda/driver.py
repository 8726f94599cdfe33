"""The CUDA driver through ctypes: what it takes to load a kernel and launch it in PyTorch's own context.

The driver's interface is stable from CUDA 9 to today, and there is one driver on a machine, whatever CUDA PyTorch was
built for. Nothing here imports PyTorch.
"""

import contextlib
import ctypes
import functools
import os
import threading

COMPUTE_MAJOR, COMPUTE_MINOR = 75, 76      # CUdevice_attribute
MULTIPROCESSORS = 16
SHARED_PER_BLOCK, SHARED_PER_BLOCK_OPTIN, SHARED_PER_MULTIPROCESSOR = 8, 97, 81
FUNCTION_DYNAMIC_SHARED, FUNCTION_REGISTERS = 8, 4  # CUfunction_attribute
CUBIN = 0                                  # CUjitInputType is 1 for PTX; CU_JIT_INPUT_CUBIN is 0
PTX = 1
RELAXED = 2                                # CUstreamCaptureMode
INIT_ERRORS = {100: " (no GPU)", 803: " (the driver's library does not belong to the loaded kernel module)"}
HOST_ALLOC_PORTABLE_DEVICEMAP = 1 | 2


class DriverError(Exception):
    """A call of the CUDA driver failed; the message names the call and the driver's reason."""


@functools.lru_cache(maxsize=None)
def opened():
    """The driver's library, not initialized."""
    name = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise DriverError("the CUDA driver's library %s is not there: %s" % (name, error))


@functools.lru_cache(maxsize=None)
def library():
    """The driver's library, initialized."""
    code = opened().cuInit(0)
    if code != 0:
        raise DriverError("cuInit failed with error %d%s" % (code, INIT_ERRORS.get(code, "")))
    return opened()


def call(function, *arguments):
    """Call a function of the driver; :class:`DriverError` unless it succeeds."""
    code = getattr(library(), function)(*arguments)
    if code != 0:
        text = ctypes.c_char_p()
        library().cuGetErrorString(code, ctypes.byref(text))
        raise DriverError("%s failed with error %d (%s)"
                          % (function, code, text.value.decode("ascii", "replace") if text.value else "unknown"))


@functools.lru_cache(maxsize=None)
def version():
    """The newest CUDA that the driver supports: 13000 for 13.0. Works without a GPU."""
    found = ctypes.c_int()
    code = opened().cuDriverGetVersion(ctypes.byref(found))
    if code != 0:
        raise DriverError("cuDriverGetVersion failed with error %d" % code)
    return found.value


def gpus():
    """Name and architecture (90 for 9.0) of every GPU, in PyTorch's order; makes no context on them."""
    count, found = ctypes.c_int(), []
    call("cuDeviceGetCount", ctypes.byref(count))
    for index in range(count.value):
        handle, name, capability = ctypes.c_int(), ctypes.create_string_buffer(256), []
        call("cuDeviceGet", ctypes.byref(handle), index)
        call("cuDeviceGetName", name, len(name), handle)
        for number in (COMPUTE_MAJOR, COMPUTE_MINOR):
            value = ctypes.c_int()
            call("cuDeviceGetAttribute", ctypes.byref(value), number, handle)
            capability.append(value.value)
        found.append((name.value.decode("utf-8", "replace"), 10 * capability[0] + capability[1]))
    return found


@functools.lru_cache(maxsize=None)
def device(index):
    """The :class:`Device` that PyTorch calls ``cuda:index``."""
    return Device(index)


class Device(object):
    """One GPU, and its primary context, which PyTorch uses too."""

    def __init__(self, index):
        self.index = index
        self._handle = ctypes.c_int()
        call("cuDeviceGet", ctypes.byref(self._handle), index)
        self.capability = 10 * self.attribute(COMPUTE_MAJOR) + self.attribute(COMPUTE_MINOR)
        self.multiprocessors = self.attribute(MULTIPROCESSORS)
        self.shared_per_block = max(self.attribute(SHARED_PER_BLOCK), self.attribute(SHARED_PER_BLOCK_OPTIN))
        self.shared_per_multiprocessor = max(self.shared_per_block, self.attribute(SHARED_PER_MULTIPROCESSOR))
        self._context = ctypes.c_void_p()
        call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), self._handle)

    def attribute(self, number):
        """An attribute of the device; 0 where the driver does not know it."""
        value = ctypes.c_int()
        code = library().cuDeviceGetAttribute(ctypes.byref(value), number, self._handle)
        return value.value if code == 0 else 0

    @contextlib.contextmanager
    def current(self):
        """The device's primary context, current in this thread for the block."""
        present = ctypes.c_void_p()
        call("cuCtxGetCurrent", ctypes.byref(present))
        if present.value == self._context.value:
            yield
            return
        call("cuCtxPushCurrent_v2", self._context)
        try:
            yield
        finally:
            call("cuCtxPopCurrent_v2", ctypes.byref(present))

    def load(self, image):
        """The :class:`Module` of a cubin or of PTX."""
        with self.current(), relaxed_capture():
            handle = ctypes.c_void_p()
            call("cuModuleLoadData", ctypes.byref(handle), image)
        return Module(self, handle)

    def assemble(self, ptx):
        """PTX translated by the driver to a cubin for this device."""
        with self.current(), relaxed_capture():
            state, cubin, size = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_size_t()
            call("cuLinkCreate_v2", 0, None, None, ctypes.byref(state))
            try:
                call("cuLinkAddData_v2", state, PTX, ptx, ctypes.c_size_t(len(ptx)), b"align1d", 0, None, None)
                call("cuLinkComplete", state, ctypes.byref(cubin), ctypes.byref(size))
                return ctypes.string_at(cubin, size.value)
            finally:
                call("cuLinkDestroy", state)

    def mapped_word(self):
        """A zeroed 64-bit word of host memory that kernels can write: ``(ctypes.c_longlong, device address)``."""
        with self.current(), relaxed_capture():
            host, address = ctypes.c_void_p(), ctypes.c_uint64()
            call("cuMemHostAlloc", ctypes.byref(host), ctypes.c_size_t(8), HOST_ALLOC_PORTABLE_DEVICEMAP)
            word = ctypes.c_longlong.from_address(host.value)
            word.value = 0
            call("cuMemHostGetDevicePointer_v2", ctypes.byref(address), host, 0)
        return word, address.value

    def wait(self, stream):
        """Wait for a stream."""
        with self.current():
            call("cuStreamSynchronize", ctypes.c_void_p(stream))


class Module(object):
    """Loaded kernels."""

    def __init__(self, device, handle):
        self.device = device
        self._handle = handle
        self._functions = {}
        self._lock = threading.Lock()

    def function(self, name):
        """A kernel's handle and its registers per thread; it may use all of a block's shared memory."""
        with self._lock:
            if name not in self._functions:
                handle, registers = ctypes.c_void_p(), ctypes.c_int()
                call("cuModuleGetFunction", ctypes.byref(handle), self._handle, name.encode("ascii"))
                call("cuFuncGetAttribute", ctypes.byref(registers), FUNCTION_REGISTERS, handle)
                if self.device.shared_per_block > 49152:
                    call("cuFuncSetAttribute", handle, FUNCTION_DYNAMIC_SHARED, self.device.shared_per_block)
                self._functions[name] = handle, registers.value
            return self._functions[name]

    def launch(self, name, grid, threads, shared, stream, *arguments):
        """Launch a kernel.

        :param grid: ``(x, y)`` blocks.
        :param threads: in a block.
        :param shared: bytes of dynamic shared memory.
        :param stream: handle of the stream, an int.
        :param arguments: ctypes values, as the kernel takes them.
        """
        handle = self.function(name)[0]
        pointers = (ctypes.c_void_p * len(arguments))(*[ctypes.addressof(value) for value in arguments])
        with self.device.current():
            call("cuLaunchKernel", handle, grid[0], grid[1], 1, threads, 1, 1, shared, ctypes.c_void_p(stream),
                 pointers, None)


@contextlib.contextmanager
def relaxed_capture():
    """Allows this thread to load and allocate while a stream is being captured into a CUDA graph.

    Only loading and allocating need it; both happen outside the captured stream.
    """
    exchange = getattr(library(), "cuThreadExchangeStreamCaptureMode", None)  # since CUDA 10.1
    if exchange is None:
        yield
        return
    mode = ctypes.c_int(RELAXED)
    exchange(ctypes.byref(mode))
    try:
        yield
    finally:
        exchange(ctypes.byref(mode))
