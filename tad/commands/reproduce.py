"""``tad reproduce``."""

import os

from tad.commands.common import add_assignments, say
from tad.errors import UserError


def add(verbs):
    verb = verbs.add_parser("reproduce", help="run a run folder again and compare: bitwise equal, close or different")
    verb.add_argument("run_folder", metavar="RUN", help="run folder of a finished train or traininfer")
    verb.add_argument("--output", metavar="FOLDER", help="new run folder (default: RUN-again)")
    verb.add_argument("--tolerance", type=float, default=1e-5, metavar="X", help="differences up to this count as "
                      "close, relative to values above 1 and absolute below (default: %(default)s)")
    verb.add_argument("--check", action="store_true", help="only look at data and environment, without a training")
    verb.add_argument("--anyway", action="store_true", help="train although data or settings have changed")
    add_assignments(verb)
    verb.set_defaults(run=_reproduce)


def _reproduce(options):
    from tad.reproduce import DIFFERENT, look, open_original, reproduce
    if not 0 <= options.tolerance < 1:
        raise UserError("--tolerance must be from 0 to 1, not %g" % options.tolerance)
    original = open_original(options.run_folder, options.assignments)
    found = look(original)
    settings, data, environment = found
    for sentence in settings + data + environment:
        say("not as it was: " + sentence)
    if not any(found):
        say("settings, data and environment are as they were")
    if (settings or data) and not options.anyway:
        say("different: %s; --anyway runs it all the same" % (settings + data)[0])
        return 1
    if options.check:
        return 0
    output = options.output or os.path.normpath(options.run_folder) + "-again"
    result = reproduce(original, output, options.tolerance, found)
    for name, (verdict, text) in result.parts.items():
        say("%-11s %s: %s" % (name, verdict, text))
    say(_last_line(result, options.tolerance))
    say("run folder: %s" % output)
    return 1 if result.verdict == DIFFERENT else 0


def _last_line(result, tolerance):
    from tad.reproduce import DIFFERENT, EQUAL
    if result.verdict == EQUAL:
        return "equal: everything that was compared is bitwise the same"
    if result.verdict == DIFFERENT:
        reason = "" if not result.conditions else "; first condition that differs: %s" % result.conditions[0]
        return "different: more than %g apart%s" % (tolerance, reason)
    return "close: within %g, but not bitwise equal" % tolerance
