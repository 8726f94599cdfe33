"""``tad data features``: raw signals or videos to features."""

from tad.commands.common import say


def add_features(data_verbs):
    """Add the verb ``features`` to those of ``tad data``."""
    verb = data_verbs.add_parser("features", help="make features from raw signals or from videos")
    verb.add_argument("source", metavar="SOURCE", help="signals: a folder of ID.npy, .npz, .csv, .tsv or .txt, one "
                      ".npz, one HDF5 file or one table; videos (with --backbone): a folder or a file")
    verb.add_argument("--output", required=True, metavar="PATH", help="folder, or an HDF5 file by its name (.h5)")
    verb.add_argument("--rate", type=float, metavar="HZ", help="samples or frames a second; videos are brought to it")
    verb.add_argument("--window", type=int, metavar="N", help="samples or frames in a snippet (signals: one "
                      "second; videos: 16 frames)")
    verb.add_argument("--stride", type=int, metavar="N", help="from one snippet to the next (default: half a window)")
    verb.add_argument("--like", metavar="FEATURES", help="make them as these features were made: their folder, file or "
                      "recipe; for new recordings of a trained detector")
    verb.add_argument("--overwrite", action="store_true", help="replace the features in --output")
    verb.add_argument("--strict", action="store_true", help="stop at the first problem instead of leaving a recording "
                      "out")
    _add_signals(verb.add_argument_group("signals"))
    _add_videos(verb.add_argument_group("videos"))
    verb.set_defaults(run=_features)


def _add_signals(group):
    group.add_argument("--recipe", metavar="KINDS", help="flat: the samples of a window in one row (default); "
                       "statistics: seven of each channel; spectrum: log power in --bands; or several with commas")
    group.add_argument("--bands", type=int, metavar="N", help="frequency bands of a spectrum (default: 8)")
    group.add_argument("--missing", choices=("refuse", "interpolate"), help="what to do with NaN, infinity and empty "
                       "cells (default: refuse)")
    group.add_argument("--normalize", metavar="ANNOTATIONS", help="first z-normalize each channel with the "
                       "statistics of the recordings in --subset of this file")
    group.add_argument("--subset", metavar="NAME", default="training", help="default: %(default)s")
    group.add_argument("--id-column", metavar="NAME", help="column of one table that says which recording a row is of")
    group.add_argument("--time-column", metavar="NAME", help="column that holds a clock: where it jumps, samples are "
                       "missing")
    group.add_argument("--drop", metavar="NAME", action="append", default=[], help="column that is no channel; may be "
                       "repeated")


def _add_videos(group):
    group.add_argument("--backbone", metavar="NAME", help="one of torchvision's video networks: r3d_18, mc3_18, "
                       "r2plus1d_18, s3d, mvit_v1_b, mvit_v2_s, swin3d_t, swin3d_s or swin3d_b")
    group.add_argument("--weights", metavar="FILE", help="a .pt or .pth file of weights; the name of torchvision's, "
                       "for example KINETICS400_V1 (downloaded); or random, to try things out (default: torchvision's)")
    group.add_argument("--batch", type=int, default=8, metavar="N", help="windows at a time (default: %(default)s)")
    group.add_argument("--device", default="auto", help="auto, cpu or cuda:N")


def _features(options):
    if options.backbone is not None or _is_like_video(options):
        return _videos(options)
    return _signals(options)


def _is_like_video(options):
    recipe = _recipe_like(options)
    return recipe is not None and "video" in (recipe.other or {})


def _recipe_like(options):
    """The recipe that ``--like`` names, or None without it."""
    from tad.data.annotations import read_json
    from tad.data.recipe import read_recipe, recipe_from_dict
    from tad.errors import UserError
    if options.like is None:
        return None
    if options.like.endswith(".json"):
        return recipe_from_dict(read_json(options.like, "feature recipe"), options.like)
    recipe = read_recipe(options.like)
    if recipe is None:
        raise UserError("--like %s: there is no recipe of these features" % options.like)
    return recipe


