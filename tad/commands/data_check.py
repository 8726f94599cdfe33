"""``tad data check``."""

import json
import os

from tad.commands.common import CONFIGS, add_changes, changes, say, shipped_configs


def add_check(verbs):
    verb = verbs.add_parser("check", help="list everything that training would stumble over",
                            description="Looks at annotations and features as training and inference will. Exit code 1 "
                            "if a larger part of a subset than the threshold is unusable.")
    verb.add_argument("--config", metavar="FILE", help="YAML file, or the name of a shipped one: "
                      + ", ".join(shipped_configs()))
    verb.add_argument("--annotations", metavar="FILE", help="instead of a configuration: ActivityNet-style JSON")
    verb.add_argument("--features", metavar="PATH",
                      help="folder, .npz or HDF5 file; without it only annotations are looked at")
    verb.add_argument("--fps", type=float, metavar="N", help="frames a second (default: the features' recipe)")
    verb.add_argument("--stride", type=float, metavar="N", help="frames from one snippet to the next")
    verb.add_argument("--window", type=float, metavar="N", help="frames that one snippet covers")
    verb.add_argument("--subset", action="append", metavar="NAME",
                      help="look at this subset; may be repeated (default: the two of the configuration, else all)")
    verb.add_argument("--threshold", type=float, metavar="PART",
                      help="part of a subset that may be unusable (default: dataset.max_missing, 0.1)")
    verb.add_argument("--json", action="store_true", help="everything, for scripts")
    add_changes(verb)
    verb.set_defaults(run=_check)


def _check(options):
    from tad.data.check.examine import examine
    from tad.data.check.show import passes, report_text, report_values
    settings, annotations, features, subsets = _what(options)
    report = examine(annotations, features, settings, options.subset or subsets)
    allowed = settings.dataset.allow_missing
    values, lines, refused = report_values(report, allowed), [], False
    if options.config is not None and report.features is not None and report.width is not None:
        from tad.planning.needs import measure_needs, needs_lines, needs_values
        needs = measure_needs(report, settings)
        values["needs"], lines, refused = needs_values(needs), needs_lines(needs), needs.refused is not None
    say(json.dumps(values, indent=1) if options.json else report_text(report, allowed, lines))
    return 0 if passes(report, allowed) and not refused and not (options.strict and report.findings) else 1


def _what(options):
    """Settings, paths and subsets, from a configuration or from paths."""
    from tad.data.paths import data_path
    from tad.errors import UserError
    from tad.settings import load_settings
    if (options.config is None) == (options.annotations is None):
        raise UserError("tad data check needs either --config FILE, or --annotations FILE (with --features PATH)")
    path = options.config
    if path is not None and not os.path.exists(path) and path in shipped_configs():
        path = os.path.join(CONFIGS, path + ".yaml")
    given = [] if options.threshold is None else ["dataset.max_missing=%r" % options.threshold]
    given += ["dataset.%s=%r" % (key, getattr(options, key)) for key in ("fps", "stride", "window")
              if getattr(options, key) is not None]
    settings = load_settings(path, changes(options) + given)
    dataset = settings.dataset
    if path is None:
        return _with_recipe(settings, options.features), options.annotations, options.features, None
    subsets = [dataset.train_subset] + [name for name in [dataset.test_subset] if name != dataset.train_subset]
    annotations = data_path(dataset.annotations, "dataset.annotations")
    features = options.features or data_path(dataset.features, "dataset.features")
    return _with_recipe(settings, features), annotations, features, None if "all" in subsets else subsets


def _with_recipe(settings, features):
    """Settings with the features' rate, stride and window, where neither configuration nor options say them."""
    from tad.data.recipe import filled, read_recipe
    return settings if features is None else filled(settings, read_recipe(features))
