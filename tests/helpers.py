"""Small data sets, settings and command lines that several tests need."""

import json
import os
import subprocess
import sys

import numpy as np
import torch

from tad.cli import main
from tad.config import DETECTORS
from tad.data.augment import random_clip
from tad.data.clips import cut_windows
from tad.data.sources import Source
from tad.data.timegrid import TimeGrid
from tad.settings import load_settings

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# A training of a second; what a detector has hardly learned is not dropped for its low score
SHORT = ("dataset.length=32", "train.steps=4", "train.batch=2", "train.warmup=2", "train.log_every=2",
         "train.checkpoint_every=2", "postprocess.min_score=0", "device=cpu")
# Each detector small enough for that
SMALL = {
    "deeplab": ("deeplab.width=8", "deeplab.blocks=1", "deeplab.proposal_width=4", "deeplab.proposal_bins=6",
                "deeplab.samples=12", "deeplab.candidates=60"),
    "bmn": ("bmn.width=8", "bmn.proposal_width=4", "bmn.fusion_width=8", "bmn.proposal_samples=6", "bmn.samples=30",
            "bmn.candidates=60"),
    "atss": ("atss.width=8", "atss.blocks=1", "atss.head_convs=1", "atss.anchor_scale=4", "atss.nearest=4",
             "atss.refine=true", "atss.refine_width=4", "atss.refine_bins=4", "atss.refine_samples=12"),
    "ssn": ("ssn.width=8", "ssn.samples=16", "ssn.candidates=60", "ssn.tag_step=0.1"),
    "bsn": ("bsn.width=8", "bsn.proposal_width=8", "bsn.samples=40", "bsn.candidates=60"),
}
# What changes a detector as much as another one would; tests of every detector take each of them
VARIANTS = {
    "deeplab": (("deeplab.proposal_features=mask",), ("deeplab.second_stage=cnn",), ("deeplab.second_stage=graph",),
                ("deeplab.second_stage=graph", "deeplab.neighbours_by=distance"),
                ("deeplab.second_stage=graph", "deeplab.neighbours_by=features", "deeplab.neighbours=100"),
                ("deeplab.atrous_graph=true",), ("deeplab.generator=start_end",),
                ("deeplab.generator=thr_action", "deeplab.threshold_step=0.1"),
                ("deeplab.generator=unif_rand",),
                ("deeplab.actionness=binary", "deeplab.positive=adaptive", "deeplab.sampling=two_way")),
}
TINY = SHORT + SMALL["deeplab"]


def with_variants(variants):
    """Each detector's name alone, and followed by the settings of each of its variants: list of tuples."""
    return [(name,) + variant for name in DETECTORS for variant in ((),) + variants.get(name, ())]


def small(detector, assignments):
    """:data:`SMALL` of a detector, without what a switch among the assignments turns off (``atss.refine=false``)."""
    off = tuple(text[:-len("=false")] for text in assignments if text.endswith("=false"))
    return ("detector=" + detector,) + tuple(text for text in SMALL[detector] if not text.startswith(off))


def tiny_settings(*assignments, detector="deeplab"):
    return load_settings(None, SHORT + small(detector, assignments) + assignments)


def sets(assignments):
    """``--set`` for each of some assignments."""
    return [word for assignment in assignments for word in ("--set", assignment)]


def write_json(path, value):
    with open(str(path), "w") as stream:
        json.dump(value, stream)
    return str(path)


def read_json(path):
    with open(str(path)) as stream:
        return json.load(stream)


