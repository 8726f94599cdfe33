"""The command line: exit codes, and how mistakes and warnings are shown. The commands are in ``tad.commands``."""

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
        print("tad: %s" % error, file=sys.stderr)
        return 2
    except KeyboardInterrupt as ended:
        saved = _saved(ended) or "; a training goes on from its last checkpoint with --resume auto"
        print("tad: stopped" + saved, file=sys.stderr)
        return 130
    except Terminated as ended:
        print("tad: stopped by SIGTERM" + _saved(ended), file=sys.stderr)
        return 143
    except BrokenPipeError:
        # The reader of our output has gone (head, less); Python must not complain while it closes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A full disk, a file that may not be read: outside the program, and not worth a traceback
        print("tad: %s" % error, file=sys.stderr)
        return 2


def _saved(ended):
    return "; %s, go on with --resume auto" % ended if str(ended) else ""


def build_parser():
    """The parser of the whole command line; each module of ``tad.commands`` adds its own words."""
    parser = Parser(prog="tad", description="Temporal action detection: find which actions happen in a recording, "
                     "when each starts and ends.")
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
