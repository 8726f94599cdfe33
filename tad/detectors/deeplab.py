"""The detector ``deeplab``: its network, its targets and losses, and its decoding."""

import math

import numpy as np
import torch

from tad.assignment.proposals import POSITIVE, balanced_sample, best_tiou
from tad.assignment.snippets import snippet_targets
from tad.config import DeepLabSettings
from tad.data.fitting import rounded_up
from tad.detectors.base import Detector, out_of_reach
from tad.errors import UserError
from tad.losses import functional as losses
from tad.models.deeplab import DeepLab
from tad.postprocess.fusion import ScoredProposals, mean_inside
from tad.proposals.grid import all_proposals, best_by_boundaries
from tad.settings import replace

MOST_PROPOSALS = 2 ** 28  # of one window: they take some 4 GiB


class DeepLabDetector(Detector):
    """Per-snippet scores by DeepLab over time; proposals over (duration, start), judged on Align1D features.

    :param channels: width of the input features.
    :param classes: number of classes.
    :param settings: :class:`tad.config.Settings`
    """

    OPEN = ("max_duration",)

    def __init__(self, channels, classes, settings):
        super(DeepLabDetector, self).__init__()
        self.network = DeepLab(channels, classes, settings.deeplab)
        self.classes = classes
        self.settings = settings.deeplab

    @staticmethod
    def fit(settings, longest):
        """Proposals may be a quarter longer than the longest training action."""
        length, shrink = settings.dataset.length, output_stride(settings.deeplab)
        if length < 2 * shrink:
            raise UserError("deeplab.strides shrink a clip %d times, so dataset.length must be at least %d, not %d"
                            % (shrink, 2 * shrink, length))
        duration = settings.deeplab.max_duration or max(1, min(length - 1, int(math.ceil(1.25 * longest)) + 1))
        if duration >= length:
            raise UserError("deeplab.max_duration (%d) must be below dataset.length (%d): a proposal lies inside its "
                            "clip" % (duration, length))
        return replace(settings, deeplab__max_duration=duration)

    @staticmethod
    def check(settings, durations):
        """Actions longer than any proposal, atrous rates longer than the clip."""
        deeplab, length = settings.deeplab, settings.dataset.length
        # A boundary moves by up to its radius when offsets are added
        reach = deeplab.max_duration + 2 * deeplab.boundary_radius
        limit = min(length - 1, rounded_up(durations.max()))
        out_of_reach((durations > reach) & (durations <= length),
                     "last longer than any proposal (deeplab.max_duration: %d snippets)" % deeplab.max_duration,
                     durations, "set deeplab.max_duration to %d or more" % limit)
        check_rates(deeplab, length)
        if 2 * deeplab.boundary_radius >= length:
            raise UserError("deeplab.boundary_radius (%g snippets) makes every snippet of a window (dataset.length: "
                            "%d) a boundary; set it below %g" % (deeplab.boundary_radius, length, length / 8.0))

    @staticmethod
    def check_stored(settings, weights, path):
        """Layers without weights, and proposals without end."""
        network, length = settings.deeplab, settings.dataset.length or 0
        if max(network.blocks, 1) * len(network.strides) > weights or len(network.atrous_rates) > weights:
            raise UserError("%s holds %d weights, too few for the network of its settings; give another one"
                            % (path, weights))
        proposals = length * min(length, network.max_duration or 0)
        if proposals > MOST_PROPOSALS:
            raise UserError("%s asks for %.2g proposals in one window (dataset.length %d, deeplab.max_duration %d), "
                            "more than memory holds; lower them with --set"
                            % (path, proposals, length, network.max_duration))

    def losses(self, features, clips, rng):
        """The weighted parts of the training loss, by name; ``rng`` samples proposals."""
        device = features.device
        targets = [snippet_targets(clip.segments, clip.classes, self.classes, features.size(2), clip.valid,
                                   self.settings.boundary_radius) for clip in clips]
        classes, boundaries, offsets, valid = (torch.from_numpy(np.stack(parts)).to(device) for parts in zip(*targets))
        valid = valid[:, None]
        output = self.network(features, valid)
        proposals, overlaps = self._sampled(clips, rng)
        logits = self.network.proposal_head(output.proposal_features, torch.from_numpy(proposals).to(features))
        overlaps = torch.from_numpy(overlaps).to(features)
        scores, weights = output.scores, self.settings
        complete = (overlaps >= POSITIVE).to(features.dtype)
        starts_ends = sum(losses.balanced_logistic(scores.boundaries[:, side], boundaries[:, side], valid[:, 0])
                          for side in range(2))
        return {
            "classes": weights.classes_weight * losses.multi_label(scores.classes, classes, valid),
            "boundaries": weights.boundaries_weight * starts_ends,
            "offsets": weights.offsets_weight * losses.offset_l1(scores.offsets, offsets, boundaries),
            "tiou": weights.tiou_weight * losses.tiou_regression(logits[:, 0], overlaps),
            "completeness": weights.completeness_weight * losses.balanced_logistic(
                logits[:, 1], complete, torch.ones_like(complete)),
        }

    def _sampled(self, clips, rng):
        """Proposals ``(N, 3)`` of all clips that the step learns from, and their tIoU ``(N,)``."""
        chosen, overlaps = [], []
        for index, clip in enumerate(clips):
            candidates = all_proposals(clip.valid, self.settings.max_duration)
            overlap = best_tiou(candidates, clip.segments)
            sample = balanced_sample(overlap, self.settings.samples, rng)
            batch = np.full((len(sample), 1), index)
            chosen.append(np.concatenate([batch, candidates[sample]], axis=1))
            overlaps.append(overlap[sample])
        return np.concatenate(chosen).astype(np.float64), np.concatenate(overlaps)

    def propose(self, features, clips):
        """Scored proposals of each clip: list of :class:`tad.postprocess.fusion.ScoredProposals`."""
        valid = torch.zeros(len(clips), 1, features.size(2))
        for index, clip in enumerate(clips):
            valid[index, :, :clip.valid] = 1
        output = self.network(features, valid.to(features.device))
        classes = torch.sigmoid(output.scores.classes).cpu().numpy().astype(np.float64)
        boundaries = torch.sigmoid(output.scores.boundaries).cpu().numpy().astype(np.float64)
        offsets = output.scores.offsets.cpu().numpy().astype(np.float64)
        return [self._decode(index, clip.valid, classes[index], boundaries[index], offsets[index],
                             output.proposal_features) for index, clip in enumerate(clips)]

    def _decode(self, index, valid, classes, boundaries, offsets, features):
        starts, ends = boundaries[:, :valid]
        candidates = all_proposals(valid, self.settings.max_duration)
        candidates = candidates[best_by_boundaries(candidates, starts, ends, self.settings.candidates)]
        rois = np.concatenate([np.full((len(candidates), 1), index), candidates], axis=1)
        logits = self.network.proposal_head(features, torch.from_numpy(rois).to(features))
        quality = torch.sigmoid(logits).cpu().numpy().astype(np.float64)
        segments = candidates + np.stack([offsets[0][candidates[:, 0]], offsets[1][candidates[:, 1]]], axis=1)
        segments[:, 1] = np.maximum(segments[:, 1], segments[:, 0] + 0.1)
        product = starts[candidates[:, 0]] * ends[candidates[:, 1]]
        # Whatever action it is that happens: the highest of the classes
        curves = np.stack([classes[:, :valid].max(axis=0), starts, ends])
        return ScoredProposals(segments, mean_inside(classes[:, :valid], segments), product,
                               quality[:, 0], quality[:, 1], curves)


def output_stride(deeplab):
    """Snippets to one step of the encoder: :class:`tad.config.DeepLabSettings` -> int."""
    return int(np.prod(deeplab.strides))


def check_rates(deeplab, length):
    """Refuse atrous rates that reach past a clip of ``length`` snippets; of the default ones some may."""
    stride = output_stride(deeplab)
    steps = length // stride
    useless = [rate for rate in deeplab.atrous_rates if rate >= steps]
    chosen = deeplab.atrous_rates != DeepLabSettings().atrous_rates
    if len(useless) == len(deeplab.atrous_rates) or (useless and chosen):
        raise UserError("deeplab.atrous_rates (%s) reach past the window, which is %d steps of the encoder "
                        "(dataset.length %d / strides %d); keep every rate below %d, or set dataset.length to %d or "
                        "more" % (", ".join(map(str, useless)), steps, length, stride, steps,
                                  (max(useless) + 1) * stride))
