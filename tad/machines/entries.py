"""The entries of a machines file: what there is to set, where files are looked for, and reading them strictly."""

import difflib
import os
import re
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from tad.config import setting
from tad.errors import UserError
from tad.settings import build, expand, flatten, read_yaml, replace, resolve_paths

SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "machines.yaml")
VARIABLE = "TAD_MACHINES"
LAUNCHERS = ("local", "docker", "slurm")
_TIME = re.compile(r"^(\d+-)?\d{1,2}:\d{2}:\d{2}$")
_MEMORY = re.compile(r"^[1-9]\d*[KMGT]$")
_WORD = re.compile(r"^[\w.,:;|&*()\[\]@+=/-]+$")
_NAME = re.compile(r"^[\w.-]+$")


@dataclass(frozen=True)
class SlurmSettings:
    """What only SLURM knows."""

    partition: Optional[str] = setting(None, "sbatch --partition")
    account: Optional[str] = setting(None, "sbatch --account")
    constraint: Optional[str] = setting(None, "sbatch --constraint")
    gpu_type: Optional[str] = setting(None, "kind of GPU, as in --gres=gpu:v100:1")
    warning_s: int = setting(120, "seconds before the end of its time at which a training is told to save a checkpoint",
                             minimum=1, maximum=65535)
    options: Optional[str] = setting(None, "more options of sbatch, one a line")


@dataclass(frozen=True)
class DockerSettings:
    """What only Docker knows."""

    compose: Optional[str] = setting(None, "docker-compose.yml to use; null takes that of the checkout")


@dataclass(frozen=True)
class Machine:
    """One entry. A value that is ``None`` leaves the choice to the launcher."""

    launcher: str = setting("local", "how a command is started", choices=LAUNCHERS)
    data: Optional[str] = setting(None, "data root: what ${TAD_DATA} in configurations stands for")
    environment: Optional[str] = setting(None, "name of a pinned environment")
    setup: Optional[str] = setting(None, "shell lines before the command (modules, conda, venv)")
    python: Optional[str] = setting(None, "the Python that has tad")
    nodes: Optional[int] = setting(None, "machines of a cluster that share the work", minimum=1, maximum=1024)
    gpus: Optional[int] = setting(None, "GPUs, with SLURM of each node; 0 hides them", minimum=0, maximum=64)
    cpus: Optional[int] = setting(None, "CPU cores, and threads of PyTorch", minimum=1)
    memory: Optional[str] = setting(None, "main memory, such as 64G")
    time: Optional[str] = setting(None, "time limit, hours:minutes:seconds or days-hours:minutes:seconds")
    slurm: SlurmSettings = field(default_factory=SlurmSettings)
    docker: DockerSettings = field(default_factory=DockerSettings)

    @property
    def ranks_per_node(self):
        """Processes on each node: one for each GPU."""
        return max(1, self.gpus or 0)

    @property
    def ranks(self):
        """Processes that share the work."""
        return (self.nodes or 1) * self.ranks_per_node


# Keys that mean nothing to a launcher are refused, so that nobody counts on a limit that is not there
NOT_FOR = {
    "local": ("memory", "time", "nodes", "slurm", "docker"),
    "docker": ("setup", "python", "memory", "time", "nodes", "slurm"),
    "slurm": ("docker",),
}


class Entry(NamedTuple):
    """A machine with its name and the file that it stands in."""

    name: str
    machine: Machine
    file: str

    @property
    def place(self):
        """For messages."""
        return "%s, machine '%s'" % (self.file, self.name)


def own_file(given=None, variables=os.environ):
    """The user's machines file, or None: ``--machines``, ``$TAD_MACHINES``, ``./machines.yaml``, then the one below
    ``~/.config/tad``.

    :raises UserError: the file named by option or variable is not there.
    """
    if given or variables.get(VARIABLE):
        path = given or variables[VARIABLE]
        if not os.path.isfile(path):
            raise UserError("there is no machines file %s (named by %s)"
                            % (path, "--machines" if given else "$" + VARIABLE))
        return path
    home = variables.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    candidates = ("machines.yaml", os.path.join(home, "tad", "machines.yaml"))
    return next((path for path in candidates if os.path.isfile(path)), None)


def all_entries(file=None):
    """Every machine, the user's first: list of :class:`Entry`. Shipped ones of the same name are hidden.

    :param file: the user's file, or None.
    :raises UserError: a file cannot be read, or an entry is wrong.
    """
    entries = read_entries(file) if file else []
    names = {entry.name for entry in entries}
    return entries + [entry for entry in read_entries(SHIPPED) if entry.name not in names]


