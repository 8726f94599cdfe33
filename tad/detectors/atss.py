"""The detector ``atss``: its network, its targets and losses, and its decoding."""

import math

import numpy as np
import torch
from torch.nn import functional

from tad.assignment.atss import AnchorTargets, anchor_targets, seen_actions
from tad.assignment.proposals import balanced_sample, best_tiou, generators
from tad.assignment.refinement import SegmentTargets, segment_targets
from tad.detectors.base import Detector, out_of_reach, probabilities, valid_mask
from tad.errors import UserError
from tad.losses.counts import over_ranks
from tad.losses.focal import focal
from tad.losses.functional import multi_label, weighted_mean
from tad.losses.giou import generalized_tiou, giou_loss
from tad.models.atss import ATSS, FARTHEST, stretched
from tad.postprocess.fusion import ScoredProposals
from tad.proposals.anchors import pyramid_anchors
from tad.segments import clip as cut
from tad.settings import replace


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
        """The weighted parts of the training loss, by name; ``rng`` samples what the second stage learns from."""
        anchors = self._anchors(features.size(2))
        targets = [anchor_targets(anchors, clip.segments, clip.classes, self.classes, clip.valid,
                                  self.settings.nearest) for clip in clips]
        targets = AnchorTargets(*(torch.from_numpy(np.stack(parts)).to(features) for parts in zip(*targets)))
        output = self.network(features, valid_mask(clips, features))
        segments = stretched(torch.from_numpy(anchors.segments).to(features), output.sides.transpose(1, 2))
        parts = self._first_losses(output, segments, targets)
        if self.settings.refine:
            samples = [self._sample(anchors, found, clip, own) for found, clip, own in zip(
                segments.detach().cpu().numpy(), clips, generators(rng, len(clips)))]
            parts.update(self._second_losses(output.features, samples))
        return parts

    def _first_losses(self, output, segments, targets):
        """Focal loss, generalized IoU and quality, divided by the positive anchors of the batch."""
        positives, quality, weights = over_ranks(targets.positive.sum()), targets.centerness, self.settings
        if weights.quality == "tiou":
            quality = generalized_tiou(segments.detach(), targets.segments).clamp(min=0.0)
        misjudged = functional.binary_cross_entropy_with_logits(output.quality, quality, reduction="none")
        return {
            "classes": weights.classes_weight / positives.clamp(min=1.0) * focal(
                output.classes, targets.classes, targets.judged[:, None], weights.focal_alpha, weights.focal_gamma),
            # Central anchors count more, as in the authors' code
            "segments": weights.segments_weight * giou_loss(segments, targets.segments, targets.centerness),
            "quality": weights.quality_weight * weighted_mean(misjudged, targets.positive),
        }

    def _sample(self, anchors, segments, clip, rng):
        """Some of a clip's first segments ``(S, 2)`` and their :class:`tad.assignment.refinement.SegmentTargets`.

        The actions are among those drawn from, so that there are positives from the first step on.
        """
        actions, classes = seen_actions(clip.segments, clip.classes, clip.valid)
        pool = np.concatenate([cut(segments[anchors.real(clip.valid)], -0.5, clip.valid - 0.5), actions])
        chosen = pool[balanced_sample(best_tiou(pool, actions), self.settings.refine_samples, rng)]
        return chosen, segment_targets(chosen, actions, classes, self.classes, self.settings.refine_tiou)

    def _second_losses(self, features, samples):
        """Classes and boundaries of the second stage; ``samples`` is a :meth:`_sample` of each clip."""
        segments, targets = zip(*samples)
        rois = torch.from_numpy(rois_of(segments)).to(features)
        targets = SegmentTargets(*(torch.from_numpy(np.concatenate(parts)).to(features) for parts in zip(*targets)))
        sides, classes = self.network.second(features, rois)
        return {
            "refined_classes": self.settings.refine_classes_weight * multi_label(
                classes.t()[None], targets.classes.t()[None], targets.judged[None, None]),
            "refined_segments": self.settings.refine_segments_weight * giou_loss(
                stretched(rois[:, 1:], sides), targets.segments, targets.positive),
        }

    def _anchors(self, length):
        return pyramid_anchors(length, self.settings.levels, self.settings.anchor_scale)

    def propose(self, features, clips):
        """Scored proposals of each clip: list of :class:`tad.postprocess.fusion.ScoredProposals`."""
        output, anchors = self.network(features, valid_mask(clips, features)), self._anchors(features.size(2))
        # In float64, in which a short segment does not vanish far from the clip's start
        segments = stretched(torch.from_numpy(anchors.segments), output.sides.transpose(1, 2).cpu().double()).numpy()
        parts = segments, probabilities(output.classes), probabilities(output.quality)
        chosen = [self._best(anchors.real(clip.valid), clip.valid, *one) for clip, one in zip(clips, zip(*parts))]
        if self.settings.refine:
            chosen = self._refined(output.features, clips, chosen)
        return [ScoredProposals(segments, classes, np.ones(len(segments)), quality, np.ones(len(segments)))
                for segments, classes, quality in chosen]

    def _best(self, real, valid, segments, classes, quality):
        """Segments, classes and quality of the anchors with the highest class scores; of equal ones the first."""
        real = np.flatnonzero(real)
        best = real[np.argsort(-classes[:, real].max(axis=0), kind="mergesort")[:self.settings.candidates]]
        return cut(segments[best], -0.5, valid - 0.5), classes[:, best].T, quality[best]

    def _refined(self, features, clips, chosen):
        """The second stage's segments; classes are the geometric mean of both stages'. Quality stays the first's."""
        rois = torch.from_numpy(rois_of([segments for segments, _, _ in chosen]))
        sides, classes = self.network.second(features, rois.to(features))
        edges = np.cumsum([len(segments) for segments, _, _ in chosen])[:-1]
        segments = np.split(stretched(rois[:, 1:], sides.cpu().double()).numpy(), edges)
        classes = np.split(probabilities(classes), edges)
        return [(cut(refined, -0.5, clip.valid - 0.5), np.sqrt(first * second), quality)
                for clip, refined, second, (_, first, quality) in zip(clips, segments, classes, chosen)]


def rois_of(segments):
    """Rows (index of the clip, start, end) of the segments of several clips: a list of ``(N, 2)`` to ``(M, 3)``."""
    index = np.repeat(np.arange(len(segments)), [len(own) for own in segments])
    return np.concatenate([index[:, None], np.concatenate(segments)], axis=1)
