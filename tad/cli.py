"""The command line: words, flags, messages and exit codes. The work is in ``tad.pipeline``."""

import argparse
import json
import os
import sys
import warnings

import tad
from tad.errors import DataWarning, UserError

CONFIGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "configs")


def main(arguments=None):
    """Run one command; returns the exit code: 0, 2 on a user's error, 130 on Ctrl-C."""
    warnings.showwarning = _once(_show_warning)
    warnings.simplefilter("always", DataWarning)
    options = build_parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except UserError as error:
        print("tad: %s" % error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tad: stopped; a training goes on from its last checkpoint with --resume auto", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (head, less); Python must not complain while it closes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A full disk, a file that may not be read: outside the program, and not worth a traceback
        print("tad: %s" % error, file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without argparse's lines of usage before it."""

    def error(self, message):
        self.exit(2, "tad: %s; see %s --help\n" % (message, self.prog))


def build_parser():
    parser = _Parser(prog="tad", description="Temporal action detection: find which actions happen in a recording, "
                     "when each starts and ends.")
    parser.add_argument("--version", action="version", version="tad " + tad.__version__)
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND")
    verbs.required = True
    training = argparse.ArgumentParser(add_help=False)
    training.add_argument("--config", required=True, metavar="FILE", help="YAML file, or the name of a shipped one: "
                          + ", ".join(shipped_configs()))
    training.add_argument("--output", metavar="RUN", help="run folder (default: runs/NAME of the configuration)")
    training.add_argument("--resume", choices=("auto",), help="go on from the newest checkpoint in the run folder")
    _changes(training)
    verb = verbs.add_parser("train", parents=[training], help="train into a run folder")
    verb.set_defaults(run=_train)
    verb = verbs.add_parser("traininfer", parents=[training], help="train, infer and eval in one run folder")
    verb.set_defaults(run=_traininfer)
    verb = verbs.add_parser("infer", help="detections of a configured data set")
    verb.add_argument("--checkpoint", required=True, metavar="RUN_OR_FILE", help="run folder or checkpoint")
    verb.add_argument("--subset", metavar="NAME", help="default: dataset.test_subset")
    verb.add_argument("--output", metavar="FILE", help="default: detections.json in the run folder")
    _changes(verb)
    verb.set_defaults(run=_infer)
    verb = verbs.add_parser("eval", help="score any detections file; no model needed")
    verb.add_argument("--ground-truth", required=True, metavar="FILE", help="ActivityNet-style annotations")
    verb.add_argument("--detections", required=True, metavar="FILE", help="ActivityNet-style detections")
    verb.add_argument("--subset", metavar="NAME",
                      help="needed when the annotations have several; 'all' takes every one")
    verb.add_argument("--tiou", default="0.3:0.1:0.7", metavar="THRESHOLDS", help="first:step:last or a,b,c "
                      "(default: %(default)s)")
    verb.add_argument("--output", metavar="FILE", help="also write the metrics as JSON")
    verb.set_defaults(run=_eval)
    verb = verbs.add_parser("demo", help="train on shipped motion capture, detect in a held-out recording, draw it")
    verb.add_argument("--output", metavar="RUN", default=os.path.join("runs", "demo"), help="default: %(default)s")
    verb.add_argument("--seed", type=int, default=0)
    verb.set_defaults(run=_demo)
    verb = verbs.add_parser("doctor", help="what is installed, which Align1D backend is active, and why")
    verb.add_argument("--json", action="store_true", help="for scripts")
    verb.set_defaults(run=_doctor)
    return parser


def shipped_configs():
    """Names of the configurations inside the package."""
    return sorted(name[:-5] for name in os.listdir(CONFIGS) if name.endswith(".yaml"))


def _changes(parser):
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE",
                        help="change one setting, for example train.steps=500; may be repeated")
    parser.add_argument("--strict", action="store_true", help="stop at the first problem in the data")


def _settings(options):
    from tad.settings import load_settings
    path = options.config
    if not os.path.exists(path) and path in shipped_configs():
        path = os.path.join(CONFIGS, path + ".yaml")
    return load_settings(path, options.assignments + (["dataset.strict=true"] if options.strict else []))


def _output(options):
    name = os.path.splitext(os.path.basename(options.config))[0]
    return options.output or os.path.join("runs", name)


def _train(options):
    from tad.pipeline import train_run
    folder = _output(options)
    train_run(_settings(options), folder, resume=options.resume == "auto")
    _say("trained: %s" % folder)


def _traininfer(options):
    from tad.pipeline import run
    folder = _output(options)
    _show_results(folder, *run(_settings(options), folder, resume=options.resume == "auto"))


def _infer(options):
    from tad.pipeline import infer_run
    from tad.settings import override_settings
    changes = options.assignments + (["dataset.strict=true"] if options.strict else [])
    path, detections, _ = infer_run(options.checkpoint, options.output, options.subset,
                                    lambda settings: override_settings(settings, changes))
    _say("%d detections in %d recordings: %s"
         % (sum(len(found.scores) for found in detections.values()), len(detections), path))


def _eval(options):
    from tad.evaluation.evaluate import evaluate
    from tad.files import write_json
    from tad.report.tables import metrics_table
    metrics = evaluate(options.ground_truth, options.detections, options.tiou, options.subset)
    _say(metrics_table(metrics))
    if options.output:
        write_json(options.output, metrics)


def _demo(options):
    from tad.pipeline import run
    from tad.settings import load_settings
    settings = load_settings(os.path.join(CONFIGS, "mocap6.yaml"), ["seed=%d" % options.seed])
    folder = free_folder(options.output)
    _say("learning 12 exercises from 5 motion-capture recordings; the sixth is held out")
    _show_results(folder, *run(settings, folder))


def free_folder(path):
    """``path``, or the first of ``path-2``, ``path-3``, ... that does not exist: a demo is often run twice."""
    candidate, number = path, 2
    while os.path.exists(candidate):
        candidate, number = "%s-%d" % (path, number), number + 1
    return candidate


def _doctor(options):
    from tad.doctor import describe, examine
    found = examine()
    _say(json.dumps(found, indent=1) if options.json else describe(found))
    return 0 if found["align1d"]["works"] else 1


def _say(text):
    """Print also on a terminal that lacks some of the letters of a label or a path."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _show_results(folder, metrics, pictures):
    from tad.report.tables import metrics_table
    _say(metrics_table(metrics))
    _say("run folder: %s" % folder)
    for path in pictures[:3]:
        _say("picture:    %s" % path)
    if len(pictures) > 3:
        _say("            and %d more beside them" % (len(pictures) - 3))


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
        print("tad: warning: %s" % message, file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, filename, lineno, line), end="", file=sys.stderr)
