"""The detector ``atss``: its network, its targets and losses, and its decoding."""

import math

import numpy as np
import torch
from torch.nn import functional

from tad.assignment.atss import AnchorTargets, anchor_targets
from tad.detectors.base import Detector, out_of_reach
from tad.detectors.grid import probabilities, valid_mask
from tad.errors import UserError
from tad.losses.counts import over_ranks
from tad.losses.focal import focal
from tad.losses.functional import weighted_mean
from tad.losses.giou import generalized_tiou, giou_loss
from tad.models.atss import ATSS
from tad.postprocess.fusion import ScoredProposals
from tad.proposals.anchors import pyramid_anchors
from tad.segments import clip as cut
from tad.settings import replace

FARTHEST = 4.0  # a boundary lies within exp(4) half widths of its anchor's centre, so that exp cannot overflow


class ATSSDetector(Detector):
    """Each location of a feature pyramid names its classes, its segment, and how good that is.

    :param channels: width of the input features.
    :param classes: number of classes.
    :param settings: :class:`tad.config.Settings`
    """

    OPEN = ("levels",)

    def __init__(self, channels, classes, settings):
        super(ATSSDetector, self).__init__()
        self.network = ATSS(channels, classes, settings.atss)
        self.classes = classes
        self.settings = settings.atss

    @classmethod
    def fit(cls, settings, longest):
        """As many levels as bring the widest anchor to the longest training action; the coarsest has two locations."""
        length, atss = settings.dataset.length, settings.atss
        most = 1 + int(math.floor(math.log2(length / 2.0)))
        wanted = 1 + int(math.ceil(max(0.0, math.log2(longest / atss.anchor_scale))))
        levels = atss.levels or min(most, wanted, 12)
        if levels > most:
            raise UserError("atss.levels (%d) halve a clip of dataset.length %d to less than two locations; set it to "
                            "%d or less" % (levels, length, most))
        return replace(settings, atss__levels=levels)

    @classmethod
    def check(cls, settings, durations):
        """Actions longer than any anchor can be stretched to."""
        atss = settings.atss
        widest = atss.anchor_scale * 2 ** (atss.levels - 1)
        reach = widest * math.exp(FARTHEST)
        out_of_reach((durations > reach) & (durations <= settings.dataset.length),
                     "last longer than any anchor reaches (%.4g snippets)" % reach, durations,
                     "raise atss.levels (%d) or atss.anchor_scale (%g)" % (atss.levels, atss.anchor_scale))

    @staticmethod
    def check_stored(settings, weights, path):
        """Layers without weights."""
        atss = settings.atss
        if max(atss.blocks, atss.head_convs, atss.levels or 1) > weights:
            raise UserError("%s holds %d weights, too few for the network of its settings; give another one"
                            % (path, weights))

    def losses(self, features, clips, rng):
        """The weighted parts of the training loss, by name; nothing is sampled, so that ``rng`` stays unused."""
        length = features.size(2)
        anchors = self._anchors(length)
        targets = [anchor_targets(anchors, clip.segments, clip.classes, self.classes, clip.valid,
                                  self.settings.nearest) for clip in clips]
        targets = AnchorTargets(*(torch.from_numpy(np.stack(parts)).to(features) for parts in zip(*targets)))
        output = self.network(features, valid_mask(clips, features))
        segments = self._segments(output.sides, length)
        positives = over_ranks(targets.positive.sum()).clamp(min=1.0)
        quality = targets.centerness
        if self.settings.quality == "tiou":
            quality = generalized_tiou(segments.detach(), targets.segments).clamp(min=0.0)
        misjudged = functional.binary_cross_entropy_with_logits(output.quality, quality, reduction="none")
        weights = self.settings
        return {
            "classes": weights.classes_weight / positives * focal(
                output.classes, targets.classes, targets.judged[:, None], weights.focal_alpha, weights.focal_gamma),
            # Central anchors count more, as in the authors' code
            "segments": weights.segments_weight * giou_loss(segments, targets.segments, targets.centerness),
            "quality": weights.quality_weight * weighted_mean(misjudged, targets.positive),
        }

    def _anchors(self, length):
        return pyramid_anchors(length, self.settings.levels, self.settings.anchor_scale)

    def _segments(self, sides, length):
        """Sides ``(B, 2, N)`` of a network's output as segments ``(B, N, 2)`` in snippets."""
        anchors = torch.from_numpy(self._anchors(length).segments).to(sides)
        centres, halves = anchors.mean(dim=1), (anchors[:, 1] - anchors[:, 0]) / 2
        distances = halves * torch.exp(sides.clamp(-FARTHEST, FARTHEST))
        return torch.stack([centres - distances[:, 0], centres + distances[:, 1]], dim=2)

    def propose(self, features, clips):
        """Scored proposals of each clip: list of :class:`tad.postprocess.fusion.ScoredProposals`."""
        output = self.network(features, valid_mask(clips, features))
        segments = self._segments(output.sides, features.size(2))
        parts = (segments.cpu().numpy().astype(np.float64), probabilities(output.classes),
                 probabilities(output.quality))
        anchors = self._anchors(features.size(2))
        return [self._decode(anchors, clip.valid, *one) for clip, one in zip(clips, zip(*parts))]

    def _decode(self, anchors, valid, segments, classes, quality):
        """The anchors on real snippets with the highest class scores; of equal ones the finest and first."""
        real = np.flatnonzero(anchors.segments.mean(axis=1) < valid)
        best = np.argsort(-classes[:, real].max(axis=0), kind="mergesort")[:self.settings.candidates]
        chosen = real[best]
        ones = np.ones(len(chosen))
        return ScoredProposals(cut(segments[chosen], -0.5, valid - 0.5), classes[:, chosen].T, ones,
                               quality[chosen], ones)
