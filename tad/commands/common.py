"""What several commands share: options, settings, printing."""

import argparse
import contextlib
import os
import sys

CONFIGS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "configs")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without argparse's lines of usage before it."""

    def error(self, message):
        self.exit(2, "tad: %s; see %s --help\n" % (message, self.prog))


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
    parser.add_argument("--allow-missing", action="store_true",
                        help="go on without recordings that cannot be used, however many they are")


def changes(options):
    """The assignments that the options of :func:`add_changes` stand for."""
    return (options.assignments + (["dataset.strict=true"] if options.strict else [])
            + (["dataset.allow_missing=true"] if options.allow_missing else []))


def say(text):
    """Print also on a terminal that lacks some of the letters of a label or a path."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


@contextlib.contextmanager
def sharing(variables=os.environ):
    """Within it, connected :class:`tad.engine.ranks.Ranks` where a launcher has started several, else None.

    For commands that need no PyTorch: it is imported only with several.
    """
    if variables.get("WORLD_SIZE", "1") == "1":
        yield None
        return
    import torch

    from tad.engine.joining import joined
    with joined(variables) as ranks:
        ranks.connect(torch.device("cpu"))
        yield ranks


def show_results(folder, metrics, pictures):
    """The last lines of a run: the table, where it is, and some of its pictures."""
    from tad.report.tables import metrics_table
    say(metrics_table(metrics))
    say("run folder: %s" % folder)
    for path in pictures[:3]:
        say("picture:    %s" % path)
    if len(pictures) > 3:
        say("            and %d more beside them" % (len(pictures) - 3))
    if len(pictures) < metrics["recordings"]:
        say("all %d recordings, and why it fails: tad report %s" % (metrics["recordings"], folder))
