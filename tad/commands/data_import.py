"""``tad data import``."""

import argparse
import sys

from tad.commands.common import say

# The words of tad.data.importers.registry, written out so that --help needs not load it; a test compares them
FORMATS = ("elan", "boris", "via", "label-studio", "activitynet", "thumos", "csv")


def add_import(verbs):
    verb = verbs.add_parser(
        "import", help="annotations of other tools, or features, into the package's formats",
        description="tad data import FILE... --output annotations.json reads annotations; tad data import --features "
        "FOLDER --output FOLDER_OR_H5 reads features. What was recognised is told before anything is written.")
    verb.add_argument("inputs", nargs="*", metavar="FILE",
                      help="annotation files or folders of them; SUBSET=FILE says which subset they are")
    verb.add_argument("--output", required=True, metavar="PATH", help="annotations.json; for features a folder or .h5")
    verb.add_argument("--force", action="store_true", help="replace an output that exists")
    verb.add_argument("--features", action="append", default=[], metavar="PATH",
                      help="features to import, repeated to join streams (rgb, flow); with FILE: prepared features "
                      "whose lengths give durations")
    verb.add_argument("--fps", type=_positive, metavar="N", help="frames a second of the recordings")
    verb.add_argument("--stride", type=_positive, metavar="N", help="frames from one snippet to the next")
    verb.add_argument("--window", type=_positive, metavar="N", help="frames that one snippet covers")
    verb.add_argument("--durations", "--recordings", metavar="FILE", help="table (or JSON) of recordings with their "
                      "duration, fps or subset")
    verb.add_argument("--yes", action="store_true", help="agree to the columns that were guessed")
    _add_reading(verb.add_argument_group("reading annotations"))
    _add_subsets(verb.add_argument_group("subsets"))
    _add_features(verb.add_argument_group("features"))
    verb.set_defaults(run=_import)


def _add_reading(group):
    group.add_argument("--format", choices=FORMATS, help="instead of looking into the files")
    group.add_argument("--columns", type=_pairs, metavar="ROLE=NAME,...",
                       help="recording=, start=, end= (or length=, or frame=), label=, subset=, duration=, fps=; "
                       "columns by name or number")
    group.add_argument("--unit", choices=("seconds", "milliseconds", "frames"), help="of times")
    group.add_argument("--delimiter", metavar="CHARACTER", help="comma, semicolon, tab, bar, space or a character")
    group.add_argument("--encoding", default="utf-8-sig", help="default: UTF-8")
    group.add_argument("--tier", "--subject", "--attribute", dest="tiers", action="append", default=[], metavar="NAME",
                       help="ELAN tier, BORIS subject, VIA attribute or Label Studio control; may be repeated")
    group.add_argument("--observation", dest="observations", action="append", default=[], metavar="NAME",
                       help="BORIS observation; may be repeated")
    group.add_argument("--modifiers", action="store_true", help="BORIS: modifiers are part of the label")
    group.add_argument("--points", type=_positive, metavar="SECONDS", help="BORIS: point events last this long")
    group.add_argument("--labels", metavar="FILE", help="names of numbered labels: lines 'number,name', or JSON")
    group.add_argument("--background", action="append", default=[], metavar="LABEL", help="a label that is no action")


def _add_subsets(group):
    group.add_argument("--subset", metavar="NAME", help="of recordings that have none")
    group.add_argument("--subset-file", type=_pair, action="append", default=[], metavar="NAME=FILE",
                       help="ids of a subset, one a line; may be repeated")
    group.add_argument("--split", type=_part, metavar="PART", help="hold out this part of the recordings as "
                       "'validation' (0.2 where no subset is known)")
    group.add_argument("--seed", type=int, default=0, help="of the split")
    group.add_argument("--background-recordings", action="store_true",
                       help="also take recordings of --durations or --features without annotations")
    group.add_argument("--without-fps", action="store_true", help="leave rates out of the annotations, for features "
                       "that span each recording evenly")


