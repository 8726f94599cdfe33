"""``tad eval``."""

from tad.commands.common import say


def add(verbs):
    verb = verbs.add_parser("eval", help="score any detections file; no model needed")
    verb.add_argument("--ground-truth", required=True, metavar="FILE", help="ActivityNet-style annotations")
    verb.add_argument("--detections", required=True, metavar="FILE", help="ActivityNet-style detections")
    verb.add_argument("--subset", metavar="NAME",
                      help="needed when the annotations have several; 'all' takes every one")
    verb.add_argument("--tiou", default="0.3:0.1:0.7", metavar="THRESHOLDS", help="first:step:last or a,b,c "
                      "(default: %(default)s)")
    verb.add_argument("--output", metavar="FILE", help="also write the metrics as JSON")
    verb.set_defaults(run=_eval)


def _eval(options):
    from tad.evaluation.evaluate import evaluate
    from tad.files import write_json
    from tad.report.tables import metrics_table
    metrics = evaluate(options.ground_truth, options.detections, options.tiou, options.subset)
    say(metrics_table(metrics))
    if options.output:
        write_json(options.output, metrics)
