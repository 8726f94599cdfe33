"""Annotations and detections for tests of the report, drawn at random."""

import os

from tests.helpers import write_json

HOSTILE = ("</script><script>document.title='broken'</script>", "<img src=x onerror=alert(1)>", "a\"b'c&amp;d",
           "line\u2028end\u2029", "\\u003c", "@@data@@", "", "\u65e5\u672c", "$x_{", "__proto__")


def make_data(rng, labels=("wave", "nod"), recordings=4, actions=5, detections=20, ids=None):
    """Annotations and detections as plain values; half of the detections are near an action."""
    database, results = {}, {}
    for index in range(recordings):
        name = ids[index] if ids else "rec_%d" % index
        duration = float(rng.uniform(40, 90))
        annotations, found = [], []
        for _ in range(actions):
            start = float(rng.uniform(0, duration - 6))
            annotations.append({"segment": [start, start + float(rng.uniform(1, 6))],
                                "label": labels[rng.randint(len(labels))]})
        for number in range(detections):
            start, end = float(rng.uniform(0, duration - 6)), None
            label = labels[rng.randint(len(labels))]
            if number % 2 and annotations:
                action = annotations[rng.randint(len(annotations))]
                start, end = (edge + float(rng.normal(0, 0.4)) for edge in action["segment"])
                label = action["label"] if rng.rand() < 0.7 else label
            end = start + float(rng.uniform(1, 6)) if end is None or end <= start else end
            found.append({"label": label, "score": float(rng.uniform()), "segment": [start, end]})
        database[name] = {"subset": "validation", "duration": duration, "annotations": annotations}
        results[name] = found
    return {"version": "1", "database": database}, {"version": "1", "results": results, "external_data": {}}


def write_run(folder, annotations, detections, truth_path=None):
    """A run folder with configuration and detections, and the annotations beside it unless they are elsewhere."""
    folder = str(folder)
    os.makedirs(folder, exist_ok=True)
    truth = truth_path or write_json(os.path.join(folder, "..", "truth.json"), annotations)
    write_json(os.path.join(folder, "detections.json"), detections)
    with open(os.path.join(folder, "config.yaml"), "w") as stream:
        stream.write("dataset:\n  annotations: %s\n  test_subset: validation\n" % os.path.abspath(truth))
    return folder
