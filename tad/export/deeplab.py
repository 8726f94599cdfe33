"""The detector ``deeplab`` as one graph: everything from features to scored proposals."""

import math

import numpy as np
import torch

from tad.detectors.deeplab import SHORTEST_DETECTION
from tad.errors import UserError
from tad.export.align1d import block_size
from tad.export.base import SHORTEST, Graph
from tad.export.grid import best_cells, mean_inside, proposal_count
from tad.export.heads import proposal_scores
from tad.proposals.generators import STEPS


class DeepLabGraph(Graph):
    """What :meth:`tad.detectors.deeplab.DeepLabDetector.propose` computes."""

    def __init__(self, detector, length):
        super(DeepLabGraph, self).__init__()
        check_exportable(detector.settings)
        self.network = detector.network
        self.settings = settings = detector.settings
        self.classes = detector.classes  # a curve of any action may follow theirs
        self.most = samples_of_a_bin(settings)
        self.block = block_size(length, settings.proposal_bins, self.most)
        steps = STEPS[settings.generator](settings) if settings.generator in STEPS else None
        self.register_buffer("steps", None if steps is None else torch.from_numpy(steps))
        # With fewer steps in the encoder, what its normalization divides by is mostly rounding
        self.shortest = max(SHORTEST, 4 * int(np.prod(settings.strides)))

    def forward(self, features, valid):
        """See :meth:`tad.export.base.Graph.forward`."""
        real = (torch.arange(features.shape[2]) < valid[:, None]).unsqueeze(1)
        output = self.network(features, real.to(features.dtype))
        scores = output.scores
        boundaries = torch.sigmoid(scores.boundaries).double()
        starts, ends, product = best_cells(boundaries[:, 0], boundaries[:, 1], valid, self.settings.max_duration,
                                           self.settings.candidates, self.steps)
        quality = torch.sigmoid(proposal_scores(self.network.proposal_head, output.proposal_features,
                                                torch.stack([starts, ends], dim=2), self.most, self.block)).double()
        offsets = scores.offsets.double()
        low = starts + offsets[:, 0].gather(1, starts)
        high = torch.maximum(ends + offsets[:, 1].gather(1, ends), low + SHORTEST_DETECTION)
        classes = mean_inside(torch.sigmoid(scores.classes[:, :self.classes]).double() * real,
                              torch.stack([low, high], dim=2))
        tiou, completeness = (values if self.settings.score in (name, "both") else torch.ones_like(values)
                              for name, values in zip(("regression", "classification"), quality.unbind(dim=2)))
        end = torch.maximum(high + self.settings.end_shift, low + SHORTEST_DETECTION)
        return torch.stack([low, end], dim=2), classes, product, tiou, completeness, proposal_count(product)


def check_exportable(settings):
    """Refuse what no graph of tensors does, or does otherwise as soon as rounding differs.

    :raises UserError: names the setting.
    """
    if settings.generator != "all" and settings.generator not in STEPS:
        raise UserError("deeplab.generator=%s cannot be exported: the model's candidates are cells of duration and "
                        "start; give --set deeplab.generator=all, which fits the same weights" % settings.generator)
    if settings.second_stage == "graph":
        raise UserError("deeplab.second_stage=graph cannot be exported: where rounding takes another last candidate, "
                        "neighbours and so scores of others change; train one with fc or cnn")
    if settings.atrous_graph:
        raise UserError("deeplab.atrous_graph=true cannot be exported: which steps are nearest is decided by rounding "
                        "where distances are nearly equal; train one with false")


def samples_of_a_bin(settings):
    """What a bin of the longest proposal with its context is the mean of, at most."""
    if settings.proposal_features == "mask":
        return settings.mask_samples
    longest = settings.max_duration * (1 + 2 * settings.context)
    return int(math.ceil(longest / settings.proposal_bins)) + 1  # one more in case of rounding
