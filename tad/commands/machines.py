"""``tad run``: the training commands on the machines of a YAML file."""

import argparse
import os
import sys

from tad.commands import training
from tad.commands.common import Parser, say
from tad.errors import UserError
from tad.files import run_folder

MODES = ("train", "infer", "traininfer")
DRY_RUN = "--dry-run"


def add(verbs):
    verb = verbs.add_parser("run", help="train, infer or traininfer on a machine of a YAML file",
                            usage="tad run --machine NAME [--machines FILE] [--dry-run] {train,infer,traininfer} "
                                  "[arguments of that command]\n       tad run [--machines FILE] list")
    verb.add_argument("--machine", metavar="NAME", help="entry of the machines file; 'tad run list' shows them")
    verb.add_argument("--machines", metavar="FILE", help="default: $TAD_MACHINES, ./machines.yaml, "
                      "~/.config/tad/machines.yaml, the shipped examples")
    verb.add_argument(DRY_RUN, action="store_true", help="print the exact command or script, and do nothing")
    verb.add_argument("mode", choices=MODES + ("list",))
    verb.add_argument("arguments", nargs=argparse.REMAINDER, help="as 'tad %s' takes them" % "|".join(MODES))
    verb.set_defaults(run=_run)


def _run(options):
    from tad.machines.entries import find_entry, own_file
    file = own_file(options.machines)
    if options.mode == "list":
        return _list(file)
    if not options.machine:
        raise UserError("say where to run before what: tad run --machine NAME %s ...; 'tad run list' shows the names"
                        % options.mode)
    entry = find_entry(options.machine, file)
    words = [word for word in options.arguments if word != DRY_RUN]
    job = make_job(entry, options.mode, words)
    return start(entry, job, options.dry_run or DRY_RUN in options.arguments)


def make_job(entry, mode, words):
    """The command as a :class:`tad.machines.launch.Job`, after a look at its options and settings.

    A mistake costs a second here, and a night where it is found when the queue has come to it.
    """
    from tad.machines.launch import Job
    from tad.settings import DATA_ROOT
    parser = Parser(prog="tad run --machine %s" % entry.name)
    training.add(parser.add_subparsers(dest="verb"))
    parsed = parser.parse_args([mode] + words)
    if mode == "infer":
        if not os.path.exists(parsed.checkpoint):
            raise UserError("there is no run folder or checkpoint %s" % parsed.checkpoint)
        used = [parsed.checkpoint] + ([os.path.dirname(parsed.output) or os.curdir] if parsed.output else [])
        return Job((mode,) + tuple(words), os.getcwd(), run_folder(parsed.checkpoint), tuple(used))
    known = dict(os.environ, **({DATA_ROOT: entry.machine.data} if entry.machine.data else {}))
    training.training_settings(parsed, known)
    used = (parsed.config,) if os.path.exists(parsed.config) else ()
    return Job((mode,) + tuple(words), os.getcwd(), training.output_folder(parsed), used)


def start(entry, job, dry):
    """Start a job, or only show how (``dry``)."""
    from tad.machines.launch import LAUNCH, shown
    print("tad: machine '%s' of %s" % (entry.name, entry.file), file=sys.stderr, flush=True)
    if entry.machine.launcher == "slurm":
        return _submit(entry, job, dry)
    launch = LAUNCH[entry.machine.launcher](entry, job)
    if dry:
        return say(shown(launch))
    sys.stdout.flush()
    # The command takes the place of this process: signals reach it, and its exit code is ours
    try:
        os.execvpe(launch.words[0], launch.words, dict(os.environ, **launch.variables))
    except OSError as error:
        raise UserError("%s: cannot start %s: %s" % (entry.place, launch.words[0], error.strerror))


def _submit(entry, job, dry):
    from tad.machines import slurm
    if dry:
        script = slurm.script_path(job)
        print("tad: would be written to %s and submitted with sbatch" % script, file=sys.stderr, flush=True)
        return say(slurm.make_script(entry, job, slurm.log_pattern(script)).rstrip("\n"))
    submitted = slurm.submit(entry, job)
    say("submitted job %s\nscript: %s\nlog:    %s" % (submitted.job, submitted.script, submitted.log))


def _list(file):
    from tad.machines.entries import SHIPPED, all_entries
    for entry in all_entries(file):
        say("%-16s %-8s %s" % (entry.name, entry.machine.launcher, entry.file))
    if file is None:
        say("copy %s to ./machines.yaml or ~/.config/tad/machines.yaml and edit it there" % SHIPPED)