def write_data(folder, rng, classes=("wave", "nod"), width=5, recordings=(60, 45, 50, 40), tested=1, fps=25.0,
               stride=16, window=16):
    """Recordings whose channels rise while an action of their class happens, with annotations and a configuration.

    :param recordings: snippets of each; the last ``tested`` are the subset ``validation``.
    :returns: path of the configuration.
    """
    folder = str(folder)
    os.makedirs(os.path.join(folder, "features"), exist_ok=True)
    database, actions = {}, 0
    for number, snippets in enumerate(recordings):
        name = "rec_%d" % number
        features = 0.3 * rng.standard_normal((snippets, width))
        annotations, start = [], 3
        while start + 12 < snippets:
            end = start + rng.randint(6, 12)
            label = actions % len(classes)
            features[start:end, label % width] += 2.0 + label // width
            # Snippet i is centred at (i * stride + window / 2) / fps seconds
            seconds = [((edge - 0.5) * stride + window / 2.0) / fps for edge in (start, end)]
            annotations.append({"segment": seconds, "label": classes[label]})
            start, actions = end + rng.randint(3, 8), actions + 1
        np.save(os.path.join(folder, "features", name + ".npy"), features.astype(np.float32))
        database[name] = {"subset": "validation" if number >= len(recordings) - tested else "training",
                          "duration": ((snippets - 1) * stride + window) / fps, "annotations": annotations}
    write_json(os.path.join(folder, "annotations.json"), {"version": "1", "database": database})
    config = os.path.join(folder, "my.yaml")
    with open(config, "w") as stream:
        stream.write("dataset:\n  annotations: annotations.json\n  features: features\n  train_subset: training\n"
                     "  test_subset: validation\n  fps: %g\n  stride: %d\n  window: %d\n" % (fps, stride, window))
    return config


def write_data_of(settings, rng):
    """Made-up recordings where a configuration's paths point, in its subsets and at its frame rate, with the external
    scores and the blocked recordings that it names."""
    dataset, classes = settings.dataset, ("wave", "nod")
    place = os.path.dirname(dataset.annotations)
    write_data(place, rng, classes, tested=2, fps=dataset.fps or 30.0, stride=dataset.stride or 5,
               window=dataset.window or 1)
    document = read_json(os.path.join(place, "annotations.json"))
    subsets = {"training": dataset.train_subset, "validation": dataset.test_subset}
    for entry in document["database"].values():
        entry["subset"] = subsets[entry["subset"]]
    write_json(dataset.annotations, document)
    if dataset.features.endswith(".json"):
        write_json(dataset.features, {"version": 1, "streams": [["features"]]})
    else:
        os.rename(os.path.join(place, "features"), dataset.features)
    if dataset.external_scores is not None:
        write_json(dataset.external_scores, {name: {label: rng.random_sample() for label in classes}
                                             for name in document["database"]})
    if settings.evaluation.blocked is not None:
        with open(settings.evaluation.blocked, "w") as stream:
            stream.write("rec_3\n")


def change_json(path, change):
    """Apply ``change(value)`` to a JSON file."""
    value = read_json(path)
    change(value)
    write_json(path, value)


def make_source(rng, snippets, actions=3, classes=3, name="rec", grid=None):
    """A source with random segments of at least one snippet, and features ``(snippets, 4)``."""
    segments = np.sort(rng.uniform(-0.5, snippets - 0.5, (actions, 2)), axis=1)
    segments[:, 1] = np.maximum(segments[:, 1], segments[:, 0] + 1)
    features = rng.standard_normal((snippets, 4)).astype(np.float32)
    labels = rng.randint(0, classes, actions).astype(np.int64)
    return Source(name, grid or TimeGrid(0.5, 1.0), snippets, segments, labels), features


def make_batch(rng, settings, lengths=(60, 20, 40), actions=3):
    """Three random training clips of random recordings of 3 classes, and their features ``(3, 4, dataset.length)``."""
    made = [make_source(rng, length, actions, name=str(index)) for index, length in enumerate(lengths)]
    read = {source.id: features for source, features in made}.__getitem__
    clips = [random_clip([source for source, _ in made], read, settings.augment, "windows", settings.dataset.length, 0,
                         number) for number in range(3)]
    return clips, torch.stack([torch.from_numpy(clip.features) for clip in clips])


def one_clip(rng, valid, settings):
    """A clip of ``dataset.length`` snippets, ``valid`` of them real, and its features ``(1, 4, dataset.length)``."""
    source, features = make_source(rng, valid)
    clip, = cut_windows(source, features, settings.dataset, settings.dataset.length)
    return clip, torch.from_numpy(clip.features)[None]


def call(arguments):
    """Exit code of a command in this process."""
    try:
        return main([str(word) for word in arguments])
    except SystemExit as stopped:
        return stopped.code


def environment():
    """For a ``tad`` of its own process: this checkout, one thread."""
    return dict(os.environ, PYTHONPATH=ROOT, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")


def start_process(arguments, folder, **options):
    """``python -m tad ...`` in a process of its own; ``options`` are those of ``subprocess.Popen``."""
    return subprocess.Popen([sys.executable, "-m", "tad"] + [str(word) for word in arguments], cwd=str(folder),
                            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            universal_newlines=True, **options)
