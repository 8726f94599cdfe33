"""Time and memory of `tad eval`, each case in a process of its own on one core, after imports.

    python benchmarks/evaluate.py real FOLDER          # with thumos14, activitynet and eval_reference in it
    python benchmarks/evaluate.py growth --detections 1e5 1e6 1e7

Seconds are those of the processor, so that other work on the machine counts little; `wall_s` in the result is by the
clock. Beside each stands a floor: reading is hardly faster than `json.load` of the same files, and no ranking is faster
than sorting the scores.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

from tad.files import write_json

THUMOS14, ACTIVITYNET = "0.1:0.1:0.7", "0.5:0.05:0.95"
RECORDINGS, CLASSES, INSTANCES, SECONDS = 212, 20, 3358, 220.0   # about THUMOS14's test set
# Runs in a process of its own; says its times and its memory in one line of JSON
MEASURED = """
import json, resource, sys, time, warnings
import numpy as np
from tad.evaluation.diagnosis.diagnose import diagnose
from tad.evaluation.evaluate import detection_metrics, proposal_metrics
from tad.evaluation.scoring import open_scoring
from tad.evaluation.thresholds import parse_thresholds
warnings.simplefilter("ignore")
wall = time.time()
truth, found, tiou, subset, more = sys.argv[1:]
begun = time.process_time()
scoring = open_scoring(truth, found, subset)
read = time.process_time()
metrics = detection_metrics(scoring, parse_thresholds(tiou))
done = time.process_time()
result = {"detections": len(scoring.found.scores), "average_mAP": metrics["average_mAP"], "wall_s": time.time() - wall,
          "read_s": read - begun, "map_s": done - read, "total_s": done - begun,
          "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0}
begun = time.process_time()
np.argsort(-scoring.found.scores, kind="mergesort")
result["sort_s"] = time.process_time() - begun
if more == "more":
    begun = time.process_time()
    proposal_metrics(scoring, parse_thresholds("0.5:0.05:0.95"), 100)
    result["ar_s"], begun = time.process_time() - begun, time.process_time()
    diagnose(scoring, parse_thresholds(tiou))
    result["diagnosis_s"] = time.process_time() - begun
    result["peak_mib_of_all"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
print(json.dumps(result))
"""
LOADED = """
import json, sys, time
begun = time.process_time()
for path in sys.argv[1:]:
    with open(path) as stream:
        json.load(stream)
print(time.process_time() - begun)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb")
    verbs.required = True
    real = verbs.add_parser("real", help="THUMOS14 and ActivityNet")
    real.add_argument("folder")
    real.add_argument("--repeats", type=int, default=5)
    growth = verbs.add_parser("growth", help="made-up detections of a growing number")
    growth.add_argument("--detections", type=float, nargs="+", default=[1e5, 1e6, 1e7])
    growth.add_argument("--seed", type=int, default=0)
    for verb in (real, growth):
        verb.add_argument("--output", default=None, help="default: runs/evaluate_VERB.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = real_rows(options, folder) if options.verb == "real" else growth_rows(options, folder)
    write_json(options.output or os.path.join("runs", "evaluate_%s.json" % options.verb), rows)


def real_rows(options, folder):
    """The fastest of some repeats for each file: others keep the machine busy, and it cannot get faster by chance."""
    shared, rows = options.folder, []
    for name, files in (("THUMOS14", (os.path.join(shared, "thumos14", "thumos_gt.json"),
                                      os.path.join(shared, "eval_reference", "thumos14_detections.json"),
                                      THUMOS14, "test")),
                        ("ActivityNet", (write_activitynet(shared, folder),
                                         os.path.join(shared, "activitynet", "sample_detection_prediction.json"),
                                         ACTIVITYNET, "validation"))):
        measured = [measure(*files) for _ in range(options.repeats)]
        row = dict(min(measured, key=lambda each: each["total_s"]), name=name,
                   json_load_s=min(load(*files[:2]) for _ in range(options.repeats)))
        rows.append(row)
        print("%-12s %6d detections: %.3f s = %.3f reading (json.load alone %.3f) + %.3f mAP (sort alone %.4f); "
              "AR %.3f s, diagnosis %.3f s; %.0f MiB peak"
              % tuple(row[key] for key in ("name", "detections", "total_s", "read_s", "json_load_s", "map_s", "sort_s",
                                           "ar_s", "diagnosis_s", "peak_mib_of_all")), flush=True)
    return rows


def growth_rows(options, folder):
    rng, rows = np.random.RandomState(options.seed), []
    truth, instances = write_truth(folder, rng)
    for number in options.detections:
        found = os.path.join(folder, "found.json")
        write_detections(found, rng, instances, int(number))
        row = dict(measure(truth, found, THUMOS14, "test"), file_mib=os.path.getsize(found) / 2.0 ** 20)
        rows.append(row)
        print("%9d detections (%4.0f MiB): %6.2f s = %6.2f reading + %6.2f mAP (sort alone %5.2f), %5.0f MiB peak; "
              "AR %6.2f s, diagnosis %6.2f s, %5.0f MiB peak; %.2f us each"
              % tuple([row[key] for key in ("detections", "file_mib", "total_s", "read_s", "map_s", "sort_s",
                                            "peak_mib", "ar_s", "diagnosis_s", "peak_mib_of_all")]
                      + [1e6 * row["total_s"] / row["detections"]]), flush=True)
    return rows


def measure(truth, found, tiou, subset):
    return json.loads(alone(MEASURED, truth, found, tiou, subset, "more"))


def load(*paths):
    return float(alone(LOADED, *paths))


def alone(code, *arguments):
    """Output of a Python process on one core."""
    one = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    return subprocess.check_output([sys.executable, "-c", code] + list(arguments), env=one, universal_newlines=True)


def write_activitynet(shared, folder):
    """ActivityNet's annotations as its own file would have them, from two files of BSN."""
    with open(os.path.join(shared, "activitynet", "video_info_new.csv")) as stream:
        subsets = {row["video"]: row["subset"] for row in csv.DictReader(stream)}
    with open(os.path.join(shared, "activitynet", "anet_anno_action.json")) as stream:
        database = {name[2:]: {"subset": subsets[name], "duration": entry["duration_second"],
                               "annotations": entry["annotations"]} for name, entry in json.load(stream).items()}
    path = os.path.join(folder, "activitynet.json")
    write_json(path, {"database": database})
    return path


def write_truth(folder, rng):
    """Ground truth of about THUMOS14's size; returns its path and the instances ``(recording, class, start, end)``."""
    recording, label = rng.randint(0, RECORDINGS, INSTANCES), rng.randint(0, CLASSES, INSTANCES)
    start = rng.uniform(0, SECONDS - 20, INSTANCES)
    end = start + rng.lognormal(1.2, 0.7, INSTANCES).clip(0.3, 20)
    database = {"recording_%03d" % place: {"subset": "test", "duration": SECONDS, "annotations": []}
                for place in range(RECORDINGS)}
    for row in zip(recording.tolist(), label.tolist(), start.tolist(), end.tolist()):
        database["recording_%03d" % row[0]]["annotations"].append(
            {"segment": row[2:], "label": "class_%02d" % row[1]})
    path = os.path.join(folder, "truth.json")
    write_json(path, {"database": database})
    return path, np.stack([recording, label, start, end], axis=1)


def write_detections(path, rng, instances, number):
    """Half of the detections lie near an instance, half anywhere; written a recording at a time."""
    with open(path, "w") as stream:
        stream.write('{"version": "made up", "results": {')
        for place in range(RECORDINGS):
            count = number * (place + 1) // RECORDINGS - number * place // RECORDINGS
            own = instances[instances[:, 0] == place]
            near = own[rng.randint(0, len(own), count)] if len(own) else np.zeros((count, 4))
            free = (rng.uniform(size=count) < 0.5) | (len(own) == 0)
            start = np.where(free, rng.uniform(0, SECONDS - 20, count), near[:, 2] + rng.normal(0, 1, count))
            length = (near[:, 3] - near[:, 2]) * rng.lognormal(0, 0.3, count)
            length = np.where(free, rng.uniform(0.3, 20, count), length)
            label = np.where(free, rng.randint(0, CLASSES, count), near[:, 1]).astype(int)
            rows = zip(label.tolist(), rng.uniform(size=count).tolist(), start.tolist(), (start + length).tolist())
            stream.write('%s"recording_%03d": [' % (", " if place else "", place))
            stream.write(", ".join('{"label": "class_%02d", "score": %.6f, "segment": [%.3f, %.3f]}' % row
                                   for row in rows))
            stream.write("]")
        stream.write('}, "external_data": {}}')


if __name__ == "__main__":
    main()
