"""``tad data synthesize``."""

from tad.commands.common import say


def add_synthesize(verbs):
    verb = verbs.add_parser("synthesize", help="make up a small data set with known actions, to try things on")
    verb.add_argument("folder", metavar="FOLDER", help="gets features/, annotations.json and annotations.csv")
    for name, default, words in (("recordings", 12, "recordings"), ("tested", 3, "of them in the subset validation"),
                                 ("snippets", 200, "snippets of each"), ("channels", 16, "channels of the features"),
                                 ("classes", 3, "classes"), ("stride", 8, "frames from one snippet to the next"),
                                 ("window", 8, "frames that one snippet covers"), ("seed", 0, "other numbers")):
        verb.add_argument("--" + name, type=int, default=default, metavar="N", help=words + " (default: %(default)s)")
    verb.add_argument("--fps", type=float, default=25.0, metavar="X", help="frames a second (default: %(default)s)")
    verb.set_defaults(run=_synthesize)


def _synthesize(options):
    from tad.data.synthetic import Synthesis, synthesize
    chosen = Synthesis(*(getattr(options, name) for name in Synthesis._fields))
    synthesize(options.folder, chosen)
    say("%s: %d recordings of %d snippets, %d for validation; features/, annotations.json, annotations.csv"
        % (options.folder, chosen.recordings, chosen.snippets, chosen.tested))
