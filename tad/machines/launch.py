"""From a machine's entry and a ``tad`` command to what starts it: environment variables and words."""

import os
import shlex
import sys
from typing import Dict, NamedTuple, Tuple

import tad
from tad.errors import UserError
from tad.settings import DATA_ROOT

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(tad.__file__)))


class Job(NamedTuple):
    """A ``tad`` command before anything is known of the machine.

    ``words``: ``train --config ...``; ``folder``: where it is called; ``output``: its run folder; ``used``: paths
    of other files and folders that its options name.
    """

    words: Tuple[str, ...]
    folder: str
    output: str
    used: Tuple[str, ...] = ()

    @property
    def mode(self):
        """``train``, ``infer`` or ``traininfer``."""
        return self.words[0]

    @property
    def trains(self):
        """Whether it saves checkpoints on the way."""
        return self.mode in ("train", "traininfer")


class Launch(NamedTuple):
    """``words`` to execute, with ``variables`` on top of the environment."""

    variables: Dict[str, str]
    words: Tuple[str, ...]


def launch_local(entry, job):
    """The command on this computer; ``setup`` makes it a line for bash."""
    check_data(entry)
    machine = entry.machine
    if machine.setup:
        return Launch({}, ("bash", "-c", "\n".join(shell_lines(entry, job, job.words))))
    return Launch(variables(machine), program(entry, job.words))


def launch_docker(entry, job):
    """``docker compose run``, in which every path means what it means outside.

    The working folder, the data root and the folders of the paths that options name are mounted where they are. Other
    paths do not exist inside.
    """
    check_data(entry)
    machine = entry.machine
    compose = machine.docker.compose or os.path.join(CHECKOUT, "docker-compose.yml")
    if not os.path.isfile(compose):
        raise UserError("%s: there is no %s; set docker.compose to the docker-compose.yml of a checkout of tad"
                        % (entry.place, compose))
    # Short options, because Compose 1 and 2 both know them
    words = ["docker", "compose", "-f", compose, "run", "--rm", "-u", "%d:%d" % (os.getuid(), os.getgid()),
             "-w", job.folder]
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        words.append("-T")
    for path in mounted(job, machine.data):
        words += ["-v", "%s:%s" % (path, path)]
    for name, value in sorted(variables(machine).items()):
        words += ["-e", "%s=%s" % (name, value)]
    # The service of inference is "infer"; "train" stands for both commands that train
    words += ["--entrypoint", "tad", "train" if job.trains else "infer"]
    outer = {DATA_ROOT: machine.data} if machine.data else {}
    if machine.environment:
        outer["TAD_ENV"] = machine.environment
    return Launch(outer, tuple(words) + job.words)


def mounted(job, data):
    """Folders that a container needs, none inside another: list of absolute paths.

    :raises UserError: Docker cannot mount one of them.
    """
    wanted = (job.folder, job.output) + ((data,) if data else ()) + job.used
    kept = []
    for path in sorted({existing_folder(path) for path in wanted}):
        if not any(path.startswith(other + os.sep) for other in kept):
            kept.append(path)
    for path in kept:
        if path == os.sep or ":" in path:
            raise UserError("Docker cannot mount %s %s; work in another folder"
                            % (path, "over its own" if path == os.sep else "because of the colon in its name"))
    return kept


def existing_folder(path):
    """``path`` or, where it is a file or not there yet, the nearest folder around it."""
    path = os.path.abspath(path)
    return path if os.path.isdir(path) else existing_folder(os.path.dirname(path))


def variables(machine):
    """Environment variables that an entry stands for."""
    found = {}
    if machine.data:
        found[DATA_ROOT] = machine.data
    if machine.cpus:
        found["OMP_NUM_THREADS"] = str(machine.cpus)
    if machine.gpus == 0:
        found["CUDA_VISIBLE_DEVICES"] = ""
    return found


def program(entry, words):
    """The command itself."""
    return (python(entry), "-m", "tad") + tuple(words)


def python(entry):
    """The interpreter that has ``tad``: as given, that of ``setup``, of the pinned environment, or this one."""
    machine = entry.machine
    if machine.python:
        return machine.python
    if machine.setup:
        return "python"
    return pinned_python(entry) if machine.environment else sys.executable


def pinned_python(entry):
    """The interpreter that nox has made for a pinned environment.

    :raises UserError: it has not been made yet.
    """
    name = entry.machine.environment
    path = os.path.join(CHECKOUT, ".nox", "env-" + name, "bin", "python")
    if not os.path.exists(path):
        raise UserError("%s: the pinned environment '%s' is not there (%s); make it and try it with: "
                        "python3 bootstrap.py -s train-%s" % (entry.place, name, path, name))
    return path


def shell_lines(entry, job, words):
    """Lines for bash: those of :func:`setup_lines`, then the command in bash's place, so that signals reach it."""
    return setup_lines(entry, job) + ["exec " + quoted(program(entry, words))]


def setup_lines(entry, job):
    """Lines for bash: the working folder, variables and ``setup`` of the machine."""
    machine = entry.machine
    lines = ["set -euo pipefail", "cd %s" % shlex.quote(job.folder)]
    lines += ["export %s=%s" % (name, shlex.quote(value)) for name, value in sorted(variables(machine).items())]
    if python(entry) == sys.executable and os.environ.get("PYTHONPATH"):
        lines.append("export PYTHONPATH=%s" % shlex.quote(os.environ["PYTHONPATH"]))
    if machine.setup:
        lines += ["set +u  # activation scripts of conda and modules read variables that are not set",
                  machine.setup.rstrip("\n"), "set -u"]
    return lines


def check_data(entry):
    """Find out before the start that the data root of this computer is not there."""
    data = entry.machine.data
    if data and not os.path.isdir(data):
        raise UserError("%s: there is no data root %s; mend 'data'" % (entry.place, data))


def quoted(words):
    """Words as a shell reads them."""
    return " ".join(shlex.quote(word) for word in words)


def shown(launch):
    """A launch as one command for a shell."""
    before = ["env"] + ["%s=%s" % pair for pair in sorted(launch.variables.items())] if launch.variables else []
    return quoted(before + list(launch.words))


LAUNCH = {"local": launch_local, "docker": launch_docker}
