"""The detector ``bsn``: its two stages of training, and its decoding (Lin et al., "BSN", ECCV 2018)."""

import numpy as np
import torch

from tad.assignment.proposals import POSITIVE, balanced_sample, best_tiou, generators
from tad.assignment.regions import region_targets
from tad.assignment.snippets import snippet_targets
from tad.detectors.base import Stage, probabilities, valid_mask
from tad.detectors.grid import GridDetector
from tad.losses import functional as losses
from tad.models.bsn import ProposalEvaluation, TemporalEvaluation
from tad.postprocess.fusion import ScoredProposals, mean_inside
from tad.proposals.boundaries import boundary_features, boundary_snippets, pairs
from tad.proposals.grid import best_by_boundaries

CURVES = {"actionness": slice(0, 1), "all": slice(0, 3)}  # rows of actionness, startness, endness
# Proposals of high, middle and low tIoU to learn from, as in the authors' code; the paper has no middle ones
PARTS = (1, 1, 2)


class BSNDetector(GridDetector):
    """Pairs of probable starts and ends, judged on the course of the curves of actionness.

    :param channels: width of the input features.
    :param classes: number of classes.
    :param settings: :class:`tad.config.Settings`
    """

    SECTION = "bsn"

    def __init__(self, channels, classes, settings):
        super(BSNDetector, self).__init__()
        self.settings = own = settings.bsn
        self.classes = classes
        self.rows = CURVES[own.curves]
        self.temporal = TemporalEvaluation(channels, classes, own)
        width = (self.rows.stop - self.rows.start) * (2 * own.region_points + own.course_points)
        self.proposal = ProposalEvaluation(width, own.proposal_width)

    def stages(self):
        """First the curves; then, with these held, the confidence of the proposals that they give.

        The stage between them, proposal generation, has nothing to learn: each step pairs its windows' own curves.
        """
        share = self.settings.boundary_share
        return (Stage("temporal evaluation", self.snippet_losses, (self.temporal,), share),
                Stage("proposal evaluation", self.proposal_losses, (self.proposal,), 1.0 - share))

    def losses(self, features, clips, rng):
        """The parts of both stages."""
        return dict(self.snippet_losses(features, clips, rng), **self.proposal_losses(features, clips, rng))

    def snippet_losses(self, features, clips, rng):
        """The weighted parts of the first stage's loss, by name (equation 4); nothing is random."""
        valid, weights = valid_mask(clips, features), self.settings
        output = self.temporal(features, valid)
        targets = torch.from_numpy(np.stack([
            region_targets(clip.segments, features.size(2), clip.valid, weights.boundary_part, weights.boundary_radius)
            for clip in clips])).to(features)
        action, start, end = (losses.balanced_logistic(output.curves[:, row], targets[:, row], valid[:, 0])
                              for row in range(3))
        parts = {"actionness": weights.actionness_weight * action,
                 "boundaries": weights.boundaries_weight * (start + end)}
        if output.classes is not None:
            classes = torch.from_numpy(np.stack([
                snippet_targets(clip.segments, clip.classes, self.classes, features.size(2), clip.valid).classes
                for clip in clips])).to(features)
            parts["classes"] = weights.classes_weight * losses.multi_label(output.classes, classes, valid)
        return parts

    def proposal_losses(self, features, clips, rng):
        """The second stage's loss (equation 6), of proposals that ``rng`` samples from those of the curves."""
        with torch.no_grad():
            curves = probabilities(self.temporal(features, valid_mask(clips, features)).curves)
        described, overlaps = [], []
        for clip, curve, own in zip(clips, curves, generators(rng, len(clips))):
            curve = curve[:, :clip.valid]
            proposals = self._proposals(curve)
            found = best_tiou(proposals, clip.segments)
            count = min(self.settings.samples, sum(PARTS) * max(1, int((found >= POSITIVE).sum())))
            chosen = balanced_sample(found, count, own, PARTS)
            described.append(self._described(curve, proposals[chosen]))
            overlaps.append(found[chosen])
        described, overlaps = (torch.from_numpy(np.concatenate(values)).to(features)
                               for values in (described, overlaps))
        return {"confidence": self.settings.confidence_weight * losses.tiou_regression(
            self.proposal(described), overlaps)}

    def _proposals(self, curves):
        """The best pairs of boundaries of one clip's curves ``(3, valid)``: int64 ``(N, 2)``."""
        _, starts, ends = curves
        found = pairs(boundary_snippets(starts, self.settings.peak_fraction),
                      boundary_snippets(ends, self.settings.peak_fraction), self.settings.max_duration)
        return found[best_by_boundaries(found, starts, ends, self.settings.candidates)]

    def _described(self, curves, proposals):
        points = self.settings.region_points, self.settings.course_points
        return boundary_features(curves[self.rows], proposals, points, self.settings.region)

    def propose(self, features, clips):
        """Scored proposals of each clip: list of :class:`tad.postprocess.fusion.ScoredProposals`."""
        output = self.temporal(features, valid_mask(clips, features))
        classes = [None] * len(clips) if output.classes is None else probabilities(output.classes)
        return [self._decode(curves[:, :clip.valid], scores, features)
                for clip, curves, scores in zip(clips, probabilities(output.curves), classes)]

    def _decode(self, curves, classes, features):
        proposals = self._proposals(curves)
        described = torch.from_numpy(self._described(curves, proposals)).to(features)
        confidence = probabilities(self.proposal(described))
        segments = proposals.astype(np.float64)
        scores = np.ones((len(proposals), self.classes)) if classes is None else mean_inside(
            classes[:, :curves.shape[1]], segments)
        boundaries = curves[1, proposals[:, 0]] * curves[2, proposals[:, 1]]
        return ScoredProposals(segments, scores, boundaries, confidence, np.ones(len(proposals)), curves)
