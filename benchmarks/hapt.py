"""Trains and scores `deeplab` on smartphone recordings of daily activities (HAPT), on any machine.

    python benchmarks/hapt.py prepare ../shared/data/hapt    # features into data/hapt
    python benchmarks/hapt.py run --seeds 0 1 2              # train on users 1-16, score on users 17-20
    python benchmarks/hapt.py cv --folds 4                   # how the settings were chosen, inside users 1-16

Data: Reyes-Ortiz et al., "Transition-Aware Human Activity Recognition Using Smartphones", Neurocomputing 2015 (UCI).
"""

import argparse
import json
import os
import time

import numpy as np

from tad.data.annotations import read_json
from tad.evaluation.evaluate import evaluate
from tad.files import atomic_write, make_folder, write_json
from tad.pipeline import infer_run, train_run
from tad.settings import load_settings

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = os.path.join(HERE, "hapt.yaml")
DATA = os.path.join(os.path.dirname(HERE), "data", "hapt")
WINDOW, STRIDE = 50, 25  # samples
RANGES = ("0.3:0.1:0.7", "0.5:0.05:0.95")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", metavar="STEP")
    verbs.required = True
    verb = verbs.add_parser("prepare", help="signals to features")
    verb.add_argument("folder", help="folder of signals.npz and annotations.json")
    verb.set_defaults(work=prepare)
    runs = argparse.ArgumentParser(add_help=False)
    runs.add_argument("--seeds", type=int, nargs="+", default=[0])
    runs.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE")
    runs.add_argument("--output", default=os.path.join("runs", "hapt"), help="folder of the runs")
    verb = verbs.add_parser("run", parents=[runs], help="train and score")
    verb.set_defaults(work=lambda options: report(options, [(CONFIG, [], "validation")]))
    verb = verbs.add_parser("cv", parents=[runs], help="cross-validate inside the training users")
    verb.add_argument("--folds", type=int, default=4)
    verb.set_defaults(work=lambda options: report(options, folds(options.folds)))
    options = parser.parse_args()
    options.work(options)


def prepare(options):
    """Windows of 50 samples, stride 25, z-normalized per channel with training statistics, flattened to 300 values."""
    annotations = read_json(os.path.join(options.folder, "annotations.json"), "annotations")
    signals = np.load(os.path.join(options.folder, "signals.npz"))
    training = [name for name, entry in annotations["database"].items() if entry["subset"] == "training"]
    samples = np.concatenate([signals[name] for name in training]).astype(np.float64)
    mean, deviation = samples.mean(axis=0), samples.std(axis=0)
    make_folder(os.path.join(DATA, "features"))
    for name in annotations["database"]:
        normal = ((signals[name] - mean) / deviation).astype(np.float32)
        starts = np.arange(0, len(normal) - WINDOW + 1, STRIDE)
        features = np.stack([normal[start:start + WINDOW].ravel() for start in starts])
        with atomic_write(os.path.join(DATA, "features", name + ".npy"), "wb") as stream:
            np.save(stream, features)
    write_json(os.path.join(DATA, "annotations.json"), annotations)
    print("%d recordings in %s" % (len(annotations["database"]), DATA))


def folds(count):
    """(configuration, changed settings, subset scored) of each fold; users of the training subset only."""
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
        result.append((CONFIG, ["dataset.annotations=" + path], "validation"))
    return result


def report(options, parts):
    """Train and score every part with every seed; print and write the figures."""
    rows = []
    for seed in options.seeds:
        for index, (config, changes, subset) in enumerate(parts):
            folder = os.path.join(options.output, "seed%d_part%d" % (seed, index))
            settings = load_settings(config, changes + options.assignments + ["seed=%d" % seed])
            began = time.time()
            train_run(settings, folder)
            trained = time.time()
            path, _, _ = infer_run(folder)
            ended = time.time()
            metrics = [evaluate(settings.dataset.annotations, path, tiou, subset) for tiou in RANGES]
            rows.append({"seed": seed, "part": index, "train_s": trained - began, "infer_s": ended - trained,
                         "average": [found["average_mAP"] for found in metrics],
                         "mAP": dict(metrics[1]["mAP"], **metrics[0]["mAP"])})
            print("seed %d part %d: %s  train %.0f s, infer %.0f s" % (
                seed, index, "  ".join("%s %.4f" % pair for pair in zip(RANGES, rows[-1]["average"])),
                rows[-1]["train_s"], rows[-1]["infer_s"]), flush=True)
    averages = np.array([row["average"] for row in rows])
    summary = {"settings": options.assignments, "rows": rows, "ranges": RANGES,
               "mean": averages.mean(axis=0).tolist(), "deviation": averages.std(axis=0).tolist()}
    write_json(os.path.join(options.output, "summary.json"), summary)
    print("mean: " + "  ".join("%s %.4f" % pair for pair in zip(RANGES, summary["mean"])))
    print(json.dumps({key: round(float(np.mean([row["mAP"][key] for row in rows])), 4) for key in rows[0]["mAP"]}))


if __name__ == "__main__":
    main()
