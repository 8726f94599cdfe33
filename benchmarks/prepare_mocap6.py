"""Makes ``tad/data/shipped/mocap6`` from the three CSV files of the packaged CMU recordings.

    python benchmarks/prepare_mocap6.py ../shared/data/mocap6

Source: CMU Motion Capture Database (mocap.cs.cmu.edu), subjects 13 and 14; labels by Fox, Hughes, Sudderth and Jordan,
Annals of Applied Statistics 2014; as packaged in bnpy.
"""

import argparse
import os

import numpy as np
import pandas

from tad.files import atomic_write, write_json

FPS = 10.0
HELD_OUT = "14_14"
TARGET = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tad", "data", "shipped", "mocap6")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="folder of the three CSV files")
    folder = parser.parse_args().folder
    names = pandas.read_csv(os.path.join(folder, "metadata_per_seq.csv")).set_index("seq_id")["file_name"]
    signals = pandas.read_csv(os.path.join(folder, "sensor_data_per_tstep.csv"))
    actions = pandas.read_csv(os.path.join(folder, "actions_per_tstep.csv"))
    features, database = {}, {}
    for sequence, name in names.items():
        frames = signals[signals.seq_id == sequence].sort_values("tstep_id").drop(columns=["seq_id", "tstep_id"])
        labels = actions[actions.seq_id == sequence].sort_values("tstep_id").action_name.tolist()
        features[name] = frames.values.astype(np.float32)
        database[name] = {"subset": "validation" if name == HELD_OUT else "training", "duration": len(labels) / FPS,
                          "fps": FPS, "annotations": runs_of(labels)}
    write_json(os.path.join(TARGET, "annotations.json"), {"version": "mocap6", "database": database})
    with atomic_write(os.path.join(TARGET, "features.npz"), "wb") as stream:
        np.savez_compressed(stream, **features)


def runs_of(labels):
    """Annotations of the runs of equal labels."""
    cuts = [0] + [index for index in range(1, len(labels)) if labels[index] != labels[index - 1]] + [len(labels)]
    return [{"segment": [first / FPS, last / FPS], "label": labels[first]} for first, last in zip(cuts, cuts[1:])]


if __name__ == "__main__":
    main()
