"""Torchvision's video networks as extractors: everything before the classifier, and torchvision's own preprocessing."""

import hashlib
import os

import numpy as np
import torch
from torch import nn

from tad.compat import load_tensors
from tad.errors import UserError, reason
from tad.files import checksum

NETWORKS = ("r3d_18", "mc3_18", "r2plus1d_18", "s3d", "mvit_v1_b", "mvit_v2_s", "swin3d_t", "swin3d_s", "swin3d_b")
CLASSIFIERS = ("fc", "head", "classifier")  # what these networks call their last layers
RANDOM = "random"


class TorchvisionExtractor(object):
    """Feature vectors of clips of frames, as float32.

    :ivar name: for the recipe, such as ``torchvision/r3d_18``.
    :ivar width: values of a feature vector.
    :ivar window: frames of a clip.
    :ivar weights: where the weights are from, and ``weights_sha256`` the checksum of their file.
    :ivar preprocessing: what is done to each frame, in words.
    """

    def __init__(self, network, weights, window, device):
        """
        :param network: one of :data:`NETWORKS`.
        :param weights: path of a ``.pt`` or ``.pth`` file, the name of torchvision's weights (downloaded), ``random``,
            or None for torchvision's default.
        :param window: frames of a clip.
        :param device: :class:`torch.device`
        :raises UserError: torchvision is missing or does not fit PyTorch, or weights do not fit the network.
        """
        models = _models()
        known = models.get_model_weights(network)
        self.name, self.window, self.device = "torchvision/" + network, window, device
        self._preset = known.DEFAULT.transforms()
        self.preprocessing = " ".join(str(self._preset).split())
        torch.manual_seed(0)
        self._network = _without_classifier(models.get_model(network, weights=None))
        self.weights, self.weights_sha256 = _load(self._network, known, weights)
        self._network.eval().to(device)
        self.width = self._measured_width()

    def prepare(self, image):
        """One frame uint8 ``(H, W, 3)`` as the network's input, float32 ``(3, h, w)``."""
        frame = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        return self._preset(frame[None])[:, 0]

    def __call__(self, clips):
        """Features ``(B, width)`` of a list of B clips, each a list of ``window`` prepared frames."""
        batch = torch.stack([torch.stack(clip, dim=1) for clip in clips]).to(self.device)
        with torch.no_grad():
            return self._network(batch).reshape(len(clips), -1).float().cpu().numpy()

    def _measured_width(self):
        frame = self.prepare(np.zeros((128, 128, 3), np.uint8))
        try:
            return self([[frame] * self.window]).shape[1]
        except (RuntimeError, ValueError) as error:
            raise UserError("%s cannot take a --window of %d frames (%s); 16 is what it was trained with"
                            % (self.name, self.window, reason(error)))


def _models():
    try:
        import torchvision
    except ImportError:
        raise UserError("extracting features of videos needs torchvision and PyAV: pip install 'tad[video]' (or: pip "
                        "install torchvision av)")
    except RuntimeError as error:
        raise UserError("torchvision does not fit PyTorch %s (%s); install both from one index, for a CPU: pip install "
                        "torch torchvision --index-url https://download.pytorch.org/whl/cpu"
                        % (torch.__version__, reason(error)))
    if not hasattr(torchvision.models, "get_model_weights"):
        raise UserError("extracting features of videos needs torchvision 0.14 or newer, not %s"
                        % torchvision.__version__)
    return torchvision.models


def _without_classifier(network):
    for name in CLASSIFIERS:
        if hasattr(network, name):
            setattr(network, name, nn.Identity())
    return network


def _load(network, known, weights):
    """Load weights; returns where they are from, and their SHA-256."""
    if weights == RANDOM:
        return RANDOM, _checksum_of_tensors(network.state_dict())
    path, told = weights, weights
    if weights is None or (weights in known.__members__ and not os.path.exists(weights)):
        chosen = known.DEFAULT if weights is None else known[weights]
        path, told = _downloaded(chosen.url), str(chosen)
    elif not os.path.isfile(weights):
        raise UserError("--weights: there is no file %s; torchvision's weights of this network are: %s"
                        % (weights, ", ".join(known.__members__)))
    try:
        state = load_tensors(path)
    except ValueError as error:
        raise UserError("the weights %s: the file %s" % (path, error))
    _fill(network, state, path)
    return told, checksum(path)


def _downloaded(url):
    """Torchvision's file in PyTorch's cache, fetched if it is not there and checked by the hash in its name."""
    name = url.rsplit("/", 1)[1]
    path = os.path.join(torch.hub.get_dir(), "checkpoints", name)
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, path, os.path.splitext(name)[0].rpartition("-")[2])
        except (OSError, RuntimeError) as error:
            raise UserError("cannot download the weights %s (%s); fetch them elsewhere and give --weights FILE, or put "
                            "them at %s" % (url, error, path))
    return path


def _fill(network, state, path):
    """Load the weights that the network has; those of the classifier that was taken off are left."""
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict):
        raise UserError("%s holds a %s where a network's weights by name are needed" % (path, type(state).__name__))
    prefix = "module."  # of weights saved from DataParallel
    state = {name[len(prefix):] if name.startswith(prefix) else name: value for name, value in state.items()}
    state = {name: value for name, value in state.items() if name.split(".")[0] not in CLASSIFIERS}
    wanted = network.state_dict()
    wrong = sorted(name for name in set(wanted) | set(state)
                   if name not in wanted or name not in state or wanted[name].shape != getattr(state[name], "shape", 0))
    if wrong:
        raise UserError("the weights in %s are not of this network; these differ: %s" % (path, ", ".join(wrong[:4])))
    network.load_state_dict(state)


def _checksum_of_tensors(state):
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(name.encode("utf-8") + value.cpu().numpy().tobytes())
    return digest.hexdigest()
