"""``tad init``: a configuration that fits a data set."""

import os

from tad.commands.common import say


def add(verbs):
    verb = verbs.add_parser("init", help="look at annotations and features, and write a configuration that fits them")
    verb.add_argument("data", nargs="?", metavar="DATA", help="folder that holds annotations and features")
    verb.add_argument("--annotations", metavar="FILE", help="ActivityNet-style JSON, where DATA holds none or several")
    verb.add_argument("--features", metavar="PATH", help="folder or file, where DATA holds none or several")
    verb.add_argument("--output", metavar="FILE", help="the configuration (default: NAME.yaml, NAME being DATA's)")
    verb.add_argument("--overwrite", action="store_true", help="replace the file that is there")
    verb.add_argument("--train-subset", metavar="NAME", help="subset to learn from")
    verb.add_argument("--test-subset", metavar="NAME", help="subset to detect in and to score")
    verb.add_argument("--fps", type=float, metavar="HZ", help="frames or samples a second")
    verb.add_argument("--stride", type=float, metavar="N", help="frames from one snippet to the next")
    verb.add_argument("--window", type=float, metavar="N", help="frames that one snippet covers")
    verb.add_argument("--mode", choices=("windows", "rescale"), help="cut recordings into windows, or rescale each")
    verb.add_argument("--device", default="auto", help="whose memory to fit: auto, cpu or cuda:N")
    verb.add_argument("--allow-missing", action="store_true", help="go on whatever part of the recordings is unusable")
    verb.set_defaults(run=_init)


def _init(options):
    from tad.errors import UserError
    from tad.files import check_writable
    from tad.planning.find import find_data
    from tad.planning.histogram import draw_histogram, text_histogram
    from tad.planning.plan import Wishes, make_plan
    from tad.planning.write import write_plan
    _check_numbers(options)
    path = options.output or _default_output(options)
    if os.path.exists(path) and not options.overwrite:
        raise UserError("%s is there already; choose another --output, or replace it with --overwrite" % path)
    check_writable(path)
    found = find_data(options.data, options.annotations, options.features)
    say("annotations: %s" % found.annotations)
    say("features:    %s" % found.features)
    plan = make_plan(found, Wishes(options.train_subset, options.test_subset, options.fps, options.stride,
                                   options.window, options.mode, options.device, options.allow_missing))
    picture = os.path.splitext(path)[0] + "_durations.png"
    draw_histogram(picture, plan.durations_s, plan.marks)
    write_plan(path, plan, picture)
    for line in plan.summary + ("",) + tuple(text_histogram(plan.durations_s)) + ("",):
        say(line)
    for choice in plan.choices:
        say(_told(choice))
    say("")
    say("written:     %s and %s" % (path, picture))
    say("train with:  tad traininfer --config %s (very roughly %s of one CPU core)" % (path, _span(plan.minutes)))


def _span(minutes):
    """``1 minute``, ``3 minutes``, ``4.5 hours``."""
    from tad.data.naming import count
    return count(max(1, round(minutes)), "minute") if minutes < 120 else "%.1f hours" % (minutes / 60)


def _told(choice):
    if choice.value is None:
        return "  (%s)" % choice.why
    return "  %s: %s%s" % (choice.key, choice.value, "  (%s)" % choice.why if choice.why else "")


def _default_output(options):
    name = os.path.basename(os.path.abspath(options.data)) if options.data else "my"
    return (name or "my") + ".yaml"


def _check_numbers(options):
    from tad.errors import UserError
    for name, least in (("fps", 1e-6), ("stride", 1e-6), ("window", 0.0)):
        value = getattr(options, name)
        if value is not None and not least <= value < 1e9:
            raise UserError("--%s must be at least %g, not %g" % (name, least, value))
