"""What the options of the detector ``deeplab`` change on HAPT: trains and scores each, and prints a table in Markdown.

    python benchmarks/deeplab_options.py                                  # the default and the four differences
    python benchmarks/deeplab_options.py default thr_action two_way       # some of OPTIONS, by name
    python benchmarks/deeplab_options.py deeplab.samples=96,train.steps=800     # or any settings

One row each, with one seed (``--seed``), on the features that ``python benchmarks/hapt.py prepare FOLDER`` makes, with
the settings of ``hapt.yaml``. Users 17-20 are scored, so that nothing may be chosen by these figures.
"""

import argparse
import os
import time

import hapt
import numpy as np
import torch

from tad.data.annotations import in_subset, read_annotations
from tad.data.clips import CUTTERS
from tad.data.features import FeatureStore
from tad.data.sources import load_sources
from tad.engine.inference import propose
from tad.evaluation.evaluate import evaluate
from tad.evaluation.thresholds import parse_thresholds
from tad.files import write_json
from tad.pipeline import infer_run, train_run
from tad.segments import tiou
from tad.settings import load_settings, override_settings

# The first five are the default and what an older code base is suspected of having done otherwise
OPTIONS = {
    "default": (),
    "constant_rate": ("train.schedule=constant",),
    "one_conv_less": ("deeplab.boundary_convs=0",),
    "wider_boundaries": ("deeplab.boundary_radius=2.5",),
    "end_shift": ("deeplab.end_shift=1",),
    "alter_window": ("deeplab.generator=alter_window",),
    "sliding_window": ("deeplab.generator=sliding_window",),
    "start_end": ("deeplab.generator=start_end",),
    "thr_action": ("deeplab.generator=thr_action",),
    "unif_rand": ("deeplab.generator=unif_rand",),
    "no_balance": ("deeplab.sampling=none",),
    "two_way": ("deeplab.sampling=two_way",),
    "linear": ("deeplab.positive=linear",),
    "adaptive": ("deeplab.positive=adaptive",),
    "binary": ("deeplab.actionness=binary",),
    "regression": ("deeplab.score=regression",),
    "classification": ("deeplab.score=classification",),
    "mask": ("deeplab.proposal_features=mask",),
    "cnn": ("deeplab.second_stage=cnn",),
    "graph": ("deeplab.second_stage=graph",),
    "graph_distance": ("deeplab.second_stage=graph", "deeplab.neighbours_by=distance"),
    "graph_features": ("deeplab.second_stage=graph", "deeplab.neighbours_by=features"),
    "atrous_graph": ("deeplab.atrous_graph=true",),
}
DIFFERENCES = list(OPTIONS)[:5]
NOT_LEARNED = ("deeplab.end_shift", "deeplab.score", "deeplab.candidates")  # rows may share a training but for these
HEAD = ("option", "settings", "mAP " + hapt.RANGES[0], "mAP " + hapt.RANGES[1], "candidates", "recall of candidates",
        "parameters", "CPU s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("options", nargs="*", default=DIFFERENCES, metavar="OPTION",
                        help="names of OPTIONS, or KEY=VALUE[,KEY=VALUE] (default: %s)" % " ".join(DIFFERENCES))
    parser.add_argument("--recipe", choices=sorted(hapt.RECIPES), default="usual")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE",
                        help="for every row, such as train.steps=200")
    parser.add_argument("--output", default=os.path.join("runs", "deeplab_options"), help="folder of the runs")
    options = parser.parse_args()
    rows, trained = [], {}
    print(line(HEAD) + "\n" + line(["---"] * len(HEAD)), flush=True)
    for name in options.options:
        row = measure(name, options, trained)
        rows.append(dict(zip(HEAD, row)))
        print(line(row), flush=True)
    write_json(os.path.join(options.output, "rows.json"),
               {"seed": options.seed, "set": options.assignments, "rows": rows})


def line(cells):
    """A line of a table."""
    return "| " + " | ".join(cells) + " |"


def assignments_of(name):
    """The settings of a row: those of OPTIONS, or the row's name itself."""
    if name not in OPTIONS and "=" not in name:
        raise SystemExit("'%s' is neither an option (%s) nor KEY=VALUE" % (name, ", ".join(OPTIONS)))
    return list(OPTIONS.get(name, name.split(",")))


def measure(name, options, trained):
    """Train, detect and score with one row's settings: the cells of its line.

    :param trained: run folder and CPU seconds of each training so far, by its settings; gets another one if need be.
    """
    own = assignments_of(name)
    learned = tuple(each for each in own if each.partition("=")[0] not in NOT_LEARNED)
    settings = load_settings(hapt.config_of(options.recipe),
                             options.assignments + list(learned) + ["seed=%d" % options.seed])
    if learned not in trained:
        folder = os.path.join(options.output, "_".join(learned).replace("=", "-") or "default")
        busy = time.process_time()
        train_run(settings, folder)
        trained[learned] = folder, time.process_time() - busy
    folder, busy = trained[learned]
    detections, _, found = infer_run(folder, os.path.join(folder, name.replace("=", "-") + ".json"),
                                     override=lambda kept: override_settings(kept, own))
    averages = [evaluate(settings.dataset.annotations, detections, tious, settings.dataset.test_subset)["average_mAP"]
                for tious in hapt.RANGES]
    count, recall = candidates_of(found)
    parameters = sum(parameter.numel() for parameter in found.detector.parameters())
    return [name if name in OPTIONS else "", " ".join("`%s`" % each for each in own)] + [
        "%.3f" % average for average in averages] + ["%.0f" % count, "%.3f" % recall, str(parameters), "%.0f" % busy]


def candidates_of(trained):
    """How many candidates a window's proposal head judges, and their average recall at tIoU 0.5:0.05:0.95.

    An action of the test subset is found where any candidate, moved by its offsets, of any window reaches the tIoU.
    """
    dataset, counts, found = trained.settings.dataset, [], []
    thresholds = np.array(parse_thresholds(hapt.RANGES[1]))
    recordings = in_subset(read_annotations(dataset.annotations, False), dataset.test_subset, dataset.annotations)
    store = FeatureStore(dataset.features, dataset.cache_mib)
    sources, _ = load_sources(recordings, store, dataset, trained.classes, len(trained.normalization.mean))
    for source in sources:
        features = trained.normalization.apply(store.read(source.id))
        best = np.zeros(len(source.segments))
        for clip in CUTTERS[dataset.mode](source, features, dataset, dataset.length):
            with torch.no_grad():
                scored, = propose(trained.detector, [clip], next(trained.detector.parameters()).device)
            counts.append(len(scored.segments))
            segments = source.grid.to_snippets(clip.grid.to_seconds(scored.segments))
            best = np.maximum(best, tiou(source.segments, segments).max(axis=1, initial=0.0))
        found.extend(best[:, None] >= thresholds)
    return np.mean(counts), np.mean(found)


if __name__ == "__main__":
    main()
