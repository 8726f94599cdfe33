"""``tad demo``: the embedded default."""

import os

from tad.commands.common import CONFIGS, say, show_results


def add(verbs):
    verb = verbs.add_parser("demo", help="train on shipped motion capture, detect in a held-out recording, draw it")
    verb.add_argument("--output", metavar="RUN", default=os.path.join("runs", "demo"), help="default: %(default)s")
    verb.add_argument("--seed", type=int, default=0)
    verb.set_defaults(run=_demo)


def _demo(options):
    from tad.pipeline import run
    from tad.settings import load_settings
    settings = load_settings(os.path.join(CONFIGS, "mocap6.yaml"), ["seed=%d" % options.seed])
    folder = free_folder(options.output)
    say("learning 12 exercises from 5 motion-capture recordings; the sixth is held out")
    show_results(folder, *run(settings, folder))


def free_folder(path):
    """``path``, or the first of ``path-2``, ``path-3``, ... that does not exist: a demo is often run twice."""
    candidate, number = path, 2
    while os.path.exists(candidate):
        candidate, number = "%s-%d" % (path, number), number + 1
    return candidate
