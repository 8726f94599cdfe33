"""SLURM: an sbatch script in the run folder, and its submission."""

import os
import re
import shlex
import shutil
import subprocess
from typing import NamedTuple

from tad.errors import UserError
from tad.files import atomic_write, make_folder
from tad.machines.entries import sbatch_options
from tad.machines.launch import program, quoted, setup_lines, shell_lines

FOLDER = "slurm"
_PLAIN = re.compile(r"^[\w.,:@%/+=-]+$")


class Submitted(NamedTuple):
    """A job in the queue: SLURM's id, the script, and where the log will be."""

    job: str
    script: str
    log: str


def make_script(entry, job, log):
    """The text of a batch script.

    A training is told ``slurm.warning_s`` before the end of its time to save a checkpoint, comes back to the queue when
    its node fails or is taken away, and goes on from its newest checkpoint whenever it is started again.

    :param log: path of the log; ``%j`` in it is the job's id.
    """
    words = job.words
    if job.trains and "--resume" not in words and "--resume=auto" not in words:
        words += ("--resume", "auto")
    lines = ["#!/bin/bash"] + ["#SBATCH " + directive(option) for option in options(entry.machine, job, log)]
    lines += ["# Written by tad run for machine '%s' of %s" % (entry.name, entry.file.replace("\n", " "))]
    body = shell_lines(entry, job, words) if entry.machine.ranks == 1 else rank_lines(entry, job, words)
    if entry.machine.data:
        data = shlex.quote(entry.machine.data)
        body[1:1] = ["[ -d %s ] || { echo tad: there is no data root %s on this node >&2; exit 2; }" % (data, data)]
    return "\n".join(lines + body) + "\n"


def rank_lines(entry, job, words):
    """Lines for bash that start every rank by srun, each with the variables that ``torchrun`` would set.

    When one rank fails, srun ends the others. The port follows from the job's number, so that jobs that share a node
    hardly ever meet.
    """
    each = ("export RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=$SLURM_LOCALID; exec "
            + quoted(program(entry, words)))
    return setup_lines(entry, job) + [
        'hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST")',
        'export MASTER_ADDR="${hosts%%$\'\\n\'*}" MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))',
        "exec srun --kill-on-bad-exit=1 bash -c " + shlex.quote(each)]


def options(machine, job, log):
    """Options of sbatch, as they stand on its command line."""
    slurm = machine.slurm
    name = re.sub(r"[^\w.-]", "_", os.path.basename(os.path.abspath(job.output)))
    found = ["--job-name=tad-%s-%s" % (job.mode, name), "--output=%s" % log, "--open-mode=append",
             "--nodes=%d" % (machine.nodes or 1), "--ntasks=%d" % machine.ranks, "--requeue"]
    if machine.ranks > 1:
        found.append("--ntasks-per-node=%d" % machine.ranks_per_node)
    if job.trains:
        # To the batch script, which has become the training; with several ranks to each of them
        found.append("--signal=%sTERM@%d" % ("B:" if machine.ranks == 1 else "", slurm.warning_s))
    if machine.gpus:
        found.append("--gres=gpu:%s%d" % (slurm.gpu_type + ":" if slurm.gpu_type else "", machine.gpus))
    for option, value in (("cpus-per-task", machine.cpus), ("mem", machine.memory), ("time", machine.time),
                          ("partition", slurm.partition), ("account", slurm.account),
                          ("constraint", slurm.constraint)):
        if value is not None:
            found.append("--%s=%s" % (option, value))
    return found + sbatch_options(machine)


def directive(option):
    """An option as an ``#SBATCH`` line holds it: sbatch takes double quotes and backslashes as a shell does."""
    name, equals, value = option.partition("=")
    if not equals or _PLAIN.match(value) or value.startswith(('"', "'")):
        return option
    return '%s="%s"' % (name, value.replace("\\", "\\\\").replace('"', '\\"'))


def script_path(job):
    """Where the next script of a run folder goes: the first free ``slurm/MODE-N.sh``."""
    number = 1
    while os.path.exists(os.path.join(job.output, FOLDER, "%s-%d.sh" % (job.mode, number))):
        number += 1
    return os.path.join(os.path.abspath(job.output), FOLDER, "%s-%d.sh" % (job.mode, number))


def log_pattern(script):
    """The log that belongs to a script; ``%j`` stands for the job's id.

    :raises UserError: sbatch could not write a log to such a path.
    """
    folder = os.path.dirname(script)
    if "\n" in folder or "\\" in folder:
        raise UserError("sbatch cannot write a log below %r; choose another --output" % folder)
    return os.path.join(folder.replace("%", "%%"), os.path.basename(script)[:-len(".sh")] + "-%j.log")


def submit(entry, job):
    """Write the script into the run folder and hand it to sbatch.

    :returns: :class:`Submitted`
    :raises UserError: sbatch is not there or refuses the script.
    """
    if shutil.which("sbatch") is None:
        raise UserError("%s: there is no sbatch here; call tad run on a login node of the cluster, or look at the "
                        "script with --dry-run" % entry.place)
    script = script_path(job)
    text = make_script(entry, job, log_pattern(script))
    make_folder(os.path.dirname(script))
    with atomic_write(script) as stream:
        stream.write(text)
    done = subprocess.run(["sbatch", "--parsable", script], cwd=job.folder, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        reason = " ".join((done.stderr or done.stdout).split()) or "exit code %d" % done.returncode
        raise UserError("sbatch refused %s: %s; mend %s" % (script, reason, entry.place))
    number = lines[-1].split(";")[0].strip()
    return Submitted(number, script, log_pattern(script).replace("%j", number).replace("%%", "%"))
