"""``tad train``, ``traininfer`` and ``infer``."""

import argparse
import os

from tad.commands.common import CONFIGS, add_changes, changes, say, shipped_configs, show_results
from tad.errors import UserError


def add(verbs):
    training = argparse.ArgumentParser(add_help=False)
    training.add_argument("--config", required=True, metavar="FILE", help="YAML file, or the name of a shipped one: "
                          + ", ".join(shipped_configs()))
    training.add_argument("--output", metavar="RUN", help="run folder (default: runs/NAME of the configuration)")
    training.add_argument("--resume", choices=("auto",), help="go on from the newest checkpoint in the run folder")
    _add_changes(training)
    verb = verbs.add_parser("train", parents=[training], help="train into a run folder")
    verb.set_defaults(run=_train)
    verb = verbs.add_parser("traininfer", parents=[training], help="train, infer and eval in one run folder")
    verb.set_defaults(run=_traininfer)
    verb = verbs.add_parser("infer", help="detections of a configured data set")
    verb.add_argument("--checkpoint", required=True, metavar="RUN_OR_FILE", help="run folder or checkpoint")
    verb.add_argument("--subset", metavar="NAME", help="default: dataset.test_subset")
    verb.add_argument("--output", metavar="FILE", help="default: detections.json in the run folder")
    verb.add_argument("--external-scores", metavar="FILE", help="JSON {recording: {label: score}} of a classifier of "
                      "whole recordings")
    _add_changes(verb)
    verb.set_defaults(run=_infer)


def _add_changes(parser):
    add_changes(parser)
    parser.add_argument("--device", metavar="NAME", help="auto, cpu or cuda:N; the same as --set device=NAME")


def _changes(options):
    return changes(options) + ([] if options.device is None else ["device=" + options.device])


def training_settings(options, variables=os.environ):
    """The settings that the options of ``train`` and ``traininfer`` stand for.

    :param variables: what ``${NAME}`` in a path stands for.
    """
    from tad.settings import load_settings
    path = options.config
    if not os.path.exists(path):
        if path not in shipped_configs():
            raise UserError("there is no configuration %s; give a YAML file or the name of a shipped one: %s"
                            % (path, ", ".join(shipped_configs())))
        path = os.path.join(CONFIGS, path + ".yaml")
    return load_settings(path, _changes(options), variables)


def output_folder(options):
    """The run folder of ``train`` and ``traininfer``."""
    name = os.path.splitext(os.path.basename(options.config))[0]
    return options.output or os.path.join("runs", name)


def _train(options):
    from tad.engine.joining import joined
    from tad.pipeline import train_run
    folder = output_folder(options)
    with joined() as ranks:
        train_run(training_settings(options), folder, options.resume == "auto", ranks)
    if ranks.leads:
        say("trained: %s" % folder)


def _traininfer(options):
    from tad.engine.joining import joined
    from tad.pipeline import run
    folder = output_folder(options)
    with joined() as ranks:
        results = run(training_settings(options), folder, options.resume == "auto", ranks)
    if ranks.leads:
        show_results(folder, *results)


def _infer(options):
    from tad.engine.joining import joined
    from tad.pipeline import infer_run
    from tad.settings import override_settings
    with joined() as ranks:
        path, detections, _ = infer_run(options.checkpoint, options.output, options.subset,
                                        lambda settings: override_settings(settings, _changes(options)),
                                        options.external_scores, ranks)
    if ranks.leads:
        say("%d detections in %d recordings: %s"
            % (sum(len(found.scores) for found in detections.values()), len(detections), path))
