"""The cache against damage, races and folders that cannot be written."""

import os
import subprocess
import sys

import pytest

from tad.ops.align1d_cuda import cache

IMAGE = bytes(bytearray(range(256))) * 3
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(cache.__file__ + "/../..")))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TAD_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "align1d"


def entry(folder):
    found, = folder.iterdir()
    return found


def test_gives_back_what_was_stored(folder):
    assert cache.load("k") is None
    assert cache.store("k", IMAGE) and cache.load("k") == IMAGE and cache.load("other") is None
    assert cache.store("k", b"") and cache.load("k") == b""
    assert len(list(folder.iterdir())) == 1


def test_truncated_at_every_length(folder):
    cache.store("k", IMAGE)
    path = entry(folder)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert cache.load("k") is None, length
    path.write_bytes(whole + b"x")
    assert cache.load("k") is None


def test_every_flipped_bit(folder):
    cache.store("k", IMAGE[:40])
    path = entry(folder)
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(damaged))
        assert cache.load("k") is None, bit
    assert cache.store("k", IMAGE) and cache.load("k") == IMAGE


def test_foreign_entries(folder):
    cache.store("a", IMAGE)
    entry(folder).rename(folder / "b.bin")
    assert cache.load("b") is None
    (folder / "c.bin").write_bytes(b"\x7fELF something else")
    (folder / "d.bin").mkdir()
    assert cache.load("c") is None and cache.load("d") is None
    assert cache.store("d", IMAGE) is False
    assert not [path for path in folder.iterdir() if path.name.startswith(".new-")]


def test_keys_tell_parts_apart():
    parts = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), (b"abc",), (), ("",), ("1:a",), ("1", "a")]
    keys = {cache.key(*each) for each in parts}
    assert len(keys) == len(parts) and all(len(each) == 64 for each in keys)
    assert cache.key("a", b"b") == cache.key("a", b"b")


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TAD_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert cache.load("k") is None and cache.store("k", IMAGE) is False
    assert cache.describe()["writable"] is False and cache.describe()["problem"]


@pytest.mark.parametrize("function", ["replace", "makedirs", "fdopen"])
def test_trouble_with_files(folder, monkeypatch, function):
    def refuse(*arguments, **options):
        raise OSError(28, "No space left on device")

    cache.store("k", b"old")
    monkeypatch.setattr(cache.os, function, refuse)
    assert cache.store("k", IMAGE) is False and cache.load("k") == b"old"
    assert len(list(folder.iterdir())) == 1


def test_a_full_disk(folder, monkeypatch):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    cache.store("k", b"old")
    real = os.fdopen

    def full(handle, mode):
        os.close(handle)
        return real(os.open("/dev/full", os.O_WRONLY), mode)

    monkeypatch.setattr(cache.os, "fdopen", full)
    assert cache.store("k", IMAGE) is False and cache.load("k") == b"old"
    assert len(list(folder.iterdir())) == 1


def test_where_the_folder_is(tmp_path, monkeypatch):
    assert cache.folder() == str(tmp_path / "cache" / "align1d")
    assert cache.describe() == {"path": cache.folder(), "writable": True, "problem": None}
    monkeypatch.delenv("TAD_CACHE_DIR")
    if os.name == "nt":
        monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
        assert cache.folder() == str(tmp_path / "tad" / "align1d")
        return
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == str(tmp_path / "tad" / "align1d")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for relative in ("", "not/absolute"):
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert cache.folder() == str(tmp_path / "home" / ".cache" / "tad" / "align1d")


def test_no_home(tmp_path, monkeypatch):
    for name in ("TAD_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cache.os.path, "expanduser", lambda path: path)  # what it does for a user who is not known
    assert cache.load("k") is None and cache.store("k", IMAGE) is False
    assert cache.describe()["path"] is None and "TAD_CACHE_DIR" in cache.describe()["problem"]
    assert not list(tmp_path.iterdir())


RACER = """
import os, sys, time
from tad.ops.align1d_cuda import cache
while not os.path.exists(sys.argv[1]):
    time.sleep(0.001)
for turn in range(50):
    for name in ("a", "b"):
        found = cache.load(name)
        assert found in (None, name.encode() * 100000), "a torn entry"
        assert turn == 0 or found is not None, "an entry that went away"
        assert cache.store(name, name.encode() * 100000)
"""


def test_sixteen_processes_from_an_empty_cache(folder, tmp_path):
    environment = dict(os.environ, PYTHONPATH=ROOT)
    racers = [subprocess.Popen([sys.executable, "-c", RACER, str(tmp_path / "go")], env=environment)
              for _ in range(16)]
    (tmp_path / "go").touch()
    assert [racer.wait() for racer in racers] == [0] * 16
    assert sorted(path.name for path in folder.iterdir()) == ["a.bin", "b.bin"]
