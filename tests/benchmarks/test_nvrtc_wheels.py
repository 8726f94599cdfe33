"""Reading libraries out of wheels: the right members, damage found, and a server that refuses range requests."""

import functools
import http.server
import os
import subprocess
import sys
import threading
import zipfile

import pytest

BENCHMARKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "benchmarks")
if sys.version_info < (3, 8):
    pytest.skip("the compile matrix runs on newer Pythons", allow_module_level=True)
pytest.importorskip("pip")
sys.path.insert(0, BENCHMARKS)
import nvrtc_wheels  # noqa: E402

LIBRARY, BUILTINS = os.urandom(300000), os.urandom(2000)
NAME = "fake_nvrtc-1.0-py3-none-manylinux2014_x86_64.whl"


@pytest.fixture
def wheel(tmp_path):
    folder = tmp_path / "simple" / "fake-nvrtc"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(str(folder / NAME), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("torch/lib/libnvrtc-5e8a26c9.so.10.1", LIBRARY)
        archive.writestr("torch/lib/libnvrtc-builtins.so", BUILTINS)
        for name in ("torch/lib/libcaffe2_nvrtc.so", "nvidia/lib/libnvrtc.alt.so.13", "ptxas.txt"):
            archive.writestr(name, b"not wanted")
        archive.writestr("fake_nvrtc-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: fake-nvrtc\nVersion: 1.0\n")
        archive.writestr("fake_nvrtc-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    return folder / NAME


def check(folder):
    assert sorted(os.listdir(folder)) == ["libnvrtc-5e8a26c9.so.10.1", "libnvrtc-builtins.so", "members.json"]
    with open(os.path.join(folder, "libnvrtc-5e8a26c9.so.10.1"), "rb") as stream:
        assert stream.read() == LIBRARY


def test_takes_the_libraries_only(wheel, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    with open(str(wheel), "rb") as stream:
        nvrtc_wheels.extract(stream, NAME, str(folder))
    check(str(folder))


def test_finds_damage(wheel, tmp_path):
    data = bytearray(wheel.read_bytes())
    data[100000] ^= 1
    wheel.write_bytes(bytes(data))
    with open(str(wheel), "rb") as stream, pytest.raises(zipfile.BadZipFile):
        nvrtc_wheels.extract(stream, NAME, str(tmp_path))
    assert not (tmp_path / "members.json").exists()


class Server(http.server.SimpleHTTPRequestHandler):
    """A package index; with ``ranges`` it answers range requests."""

    ranges = False

    def do_GET(self):  # noqa: N802
        wanted = self.headers.get("Range")
        if not (self.ranges and wanted):
            self.server.whole |= self.path.endswith(".whl")
            return super().do_GET()
        first, last = [int(number) for number in wanted.split("=")[1].split("-")]
        with open(self.translate_path(self.path), "rb") as stream:
            stream.seek(first)
            data = stream.read(last - first + 1)
        self.send_response(206)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        return None

    def end_headers(self):
        if self.ranges:
            self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize("ranges", [True, False])
def test_reads_from_an_index(wheel, tmp_path, monkeypatch, ranges):
    handler = functools.partial(type("Handler", (Server,), {"ranges": ranges}), directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.whole = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:%d/simple" % server.server_port)
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        script = "import sys, nvrtc_wheels; nvrtc_wheels.fetch('fake-nvrtc==1.0', sys.argv[1])"
        try:
            subprocess.check_call([sys.executable, "-c", script, str(tmp_path / "cache")], cwd=BENCHMARKS)
        finally:
            server.shutdown()
    assert server.whole is not ranges
    check(str(tmp_path / "cache" / "fake-nvrtc-1.0"))
