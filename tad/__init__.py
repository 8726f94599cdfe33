"""Temporal action detection that can be reproduced: with or without a GPU, on PyTorch old and new."""

__version__ = "0.1.0"


def load(path, device="auto"):
    """A trained detector: ``tad.load("runs/my").predict(features, fps=25)``.

    :param path: run folder or checkpoint file.
    :param device: ``auto``, ``cpu`` or ``cuda:N``.
    :returns: :class:`tad.predict.Predictor`
    :raises tad.errors.UserError: no checkpoint is there, it cannot be read, or the device is absent.
    """
    # Here and not above: ``import tad`` must not import PyTorch
    from tad.predict import load_predictor
    return load_predictor(path, device)
