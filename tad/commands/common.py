"""What several commands share: options, settings, printing."""

import os
import sys

CONFIGS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "configs")


def shipped_configs():
    """Names of the configurations inside the package."""
    return sorted(name[:-5] for name in os.listdir(CONFIGS) if name.endswith(".yaml"))


def add_assignments(parser):
    """The option that changes one setting."""
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE",
                        help="change one setting, for example train.steps=500; may be repeated")


def add_changes(parser):
    """The options that change settings."""
    add_assignments(parser)
    parser.add_argument("--strict", action="store_true", help="stop at the first problem in the data")


def changes(options):
    """The assignments that the options of :func:`add_changes` stand for."""
    return options.assignments + (["dataset.strict=true"] if options.strict else [])


def say(text):
    """Print also on a terminal that lacks some of the letters of a label or a path."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def show_results(folder, metrics, pictures):
    """The last lines of a run: the table, where it is, and some of its pictures."""
    from tad.report.tables import metrics_table
    say(metrics_table(metrics))
    say("run folder: %s" % folder)
    for path in pictures[:3]:
        say("picture:    %s" % path)
    if len(pictures) > 3:
        say("            and %d more beside them" % (len(pictures) - 3))
