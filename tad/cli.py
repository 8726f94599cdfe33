"""The command line: exit codes, and how mistakes and warnings are shown. The commands are in ``tad.commands``."""

import argparse
import os
import sys
import warnings

import tad
from tad.commands import COMMANDS
from tad.commands.common import Parser
from tad.engine.stopping import Terminated, terminating
from tad.errors import DataNote, DataWarning, UserError


def command():
    """What the words ``tad`` and ``python -m tad`` start: :func:`main` in a process of its own."""
    if "RANK" in os.environ:
        # Before PyTorch is loaded: it would print stack traces of a rank that has gone, beside our own sentence
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    code = main()
    if code:
        # All is saved and said. An old PyTorch would wait for its data workers, which have ended or wait for work
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def main(arguments=None):
    """Run one command; returns the exit code: 0, 2 on a user's error, 130 on Ctrl-C, 143 on SIGTERM."""
    warnings.showwarning = _once(_show_warning)
    warnings.simplefilter("always", DataWarning)
    options = build_parser().parse_args(arguments)
    try:
        with terminating():
            return options.run(options) or 0
    except UserError as error:
        _tell(error, str(error))
        return 2
    except KeyboardInterrupt as ended:
        _tell(ended, "stopped" + (_saved(ended) or "; a training goes on from its last checkpoint with --resume auto"))
        return 130
    except Terminated as ended:
        _tell(ended, "stopped by SIGTERM" + _saved(ended))
        return 143
    except BrokenPipeError:
        # The reader of our output has gone (head, less); Python must not complain while it closes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A full disk, a file that may not be read: outside the program, and not worth a traceback
        print("tad: %s" % error, file=sys.stderr)
        return 2


def _tell(ended, text):
    """Say why a command ends, unless another rank of a distributed run has said it."""
    if not getattr(ended, "told", False):
        print("tad: " + text, file=sys.stderr, flush=True)


def _saved(ended):
    return "; %s, go on with --resume auto" % ended if str(ended) else ""


def build_parser():
    """The parser of the whole command line; each module of ``tad.commands`` adds its own words."""
    parser = Parser(prog="tad", description="Temporal action detection: find which actions happen in a recording, "
                     "when each starts and ends.")
    # torch.distributed.launch of an old PyTorch adds it; the environment says the same
    parser.add_argument("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version="tad " + tad.__version__)
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND")
    verbs.required = True
    for command in COMMANDS:
        command.add(verbs)
    return parser


def _once(show):
    """Show each message once: several steps of a run look at the same data."""
    shown = set()

    def show_new(message, category, *rest):
        if (category, str(message)) not in shown:
            shown.add((category, str(message)))
            show(message, category, *rest)

    return show_new


def _show_warning(message, category, filename, lineno, file=None, line=None):
    if issubclass(category, DataWarning):
        print("tad: %s: %s" % ("note" if issubclass(category, DataNote) else "warning", message), file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, filename, lineno, line), end="", file=sys.stderr)
