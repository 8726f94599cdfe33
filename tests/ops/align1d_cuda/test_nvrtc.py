"""Where NVRTC is looked for, in layouts made of empty files; and what it does, where this machine has one."""

import os
import sys
import threading
import types

import pytest

from tad.ops.align1d_cuda import nvrtc

KERNEL = 'extern "C" __global__ void twice(float* x) { x[threadIdx.x] *= 2.f; }'


@pytest.fixture(autouse=True)
def forget():
    nvrtc.load.cache_clear()
    yield
    nvrtc.load.cache_clear()


@pytest.fixture
def library():
    pytest.importorskip("torch")
    try:
        return nvrtc.load()
    except nvrtc.NvrtcError:
        pytest.skip("no NVRTC on this machine; pip install nvidia-cuda-nvrtc")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Makes empty files under a folder that stands for the whole machine; ``place.cuda`` is PyTorch's CUDA."""
    site = tmp_path / "site-packages"
    fake = types.SimpleNamespace(__file__=str(site / "torch" / "__init__.py"), version=types.SimpleNamespace(cuda=None))
    monkeypatch.setitem(sys.modules, "torch", fake)
    monkeypatch.setattr(sys, "path", [str(site)])
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "conda"))
    monkeypatch.delenv("CUDA_PATH", raising=False)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))

    def make(*names, **options):
        fake.version.cuda = options.get("cuda")
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        found = [(path, origin) for path, origin in nvrtc.candidates() if path.startswith(str(tmp_path))]
        return [(os.path.relpath(path, str(tmp_path)).replace(os.sep, "/"), origin) for path, origin in found]

    return make


@pytest.mark.parametrize("cuda, names, expected", [
    ("9.0", ["libnvrtc-007d19c9.so.9.0", "libnvrtc-builtins.so", "libcaffe2_nvrtc.so"], "libnvrtc-007d19c9.so.9.0"),
    ("10.1", ["libnvrtc-builtins.so", "libnvrtc-5e8a26c9.so.10.1"], "libnvrtc-5e8a26c9.so.10.1"),
    ("11.3", ["libnvrtc-1ea278b5.so.11.2", "libnvrtc-builtins.so.11.3"], "libnvrtc-1ea278b5.so.11.2"),
    ("12.1", ["libnvrtc-b51b459d.so.12", "libnvrtc-builtins.so.12.1"], "libnvrtc-b51b459d.so.12"),
    ("10.1", ["nvrtc64_101_0.dll", "nvrtc-builtins64_101.dll", "caffe2_nvrtc.dll"], "nvrtc64_101_0.dll"),
    ("11.8", ["nvrtc64_112_0.dll", "nvrtc64_112_0.alt.dll", "nvrtc-builtins64_118.dll"], "nvrtc64_112_0.dll"),
])
def test_finds_the_one_inside_pytorch(place, cuda, names, expected):
    found = place(*["site-packages/torch/lib/" + name for name in names], cuda=cuda)
    assert found == [("site-packages/torch/lib/" + expected, "PyTorch")]


@pytest.mark.parametrize("folder, name, others, origin", [
    ("site-packages/nvidia/cuda_nvrtc/lib", "libnvrtc.so.11.2", ["libnvrtc-builtins.so.11.7"], "nvidia wheel"),
    ("site-packages/nvidia/cuda_nvrtc/lib", "libnvrtc.so.12", ["libnvrtc-builtins.so.12.4"], "nvidia wheel"),
    ("site-packages/nvidia/cu13/lib", "libnvrtc.so.13", ["libnvrtc.alt.so.13", "libnvrtc-builtins.alt.so.13.0"],
     "nvidia wheel"),
    ("site-packages/nvidia/cuda_nvrtc/bin", "nvrtc64_120_0.dll", ["nvrtc64_120_0.alt.dll"], "nvidia wheel"),
    ("site-packages/nvidia/cu13/bin/x86_64", "nvrtc64_130_0.dll", [], "nvidia wheel"),
    ("conda/lib", "libnvrtc.so.12.4.127", ["libnvrtc_static.a", "libnvrtc-builtins.so.12.4.127"], "conda"),
    ("conda/Library/bin", "nvrtc64_112_0.dll", [], "conda"),
    ("cuda/lib64", "libnvrtc.so.11.8.89", [], "CUDA toolkit"),
    ("cuda/bin", "nvrtc64_90.dll", [], "CUDA toolkit"),
])
def test_finds_it_outside(place, folder, name, others, origin):
    assert place(*[folder + "/" + each for each in [name] + others]) == [(folder + "/" + name, origin)]


def test_links_to_one_file_count_once(place, tmp_path):
    place("cuda/lib64/libnvrtc.so.12.4.127")
    for link in ("libnvrtc.so", "libnvrtc.so.12"):
        (tmp_path / "cuda" / "lib64" / link).symlink_to("libnvrtc.so.12.4.127")
    assert len(place()) == 1


EVERYWHERE = ["site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12", "site-packages/nvidia/cu13/lib/libnvrtc.so.13",
              "conda/lib/libnvrtc.so.11.2", "cuda/lib64/libnvrtc.so.12"]


