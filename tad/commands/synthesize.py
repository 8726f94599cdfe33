"""``tad data synthesize``."""

from tad.commands.common import say

# Options of a made-up data set, with defaults and words; those of OWN make no sense with --annotations
NUMBERS = (("recordings", 12, "recordings"), ("tested", 3, "of them in the subset validation"),
           ("snippets", 200, "snippets of each"), ("channels", 16, "channels of the features"),
           ("classes", 3, "classes"), ("stride", 8, "frames from one snippet to the next"),
           ("window", 8, "frames that one snippet covers"), ("seed", 0, "other numbers"))
OWN = ("recordings", "tested", "snippets", "classes")


def add_synthesize(verbs):
    verb = verbs.add_parser("synthesize", help="make up a small data set, or features for real annotations",
                            description="Makes up a small data set with known actions, to try things on; with "
                            "--annotations, features for the recordings of a real annotation file.")
    verb.add_argument("folder", metavar="PATH", help="folder that gets features/, annotations.json and "
                      "annotations.csv; with --annotations, a folder for features or an HDF5 file (.h5)")
    for name, default, words in NUMBERS:
        verb.add_argument("--" + name, type=int, metavar="N", help="%s (default: %d)" % (words, default))
    verb.add_argument("--fps", type=float, default=25.0, metavar="X", help="frames a second; with --annotations, of "
                      "recordings without their own (default: %(default)s)")
    verb.add_argument("--annotations", metavar="FILE", help="make features for these recordings: each class has a "
                      "pattern, boundaries are blurred, and there is noise")
    verb.add_argument("--subset", action="append", metavar="NAME", help="with --annotations: only these recordings; "
                      "may be repeated")
    verb.add_argument("--noise", type=float, metavar="X", help="with --annotations: deviation of the noise, where that "
                      "of a pattern is 1 (default: 1)")
    verb.add_argument("--blur", type=float, metavar="S", help="with --annotations: seconds over which an action begins "
                      "and ends (default: 0.5)")
    verb.add_argument("--overwrite", action="store_true", help="with --annotations: replace features that are there")
    verb.set_defaults(run=_synthesize)


def _synthesize(options):
    from tad.errors import UserError
    given = [name for name, _, _ in NUMBERS if getattr(options, name) is not None]
    values = {name: default if getattr(options, name) is None else getattr(options, name)
              for name, default, _ in NUMBERS}
    if options.annotations is None:
        needing = [name for name in ("subset", "noise", "blur", "overwrite")
                   if getattr(options, name) not in (None, False)]
        if needing:
            raise UserError("--%s needs --annotations FILE" % needing[0])
        return _made_up(options, values)
    needless = [name for name in OWN if name in given]
    if needless:
        raise UserError("--%s makes no sense with --annotations, whose recordings, actions and durations are kept"
                        % needless[0])
    return _imitation(options, values)


def _made_up(options, values):
    from tad.data.synthetic import Synthesis, synthesize
    chosen = Synthesis(fps=options.fps, **values)
    synthesize(options.folder, chosen)
    say("%s: %d recordings of %d snippets, %d for validation; features/, annotations.json, annotations.csv"
        % (options.folder, chosen.recordings, chosen.snippets, chosen.tested))


def _imitation(options, values):
    from tad.data.imitation import Imitation, imitate
    chosen = Imitation(fps=options.fps, subsets=tuple(options.subset or ()),
                       **{name: values[name] for name in ("channels", "stride", "window", "seed")})
    if options.noise is not None:
        chosen = chosen._replace(noise=options.noise)
    if options.blur is not None:
        chosen = chosen._replace(blur_s=options.blur)
    lengths = imitate(options.annotations, options.folder, chosen, options.overwrite)
    say("%s: made-up features of %d recordings, %d snippets of %d channels (%.1f MiB)" % (
        options.folder, len(lengths), sum(lengths.values()), chosen.channels,
        4.0 * chosen.channels * sum(lengths.values()) / 2 ** 20))
