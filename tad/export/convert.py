"""From a graph of PyTorch to the bytes of an ONNX model."""

import contextlib
import importlib
import logging
import warnings

import torch

import tad
from tad.compat import exports_onnx
from tad.errors import UserError

OPSET = 18  # the first whose ScatterElements adds up and that PyTorch's exporter writes; ONNX Runtime 1.14 reads it
LONGEST = 65536
INPUTS = ("features", "valid")
OUTPUTS = ("segments", "classes", "boundaries", "tiou", "completeness", "count")
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def check_packages():
    """Find out before the work whether this environment can export.

    :raises UserError: PyTorch is too old, or a package is missing or broken.
    """
    if not exports_onnx():
        raise UserError("tad export needs PyTorch 2.6 or newer, and this is %s; a checkpoint from any PyTorch can be "
                        "exported in another environment, with Python 3.9 or newer: pip install 'torch>=2.6' %s"
                        % (torch.__version__, " ".join(PACKAGES)))
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UserError("tad export cannot import %s (%s); install it with: pip install %s"
                            % (name, error, " ".join(PACKAGES)))


def to_onnx(graph, channels, length):
    """The ONNX model of a graph, with dynamic batch, and dynamic length where ``graph.shortest`` allows it.

    :param graph: :class:`tad.export.base.Graph` in evaluation mode.
    :param channels: width of the features; ``length``: snippets of a clip.
    :returns: ``onnx.ModelProto``
    """
    features, valid = torch.zeros(2, channels, length), torch.tensor([length, length - 1])
    batch = torch.export.Dim("batch", min=1)
    axes = {0: batch}
    if length >= graph.shortest:
        axes[2] = torch.export.Dim("length", min=graph.shortest, max=LONGEST)
    with torch.no_grad(), quiet():
        program = torch.onnx.export(graph, (features, valid), dynamo=True, verbose=False, opset_version=OPSET,
                                    dynamic_shapes=(axes, {0: batch}), input_names=INPUTS, output_names=OUTPUTS)
    return _without_origins(program.model_proto)


@contextlib.contextmanager
def quiet():
    """Hide what the exporter says of its own parts (deprecations inside PyTorch, torchvision that nobody asked for).

    Whether it did its work is found out by comparing numbers, :mod:`tad.export.check`.
    """
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _without_origins(model):
    """The model without the exporter's notes on each node, which hold paths of this machine."""
    graph = model.graph
    for part in [model, graph] + [item for items in (graph.node, graph.input, graph.output, graph.value_info,
                                                     graph.initializer) for item in items]:
        del part.metadata_props[:]
    model.producer_name, model.producer_version = "tad", tad.__version__
    return model