def _signals(options):
    from tad.data.naming import count
    from tad.data.signal_features import make_features
    from tad.data.signals import Columns
    plan = _plan(options)
    columns = Columns(options.id_column, options.time_column, tuple(options.drop))
    learn_from = None if options.normalize is None else _training(options)
    made = make_features(options.source, options.output, plan, columns, learn_from, _made_by(),
                         options.overwrite, options.strict)
    windowing = plan.windowing
    for name, (filled, samples) in sorted(made.filled.items()):
        say("filled:   %s: %d of %d samples were missing" % (name, filled, samples))
    say("features: %s, %s of %d values in %s" % (count(len(made.ids), "recording"), count(made.snippets, "snippet"),
                                                 made.width, options.output))
    say("snippet:  %d samples (%g s), the next one %d later (%g s); %s" % (
        windowing.window, windowing.window / windowing.rate, windowing.stride, windowing.stride / windowing.rate,
        " + ".join(windowing.kinds)))


def _made_by():
    from tad.report.manifest import command_line
    return " ".join(["tad"] + command_line()[1:])


def _plan(options):
    from tad.data.signal_features import Plan, plan_of
    from tad.data.windowing import Windowing
    from tad.errors import UserError
    given = {key: getattr(options, key) for key in ("rate", "window", "stride", "recipe", "bands", "normalize")}
    if options.like is not None:
        extra = sorted("--" + key for key, value in given.items() if value is not None)
        if extra:
            raise UserError("--like takes everything from a recipe; leave %s out" % ", ".join(extra))
        plan = plan_of(_recipe_like(options), options.like)
        return plan._replace(missing=options.missing or plan.missing)
    if options.rate is None:
        raise UserError("give the signals' --rate in samples a second, or --backbone if these are videos")
    if not 0 < options.rate < 1e9:
        raise UserError("--rate must be above 0 samples a second, not %g" % options.rate)
    window = max(1, int(round(options.rate))) if options.window is None else options.window
    stride = max(1, window // 2) if options.stride is None else options.stride
    kinds = tuple(kind.strip() for kind in (options.recipe or "flat").split(","))
    bands = 8 if options.bands is None else options.bands
    if options.bands is None and "spectrum" in kinds:
        bands = max(1, min(bands, window // 2))
    return Plan(Windowing(options.rate, window, stride, kinds, bands), options.missing or "refuse")


def _training(options):
    from tad.data.annotations import in_subset, read_annotations
    recordings = in_subset(read_annotations(options.normalize), options.subset, options.normalize)
    return frozenset(recording.id for recording in recordings)


def _videos(options):
    from tad.config import Settings
    from tad.engine.devices import pick_device
    from tad.extraction.video import extract
    from tad.settings import replace
    plan = _video_plan(options)
    device = pick_device(replace(Settings(), device=options.device))
    made = extract(options.source, options.output, plan, device, _made_by(), options.overwrite, options.strict)
    say("features: %d videos, %d snippets of %d values in %s" % (len(made.ids), made.snippets, made.width,
                                                                 options.output))
    say("snippet:  %d frames (%.3g s at %.5g a second), the next one %d later" % (
        plan.window, plan.window / made.rate, made.rate, plan.stride))


def _video_plan(options):
    from tad.errors import UserError
    from tad.extraction.video import USUAL_WINDOW, VideoPlan, plan_of
    foreign = [key for key in ("recipe", "bands", "missing", "normalize", "id_column", "time_column")
               if getattr(options, key) is not None]
    if foreign or options.drop:
        raise UserError("--%s is for signals, not for videos" % (foreign + ["drop"])[0].replace("_", "-"))
    if options.like is not None:
        extra = ["--" + key for key in ("rate", "window", "stride", "backbone") if getattr(options, key) is not None]
        if extra:
            raise UserError("--like takes everything from a recipe; leave %s out" % ", ".join(extra))
        return plan_of(_recipe_like(options), options.like, options.weights, options.batch)
    window = USUAL_WINDOW if options.window is None else options.window
    stride = max(1, window // 2) if options.stride is None else options.stride
    return VideoPlan(options.backbone, options.weights, options.rate, window, stride, options.batch)
