"""Makes the virtual environment of a pinned environment, for noxfile.py; all sessions of one environment share it.

It is made again when its locks, its PyTorch or where that comes from change.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import environments
from nox.command import CommandFailed

MISSING = """{name} needs Python {python}, and no python{python} on PATH runs. Get one with
    pyenv install {python} && export PYENV_VERSION="$(pyenv versions --bare | tac | paste -sd :)"
or with
    conda create -n python{python} python={python}, and its bin folder on PATH"""
NO_BUILD = ("pip cannot get {wheel}; its reason is above. Where PyTorch's own index is out of reach, "
            "TAD_TORCH_SOURCE=pypi takes PyPI's build of PyTorch {torch}, which was made for CUDA {pypi_cuda}")


class Environment:
    """One pinned environment in ``.nox/env-NAME``.

    :param session: the nox session that runs the commands and stops with its errors.
    """

    def __init__(self, session, name, table):
        self.session, self.name, self.entry = session, name, table[name]
        self.folder = os.path.abspath(os.path.join(".nox", "env-" + name))
        self._stamp = os.path.join(self.folder, "installed.json")
        try:
            self.source = environments.torch_source()
        except ValueError as error:
            session.error(str(error))

    def python(self, *arguments):
        """Run its Python. Caches stay inside its folder, so that a new one starts cold."""
        executable = os.path.join(self.folder, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))
        variables = {"TAD_ENVIRONMENT": self.name, "TAD_CACHE_DIR": os.path.join(self.folder, "cache"),
                     "MPLCONFIGDIR": os.path.join(self.folder, "cache", "matplotlib")}
        self.session.run(executable, *arguments, env=variables, external=True)

    def prepare(self, *locks):
        """Install what running needs, what ``locks`` name, and this checkout; print which build of PyTorch it is."""
        wanted, installed = self._fingerprints(), self._installed()
        if not installed or any(wanted.get(lock) != found for lock, found in installed.items()):
            self._create()
            installed = {}
        for lock in ("run",) + locks:
            if lock not in installed:
                self._install(lock)
                installed[lock] = wanted[lock]
                with open(self._stamp, "w") as stream:
                    json.dump(installed, stream)
        self.python(os.path.join("docker", "show_build.py"), self.name, self.entry["cuda"], self.entry["pypi_cuda"])
        return self

    def _create(self):
        """An empty virtual environment with the pinned pip."""
        self.session.run(*self._interpreter(), "-m", "venv", "--clear", self.folder, external=True)
        self._pip(*environments.lock_arguments(self.name, "pip"))

    def _install(self, lock):
        self._pip(*environments.lock_arguments(self.name, lock))
        if lock == "run":
            self._install_torch()
            self._pip("--no-deps", "--no-build-isolation", "--editable", ".")

    def _install_torch(self):
        """PyTorch by its own line. What it requires is there already, but for what only one build needs."""
        try:
            self._pip(*environments.torch_arguments(self.entry, self.source))
        except CommandFailed:
            self.session.error(NO_BUILD.format(**self.entry))

    def _pip(self, *arguments):
        self.python("-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments)

    def _interpreter(self):
        """A command that runs the right version of Python."""
        wanted = self.entry["python"]
        commands = [["python" + wanted], [sys.executable], ["py", "-" + wanted]]
        for command in commands:
            if shutil.which(command[0]) and version_of(command) == wanted:
                return command
        self.session.error(MISSING.format(name=self.name, python=wanted))

    def _fingerprints(self):
        """For each lock what it would install now, as a checksum."""
        common = json.dumps([self.entry["python"], environments.torch_arguments(self.entry, self.source)])
        return {lock: hashlib.sha256((common + self._text("pip") + self._text(lock)).encode()).hexdigest()
                for lock in environments.lock_names(self.entry)}

    def _text(self, lock):
        with open(environments.lock_path(self.name, lock), encoding="utf-8") as stream:
            return stream.read()

    def _installed(self):
        """What earlier sessions finished, as ``{lock: checksum}``."""
        try:
            with open(self._stamp) as stream:
                return json.load(stream)
        except (OSError, ValueError):
            return {}


def version_of(command):
    """``3.6`` for a Python that runs, None for one that does not (pyenv leaves such names on PATH)."""
    done = subprocess.run(command + ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
    return done.stdout.strip() if done.returncode == 0 else None