def find_entry(name, file=None):
    """The entry of a name, its paths absolute.

    :raises UserError: there is none; the sentence lists those there are. Or a path names a variable that is not set.
    """
    entries = all_entries(file)
    for entry in entries:
        if entry.name == name:
            return with_paths(entry)
    names = [entry.name for entry in entries]
    nearest = difflib.get_close_matches(name, names, n=1)
    raise UserError("there is no machine '%s' in %s%s; there are: %s"
                    % (name, file or "the shipped machines.yaml (no machines file of your own was found)",
                       "; did you mean '%s'" % nearest[0] if nearest else "", ", ".join(names)))


def read_entries(path):
    """The entries of one file, in its order."""
    entries = []
    for name, values in read_yaml(path, "machines file").items():
        if not isinstance(name, str) or not _NAME.match(name):
            raise UserError("%s: a machine's name must be letters, digits, '-', '_' and '.', not %r" % (path, name))
        place = "%s, machine '%s'" % (path, name)
        if not isinstance(values, dict):
            raise UserError("%s must hold 'key: value' lines" % place)
        entries.append(Entry(name, read_machine(values, place), path))
    return entries


def with_paths(entry):
    """The entry with ``~`` and ``${NAME}`` replaced, and paths from the folder of its file.

    Only the entry that is used: variables of one machine need not be set on another.
    """
    folder, machine = os.path.dirname(os.path.abspath(entry.file)), entry.machine
    paths = {"data": machine.data, "docker.compose": machine.docker.compose}
    resolve_paths(paths, folder, {key: entry.place for key in paths}, os.environ, tuple(paths))
    python = machine.python and os.path.expanduser(expand(machine.python, "%s: 'python'" % entry.place))
    return entry._replace(machine=replace(machine, data=paths["data"], docker__compose=paths["docker.compose"],
                                          python=python))


def read_machine(values, place):
    """One entry from plain values."""
    flat = flatten(values, place, record=Machine)
    machine = build(Machine, flat, {key: place for key in flat})
    for key in NOT_FOR[machine.launcher]:
        if any(given == key or given.startswith(key + ".") for given in flat):
            raise UserError("%s: '%s' means nothing to the launcher '%s'; leave it out"
                            % (place, key, machine.launcher))
    _check_forms(machine, place)
    return machine


def _check_forms(machine, place):
    """Refuse texts that a shell, SLURM or Docker would take for something else."""
    if machine.time is not None and not _TIME.match(machine.time):
        raise UserError("%s: 'time' must be hours:minutes:seconds or days-hours:minutes:seconds, for example 24:00:00, "
                        "not %r" % (place, machine.time))
    if machine.memory is not None and not _MEMORY.match(machine.memory):
        raise UserError("%s: 'memory' must be a number and K, M, G or T, for example 64G, not %r"
                        % (place, machine.memory))
    if machine.environment is not None and not _NAME.match(machine.environment):
        raise UserError("%s: 'environment' must be the name of a pinned environment, not %r"
                        % (place, machine.environment))
    if machine.environment and machine.launcher != "docker" and (machine.setup or machine.python):
        raise UserError("%s: give 'environment', or 'setup' and 'python', not both" % place)
    for key in ("partition", "account", "constraint", "gpu_type"):
        value = getattr(machine.slurm, key)
        if value is not None and not _WORD.match(value):
            raise UserError("%s: 'slurm.%s' must be one word, not %r" % (place, key, value))
    if machine.launcher != "slurm" and (machine.gpus or 0) > 1:
        raise UserError("%s: 'gpus' must be 0 or 1 with the launcher '%s'; for more, start torchrun yourself "
                        "(docs/distributed.md)" % (place, machine.launcher))
    if machine.slurm.gpu_type and not machine.gpus:
        raise UserError("%s: 'slurm.gpu_type' needs gpus: 1" % place)
    for line in sbatch_options(machine):
        if not line.startswith("-"):
            raise UserError("%s: each line of 'slurm.options' must be an option of sbatch such as --mail-type=END, "
                            "not %r" % (place, line))


def sbatch_options(machine):
    """The lines of ``slurm.options``."""
    return [line.strip() for line in (machine.slurm.options or "").splitlines() if line.strip()]
