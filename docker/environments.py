"""Reads ``environments.toml``: what each pinned environment holds and how pip gets it. For noxfile.py and the tests."""

import configparser
import importlib
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TABLE = os.path.join(HERE, "environments.toml")
SOURCES = ("pytorch", "pypi")
LIBRARIES = ("nvidia-", "cuda-", "triton")  # what PyTorch requires beyond ordinary packages
PLATFORM = "x86_64-manylinux_2_28"
RESOLVER = "uv==0.13.9"
LOCK_COMMAND = "python3 bootstrap.py -s lock  (%s)" % RESOLVER  # the second line of each lock
# The last number matters where packages ask for 3.6.1 or newer
LAST_RELEASES = {"3.6": "3.6.15", "3.7": "3.7.17", "3.8": "3.8.20", "3.9": "3.9.25"}


def load(path=TABLE):
    """The table as ``{name: {key: value}}``, in the order of the file."""
    with open(path, encoding="utf-8") as stream:
        return toml_reader().loads(stream.read())


def toml_reader():
    """The module that reads TOML: Python's own since 3.11, before that one that pytest or nox brought."""
    for name in ("tomllib", "tomli", "toml"):
        try:
            return importlib.import_module(name)
        except ImportError:
            reason = "no TOML reader; pip install tomli"
    raise ImportError(reason)


def torch_arguments(entry, source):
    """What follows ``pip install`` for PyTorch: from PyTorch itself, or PyPI's build of the same version."""
    either = "torch==" + entry["torch"]  # if pip sees both, it takes PyTorch's own
    if source == "pypi":
        return [either]
    arguments = [either if entry.get("pypi_stands_in") else entry["wheel"]]
    if entry.get("index"):
        arguments += ["--extra-index-url", entry["index"], "--retries", "1"]
    if entry.get("find_links"):
        arguments += ["--find-links", entry["find_links"], "--retries", "1"]
    return arguments


def torch_source():
    """``TAD_TORCH_SOURCE``: ``pytorch`` (default) or ``pypi``.

    :raises ValueError: another word; the message is for the user.
    """
    source = os.environ.get("TAD_TORCH_SOURCE") or SOURCES[0]
    if source not in SOURCES:
        raise ValueError("TAD_TORCH_SOURCE is '%s'; it can be %s" % (source, " or ".join(SOURCES)))
    return source


def lock_names(entry):
    """The locks of an environment: ``pip`` (the installer itself), ``run``, and one for each extra."""
    return ["pip"] + lock_order(entry)[:-1]


def lock_order(entry):
    """The locks in the order in which they are resolved: each agrees with those before it."""
    return ["run"] + entry["extras"] + ["pip"]


def tested(entry):
    """The locks that an environment's tests need: those of the tests, and what they test where it can be had."""
    return [lock for lock in ("tests", "export") if lock in entry["extras"]]


def lock_path(name, lock):
    """``requirements-NAME.txt`` holds what running needs, ``requirements-NAME-LOCK.txt`` something more."""
    return os.path.join(HERE, "requirements-%s%s.txt" % (name, "" if lock == "run" else "-" + lock))


def lock_arguments(name, lock):
    """What follows ``pip install`` for a lock. No package is built: images have no compiler."""
    return ["--require-hashes", "--only-binary", ":all:", "--requirement", lock_path(name, lock)]


def lock_inputs(name, lock, table):
    """The requirements that a lock is resolved from."""
    entry = table[name]
    if lock == "pip":
        return ["pip", "setuptools", "wheel"]
    if lock == "run":
        return declared("options", "install_requires") + held(entry) + ["torch==" + entry["torch"]]
    return declared("options.extras_require", lock) + (entry["tests"] if lock == "tests" else [])


def held(entry):
    """The versions that the table keeps, as requirements."""
    return ["%s==%s" % item for item in sorted(entry["held"].items())]


def lock_options(name, lock, table):
    """Options of ``uv pip compile`` for a lock."""
    entry = table[name]
    options = ["--python-version", LAST_RELEASES.get(entry["python"], entry["python"]), "--python-platform", PLATFORM,
               "--generate-hashes", "--only-binary", ":all:", "--no-emit-package", "torch",
               "--custom-compile-command", LOCK_COMMAND]
    order = lock_order(entry)
    for earlier in order[:order.index(lock)]:
        options += ["--constraints", lock_path(name, earlier)]
    return options


def leave_out_libraries(path):
    """Take the CUDA libraries of PyPI's build out of a lock, where PyTorch's own build has others or none inside.

    They come with PyTorch's line instead; PyTorch names their exact versions itself.
    """
    with open(path, encoding="utf-8") as stream:
        blocks = re.findall(r"^\S.*\n(?:[ \t].*\n)*", stream.read(), re.MULTILINE)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("".join(block for block in blocks if not block.startswith(LIBRARIES)))


def linter():
    """The requirement that gives the ruff which ruff.toml asks for; ruff itself refuses to be another."""
    with open(os.path.join(ROOT, "ruff.toml"), encoding="utf-8") as stream:
        return "ruff" + toml_reader().loads(stream.read())["required-version"]


def declared(section, key):
    """A list of requirements in setup.cfg; PyTorch is left to the table."""
    parser = configparser.ConfigParser()
    parser.read(os.path.join(ROOT, "setup.cfg"), encoding="utf-8")
    lines = [line.strip() for line in parser.get(section, key).splitlines()]
    return [line for line in lines if line and not line.startswith("torch ")]


def read_lock(path):
    """``{package: version}`` of a lock, names as pip compares them."""
    with open(path, encoding="utf-8") as stream:
        pinned = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", stream.read(), re.MULTILINE)
    return {canonical(package): version for package, version in pinned}


def canonical(package):
    """A package's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def document(table):
    """The README's table of the environments, as lines of Markdown."""
    heads = ("name", "Python", "PyTorch", "CUDA", "CUDA of PyPI's build", "oldest driver", "machine code for", "limits")
    rows = [heads, ("---",) * len(heads)]
    for name, entry in table.items():
        rows.append(("`%s`" % name, entry["python"], entry["torch"], entry["cuda"] or "none", entry["pypi_cuda"],
                     drivers(entry), ", ".join("sm_" + number for number in entry["architectures"]) or "CPUs",
                     entry["limits"]))
    return ["| %s |" % " | ".join(row) for row in rows]


def drivers(entry):
    """The oldest driver, and PyPI's build's where that is another."""
    if entry["driver"] in ("", entry["pypi_driver"]):
        return entry["driver"] or "none"
    return "%s (PyPI's: %s)" % (entry["driver"], entry["pypi_driver"])
