"""Checks and times 1 and 2 ranks side by side at the same total batch: CPU cores with gloo, or GPUs with NCCL.

    python benchmarks/distributed.py                     # two cores, one thread each
    python benchmarks/distributed.py --device cuda       # a machine with two GPUs

Losses of each step must agree to 1e-5 of their size over the first ``CHECKED`` steps (later, rounding grows), and
detections from one checkpoint must be the same. Writes a JSON result and prints a table.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

import torch

from tad.data.synthetic import Synthesis, synthesize
from tad.engine.losslog import read_losses
from tad.files import write_json

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHECKED, TOLERANCE = 3, 1e-5
# By device: clips a step, and steps of a short and a long training, whose difference leaves out the start
SIZES = {"cpu": (16, 5, 35), "cuda": (64, 20, 220)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=sorted(SIZES), default="cpu")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE",
                        help="change a setting of the trainings")
    parser.add_argument("--output", default=os.path.join("runs", "distributed.json"))
    options = parser.parse_args()
    gpus = torch.cuda.device_count()
    if options.device == "cuda" and gpus < max(options.ranks):
        parser.error("%d ranks need as many GPUs, and PyTorch sees %d" % (max(options.ranks), gpus))
    batch, short, long = SIZES[options.device]
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(folder, options, ranks, batch, short, long) for ranks in options.ranks]
        problems = check(rows)
    for row in rows:
        print("%d ranks  %8.4f s a step  %6.2f times %d  losses apart by %.1e" % (
            row["ranks"], row["step_s"], rows[0]["step_s"] / row["step_s"], rows[0]["ranks"], row["losses_apart"]))
    print("\n".join(problems) or "the same losses and detections")
    write_json(options.output, {
        "device": options.device, "torch": torch.__version__, "cpus": os.cpu_count(), "batch": batch, "rows": rows,
        "gpus": [torch.cuda.get_device_name(index) for index in range(gpus)], "problems": problems})
    return 1 if problems else 0


def measure(folder, options, ranks, batch, short, long):
    """Train twice with so many ranks, and detect with the first training's checkpoint."""
    data = os.path.join(folder, "data")
    if not os.path.isdir(data):
        synthesize(data, Synthesis(recordings=16, tested=6, channels=256, snippets=400))
    seconds = []
    for steps in (short, long):
        values = ["dataset.annotations=%s" % os.path.join(data, "annotations.json"), "train.steps=%d" % steps,
                  "dataset.features=%s" % os.path.join(data, "features"), "dataset.length=128", "train.log_every=1",
                  "train.batch=%d" % batch, "train.checkpoint_every=%d" % long, "deeplab.dropout=0"]
        config = os.path.join(folder, "empty.yaml")
        with open(config, "w") as stream:
            stream.write("{}\n")
        words = ["train", "--config", config, "--output", run_folder(folder, ranks, steps)]
        seconds.append(start(words + sets(values + options.assignments, options.device), ranks))
    row = {"ranks": ranks, "step_s": (seconds[1] - seconds[0]) / (long - short), "run": run_folder(folder, ranks, long)}
    first = os.path.join(folder, "first")
    if not os.path.exists(first):
        os.symlink(row["run"], first)
    row["detections"] = os.path.join(folder, "found-%d.json" % ranks)
    words = ["infer", "--checkpoint", first, "--output", row["detections"]]
    row["infer_s"] = start(words + sets([], options.device), ranks)
    return row


def run_folder(folder, ranks, steps):
    return os.path.join(folder, "run-%d-%d" % (ranks, steps))


def sets(values, device):
    own = ["threads=1"] if device == "cpu" else ["threads=4", "train.workers=4"]
    device = "auto" if device == "cuda" else device
    return [word for value in values + own + ["device=" + device] for word in ("--set", value)]


def start(words, ranks):
    """Seconds that ``tad`` takes in so many processes with the variables that torchrun sets."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port = opened.getsockname()[1]
    begin, running = time.monotonic(), []
    for rank in range(ranks):
        one = {"RANK": rank, "WORLD_SIZE": ranks, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        variables = dict(os.environ, PYTHONPATH=ROOT, **{name: str(value) for name, value in one.items()})
        running.append(subprocess.Popen([sys.executable, "-m", "tad"] + words, env=variables,
                                        stdout=subprocess.DEVNULL))
    codes = [process.wait() for process in running]
    if any(codes):
        raise SystemExit("tad %s ended with %s" % (words[0], codes))
    return time.monotonic() - begin


def check(rows):
    """Sentences on what differs from the first row; adds ``losses_apart`` to each."""
    problems, losses = [], [read_losses(os.path.join(row.pop("run"), "tensorboard")) for row in rows]
    paths = [row.pop("detections") for row in rows]
    texts = []
    for path in paths:
        with open(path) as stream:
            texts.append(json.load(stream))
    for row, found, text in zip(rows, losses, texts):
        row["losses_apart"] = max(abs(found[step][name] - value) / max(1.0, abs(value))
                                  for step in range(1, CHECKED + 1) for name, value in losses[0][step].items())
        if row["losses_apart"] > TOLERANCE:
            problems.append("%d ranks: losses of the first %d steps differ by %.1e"
                            % (row["ranks"], CHECKED, row["losses_apart"]))
        if text != texts[0]:
            problems.append("%d ranks: other detections from the same checkpoint" % row["ranks"])
    return problems


if __name__ == "__main__":
    sys.exit(main())