@pytest.mark.parametrize("cuda, first", [("11.8", 2), ("12.4", 0), ("13.0", 1), (None, 0), ("10.2", 0)])
def test_prefers_the_major_version_of_pytorch(place, cuda, first):
    found = [path for path, _ in place(*EVERYWHERE, cuda=cuda)]
    assert found[0] == EVERYWHERE[first] and sorted(found) == sorted(EVERYWHERE)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of Linux")
def test_asks_the_loader_last(place):
    place(*EVERYWHERE, cuda="12.4")
    names = [path for path, origin in nvrtc.candidates() if origin == "the system's loader"]
    assert names[:2] == ["libnvrtc.so.12", "libnvrtc.so"] and nvrtc.candidates()[0][1] == "nvidia wheel"


def test_none_says_where_it_looked_and_what_to_do(place, monkeypatch):
    place("cuda/lib64/libnvrtc.so.12")
    monkeypatch.setattr(nvrtc, "SONAMES", ["libnvrtc-no-such.so"])
    monkeypatch.setattr(nvrtc.glob, "glob", lambda pattern: [])
    with pytest.raises(nvrtc.NvrtcError) as caught:
        nvrtc.load()
    message = str(caught.value)
    assert "pip install nvidia-cuda-nvrtc" in message.split("\n")[0]
    assert "libnvrtc.so.12 (CUDA toolkit)" in message and "libnvrtc-no-such.so (the system's loader)" in message


def test_a_broken_candidate_gives_way_to_the_next(library, tmp_path, monkeypatch):
    broken = tmp_path / "libnvrtc.so.12"
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(nvrtc, "candidates", lambda: [(str(broken), "PyTorch"), (library.path, "second")])
    nvrtc.load.cache_clear()
    assert nvrtc.load().origin == "second"


def test_a_library_that_is_not_nvrtc_is_refused():
    with pytest.raises(nvrtc.NvrtcError):
        nvrtc.load("libc.so.6")


def test_makes_ptx_and_cubin(library):
    number = library.architectures()[-1]
    made = library.compile(KERNEL, "twice.cu", ["--gpu-architecture=compute_%d" % number])
    assert b".visible .entry twice" in made.ptx and made.ptx.endswith(b"\0") and made.cubin is None
    if library.can_make_cubin:
        made = library.compile(KERNEL, "twice.cu", ["--gpu-architecture=sm_%d" % number])
        assert made.cubin.startswith(b"\x7fELF") and made.ptx is None


def test_makes_every_architecture_that_it_names(library):
    assert list(library.architectures()) == sorted(set(library.architectures())) != []
    for number in library.architectures():
        made = library.compile(KERNEL, "twice.cu", ["--gpu-architecture=compute_%d" % number])
        assert (".target sm_%d" % number).encode() in made.ptx


def test_an_error_carries_the_log(library):
    with pytest.raises(nvrtc.NvrtcError) as caught:
        library.compile("__global__ void k() {\n  wrong;\n}", "my kernel.cu", [])
    assert "my kernel.cu(2): error" in str(caught.value) and "wrong" in str(caught.value)


def test_a_refused_option_is_named(library):
    with pytest.raises(nvrtc.NvrtcError, match="--no-such-option"):
        library.compile(KERNEL, "twice.cu", ["--no-such-option"])


def test_warnings_are_in_the_log(library):
    made = library.compile(KERNEL.replace("{", "{ int unused;"), "twice.cu", [])
    assert "unused" in made.log and "\0" not in made.log


@pytest.mark.parametrize("source", [KERNEL, "syntax error"])
def test_programs_are_freed(library, source):
    counts, real = {"nvrtcCreateProgram": 0, "nvrtcDestroyProgram": 0}, library._library

    class Counting:
        def __getattr__(self, name):
            counts[name] = counts.get(name, 0) + 1
            return getattr(real, name)

    library._library = Counting()
    try:
        library.compile(source, "twice.cu", [])
    except nvrtc.NvrtcError:
        pass
    assert counts["nvrtcCreateProgram"] == counts["nvrtcDestroyProgram"] == 1


def test_threads_compile_at_the_same_time(library):
    done = []

    def work(number):
        done.append((number, nvrtc.load().compile(KERNEL.replace("2.f", "%d.f" % number), "twice.cu", []).ptx))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 8 and len({ptx for _, ptx in done}) == 8


def old(version):
    """An NVRTC whose library has none of the newer functions."""
    made = nvrtc.Nvrtc.__new__(nvrtc.Nvrtc)
    made.version, made.path, made._library = version, "old", object()
    return made


@pytest.mark.parametrize("version, newest", [((9, 0), 70), ((9, 2), 70), ((10, 0), 75), ((10, 2), 75), ((11, 0), 80),
                                             ((11, 1), 86)])
def test_versions_that_cannot_be_asked(version, newest, monkeypatch):
    monkeypatch.setattr(nvrtc.platform, "machine", lambda: "x86_64")
    known = old(version).architectures()
    assert known[-1] == newest and 35 in known and not set(known) & {32, 53, 62, 72}
    monkeypatch.setattr(nvrtc.platform, "machine", lambda: "aarch64")
    assert 53 in old(version).architectures()


def test_old_versions_refuse_cubins():
    assert not old((10, 1)).can_make_cubin
    with pytest.raises(nvrtc.NvrtcError, match="10.1 cannot make a cubin"):
        old((10, 1)).compile(KERNEL, "twice.cu", ["--gpu-architecture=sm_70"])
