"""``tad report``."""

import os

from tad.commands.common import say
from tad.commands.evaluation import add_rules


def add(verbs):
    verb = verbs.add_parser("report", help="one HTML page of a run, or of several side by side")
    verb.add_argument("runs", nargs="+", metavar="RUN", help="run folder, or a detections file of any toolbox")
    verb.add_argument("--output", metavar="FILE.html",
                      help="default: report/index.html in the run folder, or report.html here for several")
    verb.add_argument("--ground-truth", metavar="FILE", help="annotations to score by (default: the run's own)")
    verb.add_argument("--subset", metavar="NAME",
                      help="subset to score; 'all' takes every one (default: the run's own)")
    verb.add_argument("--tiou", metavar="THRESHOLDS", help="first:step:last or a,b,c (default: the run's own)")
    verb.add_argument("--figures", metavar="FOLDER", help="also write the charts there as PNG and SVG")
    verb.add_argument("--tables", metavar="FOLDER", help="also write the tables there as CSV and LaTeX")
    add_rules(verb.add_argument_group("what counts (default: as the run's metrics.json says; of these, what is given)"))
    verb.set_defaults(run=_report)


def _report(options):
    from tad.evaluation.rules import read_rules
    from tad.files import check_writable, make_folder
    from tad.report.inputs import Asked
    from tad.report.write import write_report
    output = options.output or _usual_output(options.runs)
    check_writable(output)
    for folder in filter(None, (options.figures, options.tables)):
        make_folder(folder)
    given = options.class_map, options.blocked, options.ignore_label
    asked = Asked(options.ground_truth, options.subset, options.tiou, read_rules(*given) if any(given) else None)
    for what, path in write_report(options.runs, asked, output, options.figures, options.tables):
        say("%-8s %s" % (what + ":", path))


def _usual_output(runs):
    return os.path.join(runs[0], "report", "index.html") if len(runs) == 1 and os.path.isdir(runs[0]) else "report.html"
