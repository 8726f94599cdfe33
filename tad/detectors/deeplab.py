"""The detector ``deeplab``: its network, its targets and losses, and its decoding."""

import numpy as np
import torch

from tad.assignment.proposals import POSITIVE, balanced_sample, best_tiou, generators
from tad.assignment.snippets import snippet_targets
from tad.config import DeepLabSettings
from tad.detectors.base import probabilities, valid_mask
from tad.detectors.grid import GridDetector
from tad.errors import UserError
from tad.losses import functional as losses
from tad.models.deeplab import DeepLab
from tad.postprocess.fusion import ScoredProposals, mean_inside
from tad.proposals.grid import all_proposals, best_by_boundaries

MOST_PROPOSALS = 2 ** 28  # of one window: they take some 4 GiB


class DeepLabDetector(GridDetector):
    """Per-snippet scores by DeepLab over time; proposals over (duration, start), judged on Align1D features.

    :param channels: width of the input features.
    :param classes: number of classes.
    :param settings: :class:`tad.config.Settings`
    """

    SECTION = "deeplab"

    def __init__(self, channels, classes, settings):
        super(DeepLabDetector, self).__init__()
        self.network = DeepLab(channels, classes, settings.deeplab)
        self.classes = classes
        self.settings = settings.deeplab

    @classmethod
    def fit(cls, settings, longest):
        """As of every grid; the encoder needs two steps of its own."""
        length, shrink = settings.dataset.length, output_stride(settings.deeplab)
        if length < 2 * shrink:
            raise UserError("deeplab.strides shrink a clip %d times, so dataset.length must be at least %d, not %d"
                            % (shrink, 2 * shrink, length))
        return super(DeepLabDetector, cls).fit(settings, longest)

    @classmethod
    def check(cls, settings, durations):
        """As of every grid, and atrous rates longer than the clip."""
        super(DeepLabDetector, cls).check(settings, durations)
        check_rates(settings.deeplab, settings.dataset.length)

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
        for index, (clip, own) in enumerate(zip(clips, generators(rng, len(clips)))):
            candidates = all_proposals(clip.valid, self.settings.max_duration)
            overlap = best_tiou(candidates, clip.segments)
            sample = balanced_sample(overlap, self.settings.samples, own)
            batch = np.full((len(sample), 1), index)
            chosen.append(np.concatenate([batch, candidates[sample]], axis=1))
            overlaps.append(overlap[sample])
        return np.concatenate(chosen).astype(np.float64), np.concatenate(overlaps)

    def propose(self, features, clips):
        """Scored proposals of each clip: list of :class:`tad.postprocess.fusion.ScoredProposals`."""
        output = self.network(features, valid_mask(clips, features))
        classes, boundaries = probabilities(output.scores.classes), probabilities(output.scores.boundaries)
        offsets = output.scores.offsets.cpu().numpy().astype(np.float64)
        return [self._decode(index, clip.valid, classes[index], boundaries[index], offsets[index],
                             output.proposal_features) for index, clip in enumerate(clips)]

    def _decode(self, index, valid, classes, boundaries, offsets, features):
        starts, ends = boundaries[:, :valid]
        candidates = all_proposals(valid, self.settings.max_duration)
        candidates = candidates[best_by_boundaries(candidates, starts, ends, self.settings.candidates)]
        rois = np.concatenate([np.full((len(candidates), 1), index), candidates], axis=1)
        logits = self.network.proposal_head(features, torch.from_numpy(rois).to(features))
        quality = probabilities(logits)
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
