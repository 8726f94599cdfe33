"""What the rest of the package asks of a detector, and what all of them need for it."""

import warnings
from typing import Callable, NamedTuple, Tuple

import numpy as np
import torch
from torch import nn

from tad.errors import DataWarning, UserError

MOST_OUT_OF_REACH = 0.5  # part of the actions that must be out of reach before a training is refused


class Stage(NamedTuple):
    """A part of a training, in which some weights learn and the others are held (:mod:`tad.engine.stages`).

    ``losses`` takes and returns what :meth:`Detector.losses` does. It gives each weight of ``modules`` a gradient in
    every step, and no other weight. ``share`` of ``train.steps`` are its steps; the only stage of a training has no
    ``name``.
    """

    name: str
    losses: Callable
    modules: Tuple[nn.Module, ...]
    share: float


class Detector(nn.Module):
    """A network with its training targets and losses, and its decoding.

    Subclasses take ``(channels, classes, settings)``: the width of the features, the number of classes, and the
    resolved :class:`tad.config.Settings`, whose section of the detector's name is theirs. ``OPEN`` names the settings
    in it that :meth:`fit` fills in.
    """

    OPEN = ()

    @classmethod
    def fit(cls, settings, longest):
        """Settings with what the detector's section leaves open (``None``) derived from the training data.

        :param settings: :class:`tad.config.Settings` with ``dataset.length`` set.
        :param longest: duration of the longest training action in snippets of a clip, at least 1.
        :raises UserError: a setting cannot work with clips of that length.
        """
        return settings

    @classmethod
    def check(cls, settings, durations):
        """Refuse settings, resolved by :meth:`fit`, with which most training actions are out of reach; warn of some.

        :param durations: of all training actions, float64 ``(N,)`` in snippets of a clip, N > 0.
        :raises UserError: one sentence that names the setting and a value that works.
        """

    @staticmethod
    def check_stored(settings, weights, path):
        """Refuse settings of a strange checkpoint that ask for far more than its weights or the memory hold.

        Called before the network is built. :param weights: number of tensors in the file at ``path``.

        :raises UserError: names the file and the setting.
        """

    def losses(self, features, clips, rng):
        """The weighted parts of the training loss of a batch: dict name -> scalar tensor.

        :param features: float32 ``(B, C, T)`` of the clips, on the detector's device.
        :param clips: list of B :class:`tad.data.clips.Clip`
        :param rng: :class:`numpy.random.RandomState`, the only source of random numbers besides dropout; taken apart by
            :func:`tad.assignment.proposals.generators` into one for each clip, and not used otherwise.
        """
        raise NotImplementedError

    def stages(self):
        """The stages of the training, in order: tuple of :class:`Stage`. Here one, in which ``losses`` teaches all.

        A detector with several gives the parts of all of them together in ``losses``.
        """
        return (Stage("", self.losses, (self,), 1.0),)

    def propose(self, features, clips):
        """Scored proposals of each clip, without gradients: B :class:`tad.postprocess.fusion.ScoredProposals`."""
        raise NotImplementedError


def check_labels(settings, classes, external):
    """Warn where nothing tells which of several classes a proposal shows.

    :param classes: their names; ``external``: whether there are external scores of every recording.
    """
    if getattr(getattr(settings, settings.detector), "class_head", True) or external or len(classes) < 2:
        return
    head = settings.detector + ".class_head"
    warnings.warn("with %s=false only external scores can tell the %d classes apart, and without them labels are "
                  "arbitrary; give the scores (dataset.external_scores, --external-scores of tad infer and predict, "
                  "external= in Python), or train with %s=true" % (head, len(classes), head), DataWarning, stacklevel=3)


def valid_mask(clips, features):
    """1 on real snippets and 0 on padding, ``(B, 1, T)`` beside the features ``(B, C, T)`` of the clips."""
    valid = torch.zeros(len(clips), 1, features.size(2))
    for index, clip in enumerate(clips):
        valid[index, :, :clip.valid] = 1
    return valid.to(features)


def probabilities(logits):
    """Sigmoid as a float64 array."""
    return torch.sigmoid(logits).cpu().numpy().astype(np.float64)


def out_of_reach(mask, what, durations, fix):
    """Warn of some training actions that can never be found, refuse most.

    :param mask: bool ``(N,)``, the actions that cannot; ``what`` is wrong with them and the ``fix``, for the message.
    :param durations: of all of them, in snippets.
    :raises UserError: more than half of the actions are out of reach.
    """
    count = int(mask.sum())
    if not count:
        return
    message = "%d of the %d training actions %s; the longest lasts %.4g snippets; %s" % (
        count, len(durations), what, durations.max(), fix)
    if count > MOST_OUT_OF_REACH * len(durations):
        raise UserError(message)
    warnings.warn(message, DataWarning, stacklevel=4)
