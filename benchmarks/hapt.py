"""Trains and scores detectors on smartphone recordings of daily activities (HAPT), on any machine.

    python benchmarks/hapt.py prepare ../shared/data/hapt         # features of every recipe into data/hapt
    python benchmarks/hapt.py run --seeds 0 1 2                   # train on users 1-16, score on users 17-20
    python benchmarks/hapt.py run --seeds 0 1 2 --recipe fine     # the same on features with a finer stride
    python benchmarks/hapt.py run --seeds 0 1 2 --detector bmn    # another detector: hapt_bmn.yaml
    python benchmarks/hapt.py cv --folds 4                        # how settings are chosen, inside users 1-16

Data: Reyes-Ortiz et al., "Transition-Aware Human Activity Recognition Using Smartphones", Neurocomputing 2015 (UCI).
"""

import argparse
import json
import os
import time
from typing import NamedTuple

import numpy as np

from tad.data.annotations import read_json
from tad.data.signal_features import Plan, make_features
from tad.data.signals import Columns
from tad.data.windowing import Windowing
from tad.evaluation.evaluate import evaluate
from tad.files import write_json
from tad.pipeline import infer_run, train_run
from tad.settings import load_settings

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(os.path.dirname(HERE), "data", "hapt")


class Recipe(NamedTuple):
    """Features are windows of ``window`` samples, one every ``stride`` samples (:data:`RATE` of them are a second).

    ``name`` is that of the YAML file beside this one; detectors other than ``deeplab`` add ``_DETECTOR`` to it.
    """

    window: int
    stride: int
    name: str
    folder: str


# "usual" is how others cut HAPT for action detection; "fine" shows the network borders at 0.2 s instead of 0.5 s
RECIPES = {"usual": Recipe(50, 25, "hapt", os.path.join(DATA, "features")),
           "fine": Recipe(20, 10, "hapt_fine", os.path.join(DATA, "features_fine"))}
RATE = 50
RANGES = ("0.3:0.1:0.7", "0.5:0.05:0.95")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", metavar="STEP")
    verbs.required = True
    verb = verbs.add_parser("prepare", help="signals to features")
    verb.add_argument("folder", help="folder of signals.npz and annotations.json")
    verb.set_defaults(work=prepare)
    runs = argparse.ArgumentParser(add_help=False)
    runs.add_argument("--recipe", choices=sorted(RECIPES), default="usual", help="which features (default: usual)")
    runs.add_argument("--detector", default="deeplab", help="whose configuration (default: deeplab)")
    runs.add_argument("--seeds", type=int, nargs="+", default=[0])
    runs.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE")
    runs.add_argument("--output", help="folder of the runs (default: runs/hapt_RECIPE_DETECTOR_STEP)")
    verb = verbs.add_parser("run", parents=[runs], help="train and score")
    verb.set_defaults(work=lambda options: report(options, [[]]))
    verb = verbs.add_parser("cv", parents=[runs], help="cross-validate inside the training users")
    verb.add_argument("--folds", type=int, default=4)
    verb.add_argument("--only", type=int, nargs="+", metavar="FOLD", help="some of the folds, counted from 0")
    verb.set_defaults(work=lambda options: report(options, folds(options.folds), options.only))
    options = parser.parse_args()
    options.work(options)


def prepare(options):
    """Features of every recipe: z-normalized per channel with training statistics, cut into windows, flattened."""
    annotations = read_json(os.path.join(options.folder, "annotations.json"), "annotations")
    training = [name for name, entry in annotations["database"].items() if entry["subset"] == "training"]
    for recipe in RECIPES.values():
        plan = Plan(Windowing(RATE, recipe.window, recipe.stride))
        made = make_features(os.path.join(options.folder, "signals.npz"), recipe.folder, plan, Columns(), training,
                             "benchmarks/hapt.py prepare", overwrite=True)
    write_json(os.path.join(DATA, "annotations.json"), annotations)
    print("%d recordings in %s" % (len(made.ids), DATA))


def folds(count):
    """Changed settings of each fold, which holds out a part of the users of the training subset."""
    annotations = read_json(os.path.join(DATA, "annotations.json"), "annotations")
    training = {name: entry for name, entry in annotations["database"].items() if entry["subset"] == "training"}
    users = sorted({entry["user"] for entry in training.values()})
    result = []
    for fold in range(count):
        held_out = set(users[fold::count])
        database = {name: dict(entry, subset="validation" if entry["user"] in held_out else "training")
                    for name, entry in training.items()}
        path = os.path.join(DATA, "fold_%d_of_%d.json" % (fold, count))
        write_json(path, dict(annotations, database=database))
        result.append(["dataset.annotations=" + path])
    return result


def config_of(recipe, detector="deeplab"):
    """The configuration of a recipe and a detector."""
    name = RECIPES[recipe].name + ("" if detector == "deeplab" else "_" + detector)
    return os.path.join(HERE, name + ".yaml")


def report(options, parts, only=None):
    """Train and score with every part's changed settings and every seed; print and write the figures.

    :param only: indices of the parts to take; None for all.
    """
    rows = []
    config = config_of(options.recipe, options.detector)
    output = options.output or os.path.join("runs", "hapt_%s_%s_%s" % (options.recipe, options.detector, options.verb))
    for seed in options.seeds:
        for index in range(len(parts)) if only is None else only:
            folder = os.path.join(output, "seed%d_part%d" % (seed, index))
            settings = load_settings(config, parts[index] + options.assignments + ["seed=%d" % seed])
            began, busy = time.time(), time.process_time()
            train_run(settings, folder)
            trained, busy = time.time(), time.process_time() - busy
            path, _, _ = infer_run(folder)
            ended = time.time()
            metrics = [evaluate(settings.dataset.annotations, path, tiou, settings.dataset.test_subset)
                       for tiou in RANGES]
            rows.append({"seed": seed, "part": index, "train_s": trained - began, "train_cpu_s": busy,
                         "infer_s": ended - trained,
                         "average": [found["average_mAP"] for found in metrics],
                         "mAP": dict(metrics[1]["mAP"], **metrics[0]["mAP"])})
            print("seed %d part %d: %s  train %.0f s (%.0f s of CPU), infer %.0f s" % (
                seed, index, "  ".join("%s %.4f" % pair for pair in zip(RANGES, rows[-1]["average"])),
                rows[-1]["train_s"], busy, rows[-1]["infer_s"]), flush=True)
    averages = np.array([row["average"] for row in rows])
    summary = {"detector": options.detector, "recipe": options.recipe, "settings": options.assignments, "rows": rows,
               "ranges": RANGES, "mean": averages.mean(axis=0).tolist(), "deviation": averages.std(axis=0).tolist()}
    write_json(os.path.join(output, "summary.json"), summary)
    print("mean: " + "  ".join("%s %.4f" % pair for pair in zip(RANGES, summary["mean"])))
    print(json.dumps({key: round(float(np.mean([row["mAP"][key] for row in rows])), 4) for key in rows[0]["mAP"]}))


if __name__ == "__main__":
    main()
