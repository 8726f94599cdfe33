"""``tad export``."""

from tad.commands.common import add_assignments, say


def add(verbs):
    verb = verbs.add_parser("export", help="a trained detector as an ONNX model, which runs without PyTorch")
    verb.add_argument("checkpoint", metavar="CHECKPOINT", help="run folder or checkpoint")
    verb.add_argument("--output", metavar="FILE.onnx", help="default: model.onnx in the run folder; its settings go "
                      "into FILE.json beside it")
    add_assignments(verb)
    verb.set_defaults(run=_export)


def _export(options):
    from tad.export import export_run
    from tad.settings import override_settings
    done = export_run(options.checkpoint, options.output,
                      lambda settings: override_settings(settings, options.assignments))
    say("checked against PyTorch on random clips of %s snippets: within %.1g snippets, and %.1g in scores"
        % (", ".join(map(str, done.lengths)), done.difference.segments, done.difference.scores))
    say("model:    %s" % done.model)
    say("settings: %s" % done.description)
