"""What a training and the detection after it will take in memory and on disk, before they begin."""

import os
import shutil
import warnings
from typing import NamedTuple, Optional

from tad.data.streams import part_paths
from tad.engine.checkpoint import KEPT
from tad.errors import DataWarning, UserError
from tad.planning.feasible import check_feasible
from tad.planning.fitting import fit_settings
from tad.planning.memory import COPIES, free_memory, measure_cost

STORED = 4      # copies of each weight in a checkpoint: itself, its moving average, and Adam's two moments
FLOAT_BYTES = 4  # features in memory are float32
MIB = 2.0 ** 20


class Needs(NamedTuple):
    """Bytes; None where they are not known. ``refused`` is why a training would not begin, ``warned`` what it tells.

    ``features_disk`` is all of the features' files, ``training_features`` and ``all_features`` what the used subsets
    are in memory, ``kept`` what ``dataset.cache_mib`` keeps of the former, for each process that reads. ``step`` is
    what a training step holds, weights included; ``checkpoints`` those that a run keeps and the one being written.
    """

    features_disk: int
    training_features: int
    all_features: int
    kept: int
    step: Optional[int]
    checkpoints: Optional[int]
    free_memory: Optional[int]
    free_disk: int
    readers: int
    batch: int
    length: Optional[int]
    refused: Optional[str]
    warned: tuple


def measure_needs(report, settings, folder="."):
    """What a training with these settings takes.

    :param report: :class:`tad.data.check.findings.Report` of features.
    :param settings: :class:`tad.config.Settings`; what they leave open is derived as a training would.
    :param folder: the run folder, or one on the same disk.
    """
    sizes = {name: sum(source.snippets for source in sources) * report.width * FLOAT_BYTES if report.width else 0
             for name, sources in report.sources.items()}
    training = sizes[report.training]
    cost, refused, warned = None, None, ()
    if report.sources[report.training] and report.classes:
        settings, refused, warned = _fitted(settings, report.sources[report.training])
        if refused is None:
            cost = measure_cost(settings, report.width, len(report.classes))
    return Needs(
        features_disk=sum(_size(path) for path in [report.features] + part_paths(report.features)),
        training_features=training, all_features=sum(sizes.values()),
        kept=min(training, settings.dataset.cache_mib * 2 ** 20),
        step=None if cost is None else int(cost.weights + settings.train.batch * cost.window),
        checkpoints=None if cost is None else int(cost.weights // COPIES * STORED * (KEPT + 1)),
        free_memory=free_memory("cpu"), free_disk=shutil.disk_usage(folder).free,
        readers=1 + settings.train.workers, batch=settings.train.batch, length=settings.dataset.length,
        refused=refused, warned=warned)


def _fitted(settings, sources):
    """Resolved settings, why a training would refuse them, and what it would warn of."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", DataWarning)
        try:
            settings = fit_settings(settings, sources)
            check_feasible(settings, sources)
        except UserError as error:
            return settings, str(error), ()
    return settings, None, tuple(str(one.message) for one in told)


def _size(path):
    """Bytes of a file, or of the files in a folder."""
    if os.path.isdir(path):
        return sum(_size(inner.path) for inner in os.scandir(path) if inner.is_file())
    return os.path.getsize(path)


def needs_lines(needs):
    """Sentences for a terminal."""
    lines = ["features: %s on disk; %s in memory to train on, of which dataset.cache_mib keeps %s%s%s" % (
        _mib(needs.features_disk), _mib(needs.training_features),
        "all" if needs.kept == needs.training_features else _mib(needs.kept),
        " in each of %d processes" % needs.readers if needs.readers > 1 else "",
        "" if needs.kept == needs.training_features else "; the rest is read again in every pass")]
    if needs.step is not None:
        lines.append("a training step: about %s for %d windows of %d snippets" % (
            _mib(needs.step), needs.batch, needs.length))
        lines.append("checkpoints: %s, with the one being written; %s are free on this disk" % (
            _mib(needs.checkpoints), _mib(needs.free_disk)))
    lines += ["training will warn: %s" % warning for warning in needs.warned] + list(_faults(needs))
    return lines + [""]


def _faults(needs):
    taken = needs.readers * needs.kept + (needs.step or 0)
    if needs.free_memory is not None and taken > needs.free_memory:
        yield ("too little memory: features and a training step take %s, and %s are free; lower dataset.cache_mib or "
               "train.batch" % (_mib(taken), _mib(needs.free_memory)))
    if needs.checkpoints is not None and needs.checkpoints > needs.free_disk:
        yield "too little disk: checkpoints take %s, and %s are free" % (_mib(needs.checkpoints), _mib(needs.free_disk))
    if needs.refused is not None:
        yield "a training would be refused: %s" % needs.refused


def needs_values(needs):
    """Plain values for JSON."""
    return dict(needs._asdict(), warned=list(needs.warned), faults=list(_faults(needs)))


def _mib(size):
    return "%.1f GiB" % (size / MIB / 1024) if size >= 1024 * MIB else "%.1f MiB" % (size / MIB)
