"""Checkpoints: NumPy archives of tensors and one JSON text, so that loading one never runs code.

``np.load`` with ``allow_pickle=False`` reads them alike on every Python and PyTorch.
"""

import io
import json
import os
import re
from typing import Any, Dict, NamedTuple

import numpy as np
import torch

from tad.arrays import Archive
from tad.data.strict_json import parse_json
from tad.errors import UserError, reason
from tad.files import atomic_write

FORMAT = "tad-checkpoint-1"
KEPT = 2  # the newest checkpoint, and the one before it in case the disk spoils the newest
NEEDED = ("step", "settings", "classes", "width", "mean", "deviation")  # what ``meta`` must hold
_NAME = re.compile(r"^step_(\d+)\.npz$")
_LEFTOVER = re.compile(r"^\.step_\d+\.npz\.")


class DamagedError(UserError):
    """A file is no checkpoint, or no longer one. What only could not be read now is another error."""


class Checkpoint(NamedTuple):
    """``tensors``: name -> CPU tensor, names grouped by a prefix such as ``model/``; ``meta``: plain JSON values."""

    tensors: Dict[str, torch.Tensor]
    meta: Dict[str, Any]

    def group(self, prefix):
        """The tensors under ``prefix/``, without it."""
        start = len(prefix) + 1
        return {name[start:]: value for name, value in self.tensors.items() if name.startswith(prefix + "/")}


def write_checkpoint(path, checkpoint):
    """Write atomically."""
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in checkpoint.tensors.items()}
    text = json.dumps(dict(checkpoint.meta, format=FORMAT), allow_nan=False)
    arrays["meta"] = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
    with atomic_write(path, "wb") as stream:
        np.savez(stream, **arrays)


def read_checkpoint(path):
    """Read a checkpoint.

    :raises DamagedError: the file is damaged, or not a checkpoint of ``tad``.
    :raises UserError: it cannot be read at all, or memory is too small for it.
    """
    try:
        with open(path, "rb") as stream:
            content = io.BytesIO(stream.read())
    except OSError as error:
        raise UserError("cannot read the checkpoint %s: %s" % (path, error.strerror))
    try:
        with Archive(content) as archive:
            meta = parse_json(archive["meta"].tobytes().decode("utf-8"))
            tensors = {name: torch.from_numpy(archive[name].copy()) for name in archive.files if name != "meta"}
    except MemoryError:
        raise UserError("the memory is too small to read the checkpoint %s; free some and try again" % path)
    except Exception as error:  # a damaged archive surfaces as one of a dozen types, by library and version
        raise DamagedError("%s is damaged or not a checkpoint of tad (%s); give another one"
                           % (path, reason(error)))
    if not isinstance(meta, dict) or meta.get("format") != FORMAT or not set(NEEDED) <= set(meta):
        raise DamagedError("%s is not a checkpoint that this version of tad can read; give another one" % path)
    return Checkpoint(tensors, meta)


def step_path(folder, step):
    return os.path.join(folder, "step_%07d.npz" % step)


def saved_steps(folder):
    """Steps of the checkpoints in a folder, newest first."""
    if not os.path.isdir(folder):
        return []
    return sorted((int(match.group(1)) for match in map(_NAME.match, os.listdir(folder)) if match), reverse=True)


def prune(folder):
    """Remove all but the newest checkpoints.

    :raises UserError: one cannot be removed.
    """
    for step in saved_steps(folder)[KEPT:]:
        try:
            os.unlink(step_path(folder, step))
        except OSError as error:
            raise UserError("cannot remove the old checkpoint %s: %s" % (step_path(folder, step), error.strerror))


def clear_leftovers(folder):
    """Remove what a kill in the middle of writing a checkpoint has left behind."""
    for name in filter(_LEFTOVER.match, os.listdir(folder)):
        os.unlink(os.path.join(folder, name))


def newest_readable(folder, warn):
    """The newest checkpoint that can be read, or None.

    Damaged ones get the suffix ``.damaged`` after ``warn(message)``, so that they are not taken for the newest again.
    """
    for step in saved_steps(folder):
        path = step_path(folder, step)
        try:
            return read_checkpoint(path)
        except DamagedError as error:
            os.replace(path, path + ".damaged")
            warn("%s; set aside as %s.damaged, going back to an older one or to the start" % (error, path))
    return None


def find_checkpoint(path):
    """The checkpoint file that a run folder or file name stands for.

    :raises UserError: there is none.
    """
    if os.path.isfile(path):
        return path
    if not os.path.isdir(path):
        raise UserError("there is no run folder or checkpoint %s" % path)
    folder = os.path.join(path, "checkpoints")
    steps = saved_steps(folder)
    if not steps:
        raise UserError("%s holds no checkpoint (looked for checkpoints/step_*.npz); has training begun?" % path)
    return step_path(folder, steps[0])


def open_checkpoint(path, warn):
    """The checkpoint that a run folder or file name stands for, for inference.

    Of a run folder the newest that can be read; damaged ones stay where they are, after ``warn(message)``.

    :returns: path of the file, :class:`Checkpoint`
    :raises UserError: there is none, or none can be read.
    """
    newest = find_checkpoint(path)
    if newest == path:
        return path, read_checkpoint(path)
    folder = os.path.dirname(newest)
    *newer, oldest = (step_path(folder, step) for step in saved_steps(folder))
    for candidate in newer:
        try:
            return candidate, read_checkpoint(candidate)
        except DamagedError as error:
            warn("%s; taking the one before it" % error)
    return oldest, read_checkpoint(oldest)
