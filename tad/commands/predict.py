"""``tad predict``."""

from tad.commands.common import say


def add(verbs):
    verb = verbs.add_parser("predict", help="detections of new recordings; no annotations needed")
    verb.add_argument("checkpoint", metavar="CHECKPOINT", help="run folder or checkpoint")
    verb.add_argument("recordings", metavar="RECORDING", nargs="+", help="features (snippets, channels): FILE.npy, "
                      ".npz, .csv, .h5, one recording of a file as FILE.h5:ID, or a folder of files")
    verb.add_argument("--format", default="", metavar="LIST", help="json, csv, srt, vtt, separated by commas (default: "
                      "json, or what --output ends with)")
    verb.add_argument("--output", metavar="PATH", default="predictions", help="folder, or one file such as x.json "
                      "(default: %(default)s)")
    verb.add_argument("--min-score", type=float, metavar="X", help="leave out detections below")
    verb.add_argument("--top-k", type=int, metavar="N", help="keep so many of a recording at most (default: the "
                      "checkpoint's postprocess.top_k, for each 128 windows)")
    verb.add_argument("--labels", metavar="A,B", help="detect only these classes")
    verb.add_argument("--fps", type=float, metavar="X", help="frames a second, where the recordings differ from those "
                      "of the training or nothing is known of them; so")
    verb.add_argument("--stride", type=float, metavar="N", help="frames from one snippet to the next, and")
    verb.add_argument("--window", type=float, metavar="N", help="frames that one snippet covers")
    verb.add_argument("--duration", type=float, metavar="S", help="or: seconds that the snippets span evenly")
    verb.add_argument("--external-scores", metavar="FILE", help="JSON {recording: {label: score}} of a classifier of "
                      "whole recordings")
    verb.add_argument("--picture", action="store_true", help="also draw a timeline of each recording")
    verb.add_argument("--device", default="auto", help="auto, cpu or cuda:N (default: %(default)s)")
    verb.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE",
                      help="change a setting of the checkpoint, for example postprocess.sigma=0.3; may be repeated")
    verb.set_defaults(run=_predict)


def _predict(options):
    from tad.predict import Choice, Rate, load_predictor
    from tad.predict.files import predict_places, report_failed
    from tad.predict.output import plan_output
    from tad.predict.recordings import find_recordings
    predictor = load_predictor(options.checkpoint, options.device, options.assignments)
    choice = Choice(options.min_score, options.top_k, _words(options.labels))
    predictor.check(choice)
    places, failed = find_recordings(options.recordings)
    if places:
        output = plan_output(options.output, tuple(_words(options.format) or ()), [place.id for place in places],
                             options.min_score)
        dataset = predictor.trained.settings.dataset
        if dataset.mode == "rescale":
            say("each recording is resampled to %d snippets, as the detector was trained" % dataset.length)
        rate = Rate(options.fps, options.stride, options.window, options.duration)
        result = predict_places(predictor, places, output, rate, choice, options.external_scores, options.picture,
                                lambda name, found: say(summary(name, found, predictor.classes)))
        for path in result.paths[:5]:
            say("written: %s" % path)
        if len(result.paths) > 5:
            say("         and %d more" % (len(result.paths) - 5))
        report_failed(failed + result.failed, len(result.detections))
    report_failed(failed, 0)


def summary(name, found, classes):
    """One line on a recording."""
    if not len(found.scores):
        return "%s: no detection" % name
    from tad.report.subtitles import score_text
    start, end = found.segments[0]
    return "%s: %d detections, the surest %s from %.2f to %.2f s (score %s)" % (
        name, len(found.scores), classes[found.labels[0]], start, end, score_text(found.scores[0]))


def _words(text):
    """``A,B`` as a list, or None."""
    return [word.strip() for word in (text or "").split(",") if word.strip()] or None
