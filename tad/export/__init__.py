"""Trained detectors as ONNX models that run without PyTorch and without ``tad``."""

import os
from typing import NamedTuple

import numpy as np
import torch

from tad.errors import UserError
from tad.export.check import TOLERANCE, TYPICAL_TOLERANCE, Difference, check_lengths, compare, session
from tad.export.convert import check_packages, to_onnx
from tad.export.description import describe
from tad.export.graphs import build_graph
from tad.files import atomic_write, check_writable, run_folder, write_json
from tad.pipeline import load_trained

SUFFIX = ".onnx"


class Exported(NamedTuple):
    """The two files, the lengths of the clips that were compared, and the largest difference among them."""

    model: str
    description: str
    lengths: list
    difference: Difference


def export_run(checkpoint, output=None, override=None):
    """Write the ONNX model of a trained detector, and a JSON file of everything around it, once they are checked.

    :param checkpoint: run folder or checkpoint file.
    :param output: the model's file; None for ``model.onnx`` in the run folder.
    :param override: function that changes the checkpoint's settings.
    :returns: :class:`Exported`
    :raises UserError: a package is missing, a file cannot be read or written, the detector cannot be exported, or the
        model's numbers differ from PyTorch's; nothing is written then.
    """
    output = output or os.path.join(run_folder(checkpoint), "model" + SUFFIX)
    if not output.endswith(SUFFIX):
        raise UserError("the output of an export must end in %s, and %s does not" % (SUFFIX, output))
    check_packages()
    trained = load_trained(checkpoint, override)
    description = output[:-len(SUFFIX)] + ".json"
    for path in (output, description):
        check_writable(path)
    length, channels = trained.settings.dataset.length, len(trained.normalization.mean)
    graph = build_graph(trained)
    model = to_onnx(graph, channels, length).SerializeToString()
    lengths = check_lengths(length, graph.shortest)
    # Random numbers that differ from export to export
    largest = compare(session(model), trained.detector, graph.rank, channels, lengths, np.random.RandomState())
    checked = {"torch": torch.__version__, "lengths": lengths, "difference": dict(largest._asdict()),
               "tolerance": dict(TOLERANCE._asdict()), "typical_tolerance": dict(TYPICAL_TOLERANCE._asdict())}
    with atomic_write(output, "wb") as stream:
        stream.write(model)
    write_json(description, describe(trained, os.path.basename(output), model,
                                     graph.shortest if length >= graph.shortest else None, checked))
    return Exported(output, description, lengths, largest)