def _add_features(group):
    group.add_argument("--layout", choices=("TC", "CT"), help="(snippets, channels) or (channels, snippets)")
    group.add_argument("--strip", action="append", default=[], metavar="ENDING", help="take it off ids, such as rgb")
    group.add_argument("--annotations", metavar="FILE", help="the spelling of ids, and durations that "
                       "tell which axis is time")
    group.add_argument("--backbone", metavar="NAME", help="for the recipe: the network that made the features")
    group.add_argument("--weights-sha256", metavar="HEX", help="for the recipe")


def _import(options):
    from tad.errors import UserError
    if options.inputs:
        return _import_annotations(options)
    if not options.features:
        raise UserError("give annotation files to import, or --features FOLDER")
    return _import_features(options)


def _import_annotations(options):
    from tad.data.importers.database import make_database, summary
    from tad.data.importers.features import check_free
    from tad.data.importers.registry import read_inputs
    from tad.files import check_writable, write_json
    check_free(options.output, options.force)
    check_writable(options.output)
    reading = read_inputs(options.inputs, _reading_options(options), options.format)
    wishes, told = _wishes(options)
    # Before anything can be refused: what was guessed may be the reason
    for line in ["read as %s" % reading.title] + ["  " + line for line in reading.said + told]:
        say(line)
    imported = make_database(reading, wishes)
    for line in imported.said + summary(imported, reading):
        say("  " + line)
    write_json(options.output, imported.document)
    say("written: %s; look at it with: tad data check --annotations %s" % (options.output, options.output))


def _reading_options(options):
    from tad.data.importers.labels import read_labels
    from tad.data.importers.reading import Options
    return Options(confirm=_confirmation(options), unit=options.unit, fps=options.fps, columns=options.columns,
                   delimiter=options.delimiter, encoding=options.encoding, tiers=tuple(options.tiers),
                   labels=read_labels(options.labels) if options.labels else None,
                   background=tuple(options.background), observations=tuple(options.observations),
                   modifiers=options.modifiers, points_s=options.points)


def _confirmation(options):
    """Asks on a terminal; elsewhere --yes must have been given."""
    def confirm(sentence):
        from tad.errors import UserError
        if options.yes:
            return
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UserError("guessed %s; agree with --yes, or name them with --columns recording=NAME,start=NAME,"
                            "end=NAME,label=NAME" % sentence)
        say("guessed " + sentence)
        if input("is that right? [y/n] ").strip().lower() not in ("y", "yes"):
            raise UserError("nothing was imported; name the columns with --columns recording=NAME,start=NAME,end=NAME,"
                            "label=NAME")

    return confirm


def _wishes(options):
    from tad.data.importers.database import Wishes
    from tad.data.importers.lengths import durations_from_features
    lengths, told = None, []
    if options.features:
        lengths, told = durations_from_features(options.features[0], options.fps, options.stride, options.window,
                                                options.layout, options.strip)
    wishes = Wishes(fps=options.fps, subset=options.subset, subset_files=tuple(options.subset_file),
                    split=options.split, seed=options.seed, recordings=options.durations, lengths=lengths,
                    background_recordings=options.background_recordings, keep_fps=not options.without_fps)
    return wishes, told


def _import_features(options):
    from tad.data.annotations import read_ground_truth
    from tad.data.importers.features import FeatureWishes, import_features
    from tad.data.importers.lengths import layout_evidence
    from tad.data.recipe import Recipe
    recipe = Recipe(made_by="tad data import", backbone=options.backbone, weights_sha256=options.weights_sha256,
                    fps=options.fps, stride=options.stride, window=options.window)
    evidence = layout_evidence(options.annotations, options.durations, options.fps, options.stride, options.window)
    ids = tuple(read_ground_truth(options.annotations)) if options.annotations else ()
    wishes = FeatureWishes(options.layout, tuple(options.strip), evidence, recipe, options.force, ids)
    for line in import_features(options.features, options.output, wishes):
        say(line)
    say("written: %s" % options.output)


def _positive(text):
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0, not %s" % text)
    return value


def _part(text):
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("must lie between 0 and 1, not %s" % text)
    return value


def _pair(text):
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise argparse.ArgumentTypeError("must look like NAME=VALUE, not '%s'" % text)
    return name.strip(), value.strip()


def _pairs(text):
    return dict(_pair(part) for part in text.split(","))
