"""``tad eval``."""

import os

from tad.commands.common import say, sharing


def add(verbs):
    verb = verbs.add_parser("eval", help="score any detections file; no model needed")
    verb.add_argument("--ground-truth", required=True, metavar="FILE", help="ActivityNet-style annotations")
    verb.add_argument("--detections", required=True, metavar="FILE", help="ActivityNet-style detections")
    verb.add_argument("--subset", metavar="NAME",
                      help="needed when the annotations have several; 'all' takes every one")
    verb.add_argument("--tiou", default="0.3:0.1:0.7", metavar="THRESHOLDS", help="first:step:last or a,b,c "
                      "(default: %(default)s)")
    verb.add_argument("--output", metavar="FILE", help="also write the metrics as JSON")
    verb.add_argument("--measure", default="map", metavar="LIST", help="of map, ar, snippets, segmentation "
                      "(default: %(default)s)")
    add_rules(verb.add_argument_group("what counts"))
    other = verb.add_argument_group("measures other than map")
    other.add_argument("--proposal-tiou", default="0.5:0.05:0.95", metavar="THRESHOLDS",
                       help="of ar (default: %(default)s)")
    other.add_argument("--proposals", type=int, default=100, metavar="N",
                       help="ar: largest average number of proposals a recording (default: %(default)s)")
    other.add_argument("--step", type=float, default=0.5, metavar="SECONDS",
                       help="snippets, segmentation: seconds of a snippet (default: %(default)s)")
    other.add_argument("--min-score", type=float, default=0.0, metavar="SCORE",
                       help="segmentation: detections with a lower score are dropped (default: %(default)s)")
    other.add_argument("--snippet-scores", metavar="FOLDER",
                       help="snippets: per-snippet scores ID.npy and classes.txt, instead of detections")
    why = verb.add_argument_group("diagnosis")
    why.add_argument("--diagnose", action="store_true",
                     help="also tell why the detector fails; goes into diagnosis.json beside the metrics")
    why.add_argument("--characteristics", metavar="FILE", help="of the instances, as DETAD's files have them")
    why.add_argument("--buckets", choices=("auto", "thumos14", "activitynet"), default="auto",
                     help="borders of length, coverage and number of instances (default: %(default)s)")
    verb.set_defaults(run=_eval)


def add_rules(group):
    """The options of what counts."""
    group.add_argument("--class-map", metavar="FILE", help="new names for the labels of the detections")
    group.add_argument("--blocked", metavar="FILE", help="ids of recordings that do not count")
    group.add_argument("--ignore-label", action="append", default=[], metavar="LABEL",
                       help="of ambiguous instances, such as Ambiguous of THUMOS14; may be repeated")


def _eval(options):
    from tad.evaluation.diagnosis.diagnose import diagnose
    from tad.evaluation.evaluate import evaluate_measures
    from tad.evaluation.rules import read_rules
    from tad.evaluation.scoring import open_scoring
    from tad.evaluation.thresholds import parse_thresholds
    from tad.files import check_writable, write_json
    from tad.report.tables import diagnosis_table, metrics_table
    chosen = _measures(options)
    beside = os.path.join(os.path.dirname(options.output), "diagnosis.json") if options.output else None
    for path in (options.output, beside if options.diagnose else None):
        if path:
            check_writable(path)
    rules = read_rules(options.class_map, options.blocked, options.ignore_label)
    thresholds = parse_thresholds(options.tiou)
    with sharing() as ranks:
        scoring = open_scoring(options.ground_truth, options.detections, options.subset, rules)
        metrics = evaluate_measures(scoring, thresholds, chosen, ranks)
    if ranks and not ranks.leads:
        return
    diagnosis = None
    if options.diagnose:
        diagnosis = diagnose(scoring, thresholds, options.characteristics, options.buckets)
    say(metrics_table(metrics))
    if diagnosis:
        say(diagnosis_table(diagnosis))
    if options.output:
        write_json(options.output, metrics)
        if diagnosis:
            write_json(beside, diagnosis)


def _measures(options):
    """:class:`tad.evaluation.evaluate.Measures` that the options ask for."""
    from tad.errors import UserError
    from tad.evaluation.evaluate import MEASURES, Measures
    from tad.evaluation.thresholds import parse_thresholds
    names = tuple(name.strip() for name in options.measure.split(","))
    for name in names:
        if name not in MEASURES:
            raise UserError("--measure must be of %s, not '%s'" % (", ".join(MEASURES), name))
    if options.proposals < 1:
        raise UserError("--proposals must be at least 1, not %d" % options.proposals)
    if not 0 < options.step < float("inf"):
        raise UserError("--step must be a number of seconds above 0, not %g" % options.step)
    if options.min_score != options.min_score:
        raise UserError("--min-score must be a number, not %g" % options.min_score)
    if options.snippet_scores and "snippets" not in names:
        raise UserError("--snippet-scores needs --measure snippets")
    if options.diagnose and os.path.basename(options.output or "") == "diagnosis.json":
        raise UserError("--output is for the metrics; the diagnosis goes into diagnosis.json beside them, so choose "
                        "another name")
    if options.characteristics and not options.diagnose:
        raise UserError("--characteristics needs --diagnose")
    return Measures(names, parse_thresholds(options.proposal_tiou), options.proposals, options.step, options.min_score,
                    options.snippet_scores)
