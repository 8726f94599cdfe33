"""The detector ``deeplab``: its network, its targets and losses, and its decoding."""

import numpy as np
import torch
from torch import nn

from tad.assignment.proposals import POSITIVE, balanced_sample, best_tiou
from tad.assignment.snippets import snippet_targets
from tad.losses import functional as losses
from tad.models.deeplab import DeepLab
from tad.postprocess.fusion import ScoredProposals, mean_inside
from tad.proposals.grid import all_proposals, best_by_boundaries


class DeepLabDetector(nn.Module):
    """Per-snippet scores by DeepLab over time; proposals over (duration, start), judged on Align1D features.

    :param channels: width of the input features.
    :param classes: number of classes.
    :param settings: :class:`tad.config.Settings`
    """

    def __init__(self, channels, classes, settings):
        super(DeepLabDetector, self).__init__()
        self.network = DeepLab(channels, classes, settings.deeplab)
        self.classes = classes
        self.settings = settings.deeplab
        self.weights = settings.loss

    def losses(self, features, clips, rng):
        """The parts of the training loss of a batch, weighted: dict name -> scalar tensor.

        :param features: ``(B, C, T)`` of the clips, on the detector's device.
        :param clips: list of B :class:`tad.data.clips.Clip`
        :param rng: :class:`numpy.random.RandomState` that samples proposals.
        """
        device = features.device
        targets = [snippet_targets(clip.segments, clip.classes, self.classes, features.size(2), clip.valid,
                                   self.settings.boundary_radius) for clip in clips]
        classes, boundaries, offsets, valid = (torch.from_numpy(np.stack(parts)).to(device) for parts in zip(*targets))
        valid = valid[:, None]
        output = self.network(features, valid)
        proposals, overlaps = self._sampled(clips, rng)
        logits = self.network.proposal_head(output.proposal_features, torch.from_numpy(proposals).to(features))
        overlaps = torch.from_numpy(overlaps).to(features)
        scores, weights = output.scores, self.weights
        complete = (overlaps >= POSITIVE).to(features.dtype)
        starts_ends = sum(losses.balanced_logistic(scores.boundaries[:, side], boundaries[:, side], valid[:, 0])
                          for side in range(2))
        return {
            "classes": weights.classes * losses.multi_label(scores.classes, classes, valid),
            "boundaries": weights.boundaries * starts_ends,
            "offsets": weights.offsets * losses.offset_l1(scores.offsets, offsets, boundaries),
            "tiou": weights.tiou * losses.tiou_regression(logits[:, 0], overlaps),
            "completeness": weights.completeness * losses.balanced_logistic(
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
