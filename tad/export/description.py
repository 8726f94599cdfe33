"""The JSON file beside an exported model: all that its user needs and that is not in the graph. See docs/export.md."""

import hashlib

from tad.export.convert import OPSET, OUTPUTS
from tad.postprocess.nms import MOST_COMPARED
from tad.settings import settings_to_dict

FORMAT = "tad-onnx-1"


def describe(trained, model_name, model, shortest, checked):
    """Plain JSON values.

    :param trained: :class:`tad.pipeline.Trained`
    :param model_name: file name of the model; ``model``: its bytes.
    :param shortest: snippets of the shortest clip that the model takes, or None where all have ``clips.length``.
    :param checked: how the model was compared with PyTorch, plain JSON values.
    """
    settings = settings_to_dict(trained.settings)
    dataset, normalization = settings["dataset"], trained.normalization
    fps = trained.at_learned_rate(trained.settings.dataset).fps
    return {
        "format": FORMAT,
        "model": model_name,
        "sha256": hashlib.sha256(model).hexdigest(),
        "opset": OPSET,
        "outputs": list(OUTPUTS),
        "detector": settings["detector"],
        "classes": list(trained.classes),
        "features": {
            "channels": len(normalization.mean),
            "mean": normalization.mean.tolist(),
            "deviation": normalization.deviation.tolist(),
            "fps": None if dataset["timing"] == "even" else fps,
            "stride": dataset["stride"], "window": dataset["window"],
        },
        "clips": {
            "mode": dataset["mode"], "length": dataset["length"], "overlap": dataset["overlap"],
            "batch": settings["train"]["batch"], "shortest": shortest,
        },
        "postprocess": dict(settings["postprocess"], most_compared=MOST_COMPARED),
        "checked": checked,
    }
