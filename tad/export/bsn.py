"""The detector ``bsn`` as one graph: everything from features to scored proposals."""

import copy

import torch
from torch.nn.functional import pad

from tad.export.base import Graph
from tad.export.grid import best_cells, mean_inside, proposal_count

PADDING = -1.0  # in place of probabilities; what is outside counts as lower still


class BSNGraph(Graph):
    """What :meth:`tad.detectors.bsn.BSNDetector.propose` computes."""

    def __init__(self, detector, length):
        super(BSNGraph, self).__init__()
        self.settings, self.classes, self.rows = detector.settings, detector.classes, detector.rows
        self.temporal, self.proposal = copy.deepcopy(detector.temporal), copy.deepcopy(detector.proposal)
        sides, course = (torch.arange(count, dtype=torch.float64) / (count - 1)
                         for count in (self.settings.region_points, self.settings.course_points))
        region = torch.tensor(self.settings.region, dtype=torch.float64)
        # Places of the points as parts of the duration, counted from start or end
        self.register_buffer("places", torch.cat([(2 * sides - 1) * region, course, (2 * sides - 1) * region + 1]))
        self.register_buffer("fraction", torch.tensor(self.settings.peak_fraction, dtype=torch.float64))

    def forward(self, features, valid):
        """See :meth:`tad.export.base.Graph.forward`."""
        real = (torch.arange(features.shape[2]) < valid[:, None]).unsqueeze(1)
        output = self.temporal(features, real.to(features.dtype))
        curves = torch.sigmoid(output.curves).double() * real
        starts, ends = curves[:, 1], curves[:, 2]
        possible = [boundaries(curve, real[:, 0], self.fraction) for curve in (starts, ends)]
        first, last, product = best_cells(starts, ends, valid, self.settings.max_duration, self.settings.candidates,
                                          possible=possible)
        found = torch.stack([first, last], dim=2).double()
        confidence = torch.sigmoid(self.proposal.score(self._described(curves, found).to(features.dtype))[:, :, 0])
        ones = torch.ones_like(product)
        return found, self._classes(output.classes, real, found), product, confidence.double(), ones, proposal_count(
            product)

    def _described(self, curves, found):
        """:func:`tad.proposals.boundaries.boundary_features` for a batch: ``(B, 3, T), (B, N, 2) -> (B, N, F)``."""
        snippets = curves.shape[2]
        start, end = found[:, :, :1], found[:, :, 1:]
        position = (start + (end - start) * self.places).clamp(min=-1, max=snippets)
        # One snippet further, because a curve is 0 at -1 and at T, and beyond
        padded = pad(curves[:, self.rows], (1, 2))
        left = (position + 1).floor()
        part = (position + 1 - left).flatten(1)[:, None]
        index = left.to(torch.int64).flatten(1)[:, None].expand(-1, padded.shape[1], -1)
        before, after = padded.gather(2, index), padded.gather(2, index + 1)
        sampled = (before + (after - before) * part).unflatten(2, position.shape[1:])
        return sampled.transpose(1, 2).flatten(2)

    def _classes(self, logits, real, found):
        if logits is None:
            return torch.ones(found.shape[:2] + (self.classes,), dtype=found.dtype)
        return mean_inside(torch.sigmoid(logits).double() * real, found)


def boundaries(scores, real, fraction):
    """:func:`tad.proposals.boundaries.boundary_snippets` for a batch: masks ``(B, T)``.

    :param scores: float64 ``(B, T)`` in 0..1; ``real`` bool, which are no padding.
    """
    scores = torch.where(real, scores, torch.full_like(scores, PADDING))
    outside = pad(scores, (1, 1), value=2 * PADDING)
    place = torch.arange(scores.shape[1])
    # First and last snippet of the run of equal scores that each snippet lies in
    earlier = (scores != outside[:, :-2])[:, None] & (place <= place[:, None])
    later = (scores != outside[:, 2:])[:, None] & (place >= place[:, None])
    first = torch.where(earlier, place, torch.zeros_like(place)).amax(dim=2)
    last = torch.where(later, place, torch.full_like(place, scores.shape[1])).amin(dim=2)
    peak = (scores > outside.gather(1, first)) & (scores > outside.gather(1, last + 2))
    peak = peak & ((first + last) // 2 == place)
    return real & (peak | (scores > fraction * scores.amax(dim=1, keepdim=True)))
