"""Finds NVRTC, NVIDIA's run-time compiler for CUDA, and drives it through ctypes.

PyTorch ships NVRTC with every CUDA build, so no toolkit has to be installed. Importing this module imports nothing
heavy; :func:`candidates` asks PyTorch where it is installed.
"""

import collections
import ctypes
import functools
import glob
import os
import platform
import re
import sys

Program = collections.namedtuple("Program", "ptx cubin log")
Program.__doc__ = "What a compilation gave: PTX (ends with a zero byte) or a cubin, the other is None; and the log."

# Names of NVRTC that the system's loader may know (ldconfig, LD_LIBRARY_PATH), newest first.
SONAMES = ["libnvrtc.so" + suffix for suffix in (
    ".13", ".12", ".11.2", ".11.1", ".11.0", ".10.2", ".10.1", ".10.0", ".9.2", ".9.1", ".9.0", "")]

# What NVRTC compiles for, for versions that cannot be asked (before 11.2). Those in TEGRA are accepted as an option
# everywhere, but only the libraries for ARM processors have the builtins that they need.
ARCHITECTURES = [
    ((11, 1), (35, 37, 50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86)),
    ((11, 0), (35, 37, 50, 52, 53, 60, 61, 62, 70, 72, 75, 80)),
    ((10, 0), (30, 32, 35, 37, 50, 52, 53, 60, 61, 62, 70, 72, 75)),
    ((9, 0), (30, 32, 35, 37, 50, 52, 53, 60, 61, 62, 70)),
]
TEGRA = (32, 53, 62, 72)


class NvrtcError(Exception):
    """NVRTC is missing or refused; one sentence, followed by the compiler's log when there is one."""


def candidates():
    """Every NVRTC in reach as ``(path, origin)``, best first.

    The order is PyTorch's own, the ``nvidia-*`` wheels, conda, the system's CUDA, and last the plain names that the
    system's loader may know, which may not exist. Those of the major version that PyTorch was built for come first.
    """
    import torch
    package = os.path.dirname(os.path.abspath(torch.__file__))
    found, seen = [], set()
    for folder, origin in _folders(package):
        for path in libraries(folder):
            if os.path.realpath(path) not in seen:
                seen.add(os.path.realpath(path))
                found.append((path, origin))
    if sys.platform.startswith("linux"):
        found += [(name, "the system's loader") for name in SONAMES]
    return prefer(found, getattr(torch.version, "cuda", None))


