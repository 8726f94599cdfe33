"""When sessions make a virtual environment, in which order they fill it, and when they leave it alone."""

import os
import shutil
import sys
import types

import environments
import pytest

PYTHON = "%d.%d" % sys.version_info[:2]


class CommandError(Exception):
    """Stands for nox's."""


class StoppedError(Exception):
    """What ``session.error`` raises."""


class Session:
    """Keeps the commands that it is asked to run; those that contain ``broken`` fail."""

    def __init__(self, broken=None):
        self.commands, self.broken = [], broken

    def run(self, *command, **options):
        self.commands.append(" ".join(command))
        if self.broken and self.broken in self.commands[-1]:
            raise CommandError
        if "-m venv" in self.commands[-1]:
            os.makedirs(command[-1], exist_ok=True)

    def error(self, message):
        raise StoppedError(message)


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    """``prepare(*locks)`` prepares an environment in an empty folder, and gives what was run."""
    command = types.SimpleNamespace(CommandFailed=CommandError)
    monkeypatch.setitem(sys.modules, "nox", types.SimpleNamespace(command=command))
    monkeypatch.setitem(sys.modules, "nox.command", command)
    monkeypatch.delitem(sys.modules, "installing", raising=False)
    import installing
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TAD_TORCH_SOURCE", raising=False)
    entry = {"python": PYTHON, "torch": "1.4.0", "wheel": "torch==1.4.0+cu100", "cuda": "10.0", "pypi_cuda": "10.1",
             "extras": ["tests", "export"]}
    monkeypatch.setattr(environments, "lock_path", lambda name, lock: str(tmp_path / lock))
    for lock in environments.lock_names(entry):
        (tmp_path / lock).write_text(u"numpy==1.17.5\n")

    def work(*locks, **options):
        session = Session(options.get("broken"))
        installing.Environment(session, "some", {"some": dict(entry, **options.get("entry", {}))}).prepare(*locks)
        return session.commands

    yield work
    sys.modules.pop("installing", None)


def installs(commands):
    """What was installed, by the last word of each command."""
    return [os.path.basename(line.split()[-1]) for line in commands if " install " in line]


def test_pip_comes_first_and_pytorch_after_what_it_needs(prepare):
    commands = prepare("tests")
    assert " -m venv --clear " in commands[0]
    assert installs(commands) == ["pip", "run", "torch==1.4.0+cu100", ".", "tests"]
    for line in commands:
        if os.path.basename(line.split()[-1]) in ("pip", "run", "tests"):
            assert "--require-hashes --only-binary :all:" in line
    assert commands[-1].endswith("show_build.py some 10.0 10.1")


def test_what_is_there_is_not_installed_again(prepare):
    prepare()
    assert installs(prepare()) == [] and installs(prepare("tests")) == ["tests"] and installs(prepare("tests")) == []


@pytest.mark.parametrize("change", ["pip", "run", "tests"])
def test_a_changed_lock_makes_it_anew(prepare, tmp_path, change):
    prepare("tests")
    (tmp_path / change).write_text(u"numpy==1.17.6\n")
    assert installs(prepare("tests")) == ["pip", "run", "torch==1.4.0+cu100", ".", "tests"]


def test_another_source_of_pytorch_makes_it_anew(prepare, monkeypatch):
    prepare()
    monkeypatch.setenv("TAD_TORCH_SOURCE", "pypi")
    assert "torch==1.4.0" in installs(prepare())
    monkeypatch.setenv("TAD_TORCH_SOURCE", "pipy")
    with pytest.raises(StoppedError, match="'pipy'"):
        prepare()


def test_an_interrupted_installation_is_begun_anew(prepare, tmp_path):
    with pytest.raises(CommandError):
        prepare(broken="require-hashes --only-binary :all: --requirement %s" % (tmp_path / "run"))
    assert installs(prepare())[0] == "pip"
    (tmp_path / ".nox" / "env-some" / "installed.json").write_text(u"{")
    assert installs(prepare())[0] == "pip"
    shutil.rmtree(str(tmp_path / ".nox"))
    assert installs(prepare())[0] == "pip"


def test_a_build_out_of_reach_names_the_switch(prepare):
    with pytest.raises(StoppedError, match=r"TAD_TORCH_SOURCE=pypi takes PyPI's build of PyTorch 1.4.0.*CUDA 10.1"):
        prepare(broken="torch==1.4.0+cu100")


def test_a_missing_python_says_which_and_how_to_get_it(prepare):
    with pytest.raises(StoppedError, match="some needs Python 3.99(.|\n)*pyenv install 3.99(.|\n)*conda create"):
        prepare(entry={"python": "3.99"})
