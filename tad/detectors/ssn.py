"""The detector ``ssn``: its proposals, its losses, and its decoding (Zhao et al., "SSN", ICCV 2017)."""

import numpy as np
import torch

from tad.assignment.completeness import BACKGROUND, POSITIVE, LabelledProposals, sample
from tad.assignment.proposals import generators
from tad.assignment.snippets import snippet_targets
from tad.detectors.base import Detector, probabilities, valid_mask
from tad.errors import UserError
from tad.losses import functional as losses
from tad.losses.completeness import activity_loss, completeness_loss, location_loss
from tad.models.ssn import SSN
from tad.postprocess.fusion import ScoredProposals, mean_inside
from tad.proposals.tag import fractions, tag_proposals, without_near_copies
from tad.segments import clip as cut

SHORTEST = 0.1      # of a detection, in snippets
LARGEST_GROWTH = 2.0  # logarithm of what a proposal may grow or shrink by


class SSNDetector(Detector):
    """Groups of snippets with high actionness, judged on their start, course and end.

    :param channels: width of the input features.
    :param classes: number of classes.
    :param settings: :class:`tad.config.Settings`
    """

    def __init__(self, channels, classes, settings):
        super(SSNDetector, self).__init__()
        self.network = SSN(channels, classes, settings.ssn)
        self.classes = classes
        self.settings = settings.ssn
        self.thresholds = fractions(settings.ssn.tag_step)

    @classmethod
    def fit(cls, settings, longest):
        """Nothing is derived; a proposal may be of one kind only."""
        ssn = settings.ssn
        for low, high in (("background_tiou", "incomplete_tiou"), ("incomplete_tiou", "positive_tiou")):
            if getattr(ssn, low) > getattr(ssn, high):
                raise UserError("ssn.%s (%g) must not be above ssn.%s (%g); lower the one or raise the other"
                                % (low, getattr(ssn, low), high, getattr(ssn, high)))
        return settings

    def losses(self, features, clips, rng):
        """The weighted parts of the training loss, by name; ``rng`` draws proposals, from TAG of these very curves."""
        valid, weights = valid_mask(clips, features), self.settings
        output = self.network(features, valid)
        curves = probabilities(output.actionness.detach())
        chosen = [sample(self._grouped(curve, clip.valid), clip.segments, clip.classes, clip.valid, weights, own)
                  for curve, clip, own in zip(curves, clips, generators(rng, len(clips)))]
        index = np.repeat(np.arange(len(clips)), [len(one.kinds) for one in chosen])
        chosen = LabelledProposals(*(np.concatenate(values) for values in zip(*chosen)))
        judged = self.network.judge(output.features, _rois(index, chosen.segments).to(features))
        kinds, classes, index, moves = (torch.from_numpy(values).to(features.device)
                                        for values in (chosen.kinds, chosen.classes, index, chosen.moves))
        positive = (kinds == POSITIVE).to(features)
        plain = positive + (kinds == BACKGROUND).to(features)
        return {
            "actionness": weights.actionness_weight * losses.multi_label(
                output.actionness, self._actionness_targets(clips, features), valid),
            "activity": weights.activity_weight * activity_loss(judged.activity, classes + 1, plain),
            "completeness": weights.completeness_weight * completeness_loss(
                judged.completeness, classes, positive, index, weights.hard_part),
            "location": weights.location_weight * location_loss(judged.location, classes, moves.to(features), positive),
        }

    def _actionness_targets(self, clips, features):
        """``(B, A, T)``: the part of each snippet that any action covers, then those of each class."""
        targets = []
        for clip in clips:
            of_any = np.zeros_like(clip.classes)
            parts = [snippet_targets(clip.segments, of_any, 1, features.size(2), clip.valid).classes]
            if self.settings.actionness == "classes":
                parts.append(snippet_targets(clip.segments, clip.classes, self.classes, features.size(2),
                                             clip.valid).classes)
            targets.append(np.concatenate(parts))
        return torch.from_numpy(np.stack(targets)).to(features)

    def _grouped(self, curves, valid):
        """TAG's proposals ``(N, 2)`` of one clip's curves ``(A, T)``."""
        return tag_proposals(curves[:, :valid], self.thresholds, self.thresholds)

    def propose(self, features, clips):
        """Scored proposals of each clip: list of :class:`tad.postprocess.fusion.ScoredProposals`."""
        output = self.network(features, valid_mask(clips, features))
        curves = probabilities(output.actionness)
        return [self._decode(index, curve[:, :clip.valid], output.features)
                for index, (curve, clip) in enumerate(zip(curves, clips))]

    def _decode(self, index, curves, features):
        valid = curves.shape[1]
        proposals = self._grouped(curves, valid)
        inside = mean_inside(curves, proposals).max(axis=1)
        kept = without_near_copies(proposals, inside, self.settings.copy_tiou)
        proposals = proposals[kept[:self.settings.candidates]]
        judged = self.network.judge(features, _rois(np.full(len(proposals), index), proposals).to(features))
        activity = torch.softmax(judged.activity, dim=1).cpu().numpy().astype(np.float64)[:, 1:]
        scores = activity * probabilities(judged.completeness)
        moves = judged.location.cpu().numpy().astype(np.float64)
        moved = moved_by(proposals, moves[np.arange(len(proposals)), scores.argmax(axis=1)])
        moved = cut(moved, -0.5, valid - 0.5)
        long_enough = moved[:, 1] - moved[:, 0] >= SHORTEST
        moved = np.where(long_enough[:, None], moved, proposals)
        ones = np.ones(len(proposals))
        return ScoredProposals(moved, scores, ones, ones, ones, curves[:1])


def moved_by(proposals, moves):
    """Proposals ``(N, 2)`` with their centres and durations changed by ``moves (N, 2)``, as the targets of
    :class:`tad.assignment.completeness.LabelledProposals` say."""
    durations = proposals[:, 1] - proposals[:, 0]
    centres = proposals.mean(axis=1) + moves[:, 0] * durations
    halves = durations * np.exp(np.clip(moves[:, 1], -LARGEST_GROWTH, LARGEST_GROWTH)) / 2
    return np.stack([centres - halves, centres + halves], axis=1)


def _rois(index, segments):
    return torch.from_numpy(np.concatenate([index[:, None], segments], axis=1))
