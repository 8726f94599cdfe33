"""The locked requirements: pinned, hashed, in agreement with each other, setup.cfg and the table."""

import os
import re

import environments
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.docker import ROOT, text

TABLE = environments.load()
LOCKS = [(name, lock) for name in sorted(TABLE) for lock in environments.lock_names(TABLE[name])]
each = pytest.mark.parametrize("name, lock", LOCKS)
each_name = pytest.mark.parametrize("name", sorted(TABLE))
RELOCK = "; python3 bootstrap.py -s lock"


def locked(name, lock):
    return environments.read_lock(environments.lock_path(name, lock))


@each
def test_every_line_is_a_pin_with_hashes(name, lock):
    lines = [line for line in text(environments.lock_path(name, lock)).replace("\\\n", "").splitlines()
             if line.strip() and not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+==[^\s;]+(\s+--hash=sha256:[0-9a-f]{64})+\s*$", line), line
    assert len(locked(name, lock)) == len(lines), "a package is there twice"


@each
def test_a_lock_tells_what_resolved_it(name, lock):
    """Another release of the resolver may choose otherwise, so locks are written anew with it."""
    assert text(environments.lock_path(name, lock)).splitlines()[1] == "#    " + environments.LOCK_COMMAND, RELOCK


@each
def test_no_lock_holds_pytorch_or_an_unfinished_version(name, lock):
    """PyTorch has a line of its own, because its index and PyPI have different builds of one version."""
    assert "torch" not in locked(name, lock)
    assert [package for package, version in locked(name, lock).items() if Version(version).is_prerelease] == []


@each
def test_what_is_asked_for_is_locked(name, lock):
    """A requirement that was added to setup.cfg or the table, but not locked, is missing here."""
    found, entry = locked(name, lock), TABLE[name]
    for line in environments.lock_inputs(name, lock, TABLE):
        wanted = Requirement(line)
        if wanted.name == "torch":
            continue
        if wanted.marker is None or wanted.marker.evaluate({"python_version": entry["python"]}):
            version = found.get(environments.canonical(wanted.name))
            assert version and Version(version) in wanted.specifier, "%s, locked %s%s" % (line, version, RELOCK)


@each_name
def test_the_locks_of_an_environment_agree(name):
    versions = {}
    for lock in environments.lock_names(TABLE[name]):
        for package, version in locked(name, lock).items():
            assert versions.setdefault(package, version) == version, "%s in %s-%s%s" % (package, name, lock, RELOCK)


@each_name
def test_what_is_held_is_used(name):
    for package, version in TABLE[name]["held"].items():
        assert locked(name, "run")[environments.canonical(package)] == version, package + RELOCK


@each_name
def test_cuda_libraries_are_locked_where_both_builds_need_the_same(name):
    libraries = {package: version for package, version in locked(name, "run").items()
                 if package.startswith(environments.LIBRARIES)}
    if TABLE[name]["cuda"] != TABLE[name]["pypi_cuda"]:
        assert libraries == {}
    elif "cuda-toolkit" in libraries:
        assert libraries["cuda-toolkit"].startswith(TABLE[name]["cuda"] + "."), RELOCK


def test_no_lock_is_left_over():
    present = {name for name in os.listdir(os.path.join(ROOT, "docker")) if name.startswith("requirements-")}
    assert present == {os.path.basename(environments.lock_path(*each)) for each in LOCKS}


def test_reading_a_lock(tmp_path):
    path = tmp_path / "lock.txt"
    path.write_text(u"# made by\nPy_YAML==5.4.1 \\\n    --hash=sha256:00\n    # via tad\nnumpy==1.17.5 --hash=x\n")
    assert environments.read_lock(str(path)) == {"py-yaml": "5.4.1", "numpy": "1.17.5"}


def test_libraries_are_left_out_with_their_hashes(tmp_path):
    path = tmp_path / "lock.txt"
    kept = u"# made by\nnumpy==1.2 \\\n    --hash=a\n    # via x\n"
    path.write_text(kept + u"nvidia-cublas==1.0 \\\n    --hash=b\nzipp==1.0\n")
    environments.leave_out_libraries(str(path))
    assert path.read_text() == kept + u"zipp==1.0\n"