def _folders(package):
    """Where NVRTC may be, as ``(folder, origin)``; ``package`` is the folder of the installed PyTorch."""
    yield os.path.join(package, "lib"), "PyTorch"
    sites = [os.path.dirname(package)] + [entry for entry in sys.path if entry]
    for site in sites:
        for inner in ("lib", "bin", os.path.join("bin", "x64"), os.path.join("bin", "x86_64")):
            for folder in sorted(glob.glob(os.path.join(glob.escape(site), "nvidia", "*", inner)), reverse=True):
                yield folder, "nvidia wheel"
    for inner in ("lib", os.path.join("Library", "bin"), os.path.join("Library", "bin", "x64")):
        yield os.path.join(sys.prefix, inner), "conda"
    homes = [os.environ[name] for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    homes += sorted(glob.glob("/usr/local/cuda*"), key=_numbers, reverse=True)
    for home in homes:
        for inner in ("lib64", "lib", "bin", os.path.join("bin", "x64")):
            yield os.path.join(home, inner), "CUDA toolkit"
    if os.name == "nt":
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            yield folder, "PATH"


def _numbers(path):
    return [int(number) for number in re.findall(r"\d+", os.path.basename(path))]


def libraries(folder):
    """The NVRTC libraries in a folder, newest first.

    Names like ``libnvrtc.so.12``, ``libnvrtc-5e8a26c9.so.10.1``, ``nvrtc64_112_0.dll``; not the builtins libraries, the
    ``.alt`` builds that the newest wheels carry beside them, nor static libraries.
    """
    return _matching(folder, r"libnvrtc(-[0-9a-f]+)?\.so(\.[\d.]+)?|nvrtc64_\d+(_0)?\.dll")


def _builtins(folder, version):
    """The builtins libraries in a folder that belong to a version or do not tell theirs."""
    number = r"%d\.%d" % version
    return _matching(folder, r"libnvrtc-builtins(-[0-9a-f]+)?\.so(\.%s[\d.]*)?|nvrtc-builtins64_%d%d\.dll"
                     % ((number,) + version))


def _matching(folder, pattern):
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = [name for name in names if re.match("(?:%s)$" % pattern, name)]
    return [os.path.join(folder, name) for name in sorted(found, key=lambda name: (_numbers(name), name), reverse=True)]


def prefer(found, cuda):
    """Those of the major version of ``cuda`` (``"12.4"`` or None) first, otherwise in the given order."""
    if not cuda:
        return found
    major = int(cuda.split(".")[0])
    return sorted(found, key=lambda item: _major(item[0]) not in (major, None))


def _major(path):
    """The major version that a library's name tells, or None."""
    name = os.path.basename(os.path.realpath(path) if os.path.dirname(path) else path)
    linux, windows = re.search(r"\.so\.(\d+)", name), re.match(r"nvrtc64_(\d+)\d", name)
    match = linux or windows
    return int(match.group(1)) if match else None


@functools.lru_cache(maxsize=None)
def load(path=None):
    """The best NVRTC that loads, or the one at ``path``; raises :class:`NvrtcError` that says where it looked."""
    tried = []
    for candidate, origin in candidates() if path is None else [(path, "given")]:
        try:
            return Nvrtc(candidate, origin)
        except (OSError, AttributeError, NvrtcError) as error:
            tried.append("%s (%s): %s" % (candidate, origin, error))
    raise NvrtcError(
        "No usable NVRTC library was found; install one for the CUDA version that PyTorch was built for: "
        "pip install nvidia-cuda-nvrtc (CUDA 13), nvidia-cuda-nvrtc-cu12 or nvidia-cuda-nvrtc-cu11.\nTried: %s"
        % "\n".join(tried))


class Nvrtc:
    """A loaded NVRTC; its methods may be called from several threads."""

    def __init__(self, path, origin="given"):
        self.path, self.origin = path, origin
        self._library = ctypes.CDLL(path)
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p
        self.version = self._version()
        self.missing = []  # why builtins libraries could not be loaded; told when a compilation fails
        self._handles = self._load_builtins()

    def _version(self):
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        return major.value, minor.value

    def _load_builtins(self):
        """Loads the builtins library beside NVRTC, which opens it by its plain name.

        Most builds find it through a run path of ``$ORIGIN``; 13.0 of the wheels has none, nor do Windows' libraries.
        """
        folder = os.path.dirname(self.path)
        handles = []
        for path in _builtins(folder, self.version) if folder else []:
            try:
                handles.append(ctypes.CDLL(path))
            except OSError as error:
                self.missing.append(str(error))
        return handles

    def _call(self, function, *arguments):
        code = getattr(self._library, function)(*arguments)
        if code != 0:
            reason = self._library.nvrtcGetErrorString(code).decode("ascii", "replace")
            raise NvrtcError("%s of %s failed: %s" % (function, self.path, reason))

    @property
    def can_make_cubin(self):
        """Whether it compiles down to machine code (since 11.1), not only to PTX."""
        return hasattr(self._library, "nvrtcGetCUBIN")

    def architectures(self):
        """The architectures it compiles for, ascending: ``(50, 52, ..., 90)``."""
        if not hasattr(self._library, "nvrtcGetSupportedArchs"):
            known = next((known for version, known in ARCHITECTURES if self.version >= version), ())
            return tuple(number for number in known if number not in TEGRA or platform.machine() == "aarch64")
        count = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        numbers = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", numbers)
        return tuple(sorted(numbers))

    def compile(self, source, name, options):
        """Compiles CUDA source for the ``--gpu-architecture`` in ``options``: ``sm_XX`` gives a cubin, else PTX.

        :param source: str; includes are resolved only through ``-I`` options.
        :param name: what messages call the source.
        :returns: :class:`Program`.
        :raises NvrtcError: with the compiler's log.
        """
        binary = any(re.match(r"(--gpu-architecture|-arch)=sm_", option) for option in options)
        if binary and not self.can_make_cubin:
            raise NvrtcError("NVRTC %d.%d cannot make a cubin (sm_XX), only PTX (compute_XX)." % self.version)
        program = ctypes.c_void_p()
        self._call("nvrtcCreateProgram", ctypes.byref(program), ctypes.c_char_p(source.encode("utf-8")),
                   ctypes.c_char_p(name.encode("utf-8")), 0, None, None)
        try:
            log = self._compile(program, name, options)
            image = self._fetch(program, "CUBIN" if binary else "PTX")
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))
        return Program(None, image, log) if binary else Program(image, None, log)

    def _compile(self, program, name, options):
        flags = (ctypes.c_char_p * len(options))(*[option.encode("utf-8") for option in options])
        code = self._library.nvrtcCompileProgram(program, len(options), flags)
        log = self._fetch(program, "ProgramLog").rstrip(b"\0").decode("utf-8", "replace")
        if code != 0:
            reason = self._library.nvrtcGetErrorString(code).decode("ascii", "replace")
            raise NvrtcError("NVRTC %d.%d could not compile %s with %s: %s.\n%s"
                             % (self.version + (name, " ".join(options), reason, "\n".join([log] + self.missing))))
        return log

    def _fetch(self, program, what):
        """Reads ``PTX``, ``CUBIN`` or ``ProgramLog`` of a program."""
        size = ctypes.c_size_t()
        self._call("nvrtcGet%sSize" % what, program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self._call("nvrtcGet" + what, program, buffer)
        return buffer.raw
