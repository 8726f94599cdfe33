"""The conda environment is the pinned pair cuda10, with the packages that its locks hold."""

import re

import environments
import yaml

from tests.docker import text

ENTRY = environments.load()["cuda10"]


def pins():
    """``{package: version}`` for conda, the same for pip, and what pip gets beside."""
    dependencies = yaml.safe_load(text("env.yml"))["dependencies"]
    conda = dict(line.split("=") for line in dependencies if isinstance(line, str))
    lines, = [line["pip"] for line in dependencies if isinstance(line, dict)]
    pip = dict(line.split("==") for line in lines if "==" in line)
    return conda, pip, [line for line in lines if "==" not in line]


def test_the_pair_is_that_of_the_table():
    conda, pip, rest = pins()
    assert [conda.pop(name) for name in ("python", "pytorch", "cudatoolkit")] == [
        ENTRY["python"], ENTRY["torch"], ENTRY["cuda"]]
    assert rest == ["-e ."]


def test_every_pin_is_that_of_the_locks():
    conda, pip, _ = pins()
    locked = {}
    for lock in environments.lock_names(ENTRY):
        locked.update(environments.read_lock(environments.lock_path("cuda10", lock)))
    # conda's name of matplotlib without Qt
    conda["matplotlib"] = conda.pop("matplotlib-base")
    for pinned in (conda, pip):
        for package, version in pinned.items():
            if package not in ("python", "pytorch", "cudatoolkit"):
                assert locked[environments.canonical(package)] == version, package


def test_nothing_that_tad_needs_is_left_to_chance():
    conda, pip, _ = pins()
    there = {environments.canonical(package) for package in list(conda) + list(pip)} | {"matplotlib"}
    needed = environments.declared("options", "install_requires")
    names = {environments.canonical(re.match(r"[A-Za-z0-9._-]+", line).group()) for line in needed}
    assert names | {"pytest", "scipy"} <= there
