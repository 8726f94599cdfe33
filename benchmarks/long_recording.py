"""Time and memory of `tad predict` on long recordings, in a process of its own, on the CPU.

    python benchmarks/long_recording.py --hours 0.1 1 10

The detector is hardly trained and keeps every detection however low its score: the most that post-processing can get.
The recordings are 25 snippets a second; their files are holes that read as zeros, so they need no room on the disk.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from tad.data.synthetic import Synthesis, synthesize
from tad.files import write_json
from tad.pipeline import train_run
from tad.settings import load_settings

SNIPPETS_PER_HOUR = 25 * 3600


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, nargs="+", default=[0.1, 1.0])
    parser.add_argument("--channels", type=int, default=2048)
    parser.add_argument("--output", default=os.path.join("runs", "long_recording.json"))
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        run = train_briefly(folder, options.channels)
        for hours in options.hours:
            rows.append(measure(folder, run, hours, options.channels))
            print("%6.1f h  %9d snippets  %8.1f s CPU  %8.1f s wall  %6.0f MiB peak  %6d detections"
                  % tuple(rows[-1][key] for key in ("hours", "snippets", "cpu_s", "wall_s", "peak_mib", "detections")),
                  flush=True)
    write_json(options.output, {"channels": options.channels, "rows": rows})


def train_briefly(folder, channels):
    """A run folder of a detector of the usual size, after two steps."""
    data = os.path.join(folder, "data")
    synthesize(data, Synthesis(recordings=3, tested=1, channels=channels, stride=1, window=1))
    settings = load_settings(None, [
        "dataset.annotations=%s" % os.path.join(data, "annotations.json"), "train.steps=2", "train.batch=8",
        "dataset.features=%s" % os.path.join(data, "features"), "dataset.length=128", "postprocess.min_score=0"])
    run = os.path.join(folder, "run")
    train_run(settings, run)
    return run


def measure(folder, run, hours, channels):
    """One prediction; peak memory is that of the process with all that Python and PyTorch need."""
    snippets = int(hours * SNIPPETS_PER_HOUR)
    path, found = os.path.join(folder, "long.npy"), os.path.join(folder, "found.csv")
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(snippets, channels)).flush()
    code = ("import resource, sys; from tad.cli import main; code = main(sys.argv[1:]); "
            "used = resource.getrusage(resource.RUSAGE_SELF); "
            "print(used.ru_utime + used.ru_stime, used.ru_maxrss); sys.exit(code)")
    begun = time.time()
    output = subprocess.check_output([sys.executable, "-c", code, "predict", run, path, "--output", found, "--device",
                                      "cpu"], universal_newlines=True)
    cpu, peak = output.splitlines()[-1].split()
    with open(found) as stream:
        detections = sum(1 for _ in stream) - 1
    return {"hours": hours, "snippets": snippets, "wall_s": time.time() - begun, "cpu_s": float(cpu),
            "peak_mib": int(peak) / 1024.0, "detections": detections}


if __name__ == "__main__":
    main()
