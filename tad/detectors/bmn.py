"""The detector ``bmn``: its targets and losses, and its decoding (Lin et al., "BMN", ICCV 2019)."""

import numpy as np
import torch

from tad.assignment.proposals import POSITIVE, balanced_sample, best_tiou, generators
from tad.assignment.snippets import snippet_targets
from tad.detectors.base import probabilities, valid_mask
from tad.detectors.grid import GridDetector
from tad.errors import UserError
from tad.losses import functional as losses
from tad.models.bmn import BMN
from tad.postprocess.fusion import ScoredProposals, mean_inside
from tad.proposals.grid import all_proposals, best_by_boundaries

MOST_VALUES = 2 ** 31  # of the map's features of one window, or of the sampling mask: 8 GiB


class BMNDetector(GridDetector):
    """Start and end probabilities of snippets, and two confidences of every cell of the map (duration, start).

    :param channels: width of the input features.
    :param classes: number of classes.
    :param settings: :class:`tad.config.Settings`
    """

    SECTION = "bmn"

    def __init__(self, channels, classes, settings):
        super(BMNDetector, self).__init__()
        self.network = BMN(channels, classes, settings.bmn)
        self.classes = classes
        self.settings = settings.bmn

    @classmethod
    def fit(cls, settings, longest):
        """As of every grid; a clip of one snippet has none."""
        if settings.dataset.length < 2:
            raise UserError("bmn needs proposals from one snippet to a later one: set dataset.length to 2 or more")
        return super(BMNDetector, cls).fit(settings, longest)

    @staticmethod
    def check_stored(settings, weights, path):
        """A map without end."""
        bmn, length = settings.bmn, settings.dataset.length or 0
        samples = length * min(length, bmn.max_duration or 0) * bmn.proposal_samples
        values = samples * max(bmn.proposal_width, length if bmn.sampling == "mask" else 0)
        if values > MOST_VALUES:
            raise UserError("%s asks for a boundary map of %.2g values in one window (dataset.length %d, "
                            "bmn.max_duration %d, bmn.proposal_samples %d), more than memory holds; lower them with "
                            "--set" % (path, values, length, bmn.max_duration, bmn.proposal_samples))

    def losses(self, features, clips, rng):
        """The weighted parts of the training loss, by name; ``rng`` samples the cells that are regressed."""
        targets = [snippet_targets(clip.segments, clip.classes, self.classes, features.size(2), clip.valid,
                                   self.settings.boundary_radius) for clip in clips]
        classes, boundaries, _, valid = (torch.from_numpy(np.stack(parts)).to(features) for parts in zip(*targets))
        output, weights = self.network(features, valid[:, None]), self.settings
        parts = {"boundaries": weights.boundaries_weight * sum(
            losses.balanced_logistic(output.boundaries[:, side], boundaries[:, side], valid) for side in range(2))}
        parts.update(self._map_losses(output.confidences, clips, rng))
        if output.classes is not None:
            parts["classes"] = weights.classes_weight * losses.multi_label(output.classes, classes, valid[:, None])
        return parts

    def _map_losses(self, confidences, clips, rng):
        """Regression on sampled cells, classification on all cells of the valid part (section 3.4)."""
        overlaps, inside, sampled = zip(*(self._map_targets(clip, confidences.size(3), own)
                                           for clip, own in zip(clips, generators(rng, len(clips)))))
        overlaps, inside, sampled = (torch.from_numpy(np.stack(maps).astype(np.float32)).to(confidences)
                                     for maps in (overlaps, inside, sampled))
        complete = (overlaps >= self.settings.complete_tiou).to(confidences)
        error = (torch.sigmoid(confidences[:, 0]) - overlaps) ** 2
        return {"tiou": self.settings.tiou_weight * losses.weighted_mean(error, sampled),
                "completeness": self.settings.completeness_weight * losses.balanced_logistic(
                    confidences[:, 1], complete, inside)}

    def _map_targets(self, clip, length, rng):
        """Highest tIoU of each cell ``(D, T)``, and masks of the cells inside ``clip.valid`` and of those sampled."""
        cells = all_proposals(clip.valid, self.settings.max_duration)
        values = best_tiou(cells, clip.segments)
        # As many of each range as there are positives: 1:1:1
        count = min(self.settings.samples, 3 * max(1, int((values >= POSITIVE).sum())))
        chosen = cells[balanced_sample(values, count, rng)]
        overlaps, inside, sampled = np.zeros((3, self.settings.max_duration, length))
        overlaps[cell_index(cells)] = values
        inside[cell_index(cells)] = 1
        sampled[cell_index(chosen)] = 1
        return overlaps, inside, sampled

    def propose(self, features, clips):
        """Scored proposals of each clip: list of :class:`tad.postprocess.fusion.ScoredProposals`."""
        output = self.network(features, valid_mask(clips, features))
        boundaries, confidences = probabilities(output.boundaries), probabilities(output.confidences)
        classes = [None] * len(clips) if output.classes is None else probabilities(output.classes)
        return [self._decode(clip.valid, *parts) for clip, parts in zip(clips, zip(boundaries, confidences, classes))]

    def _decode(self, valid, boundaries, confidences, classes):
        starts, ends = boundaries[:, :valid]
        cells = all_proposals(valid, self.settings.max_duration)
        cells = cells[best_by_boundaries(cells, starts, ends, self.settings.candidates)]
        segments = cells.astype(np.float64)
        tiou, completeness = confidences[(slice(None),) + cell_index(cells)]
        if classes is None:
            scores, curves = np.ones((len(cells), self.classes)), None
        else:
            scores = mean_inside(classes[:, :valid], segments)
            curves = np.stack([classes[:, :valid].max(axis=0), starts, ends])
        return ScoredProposals(segments, scores, starts[cells[:, 0]] * ends[cells[:, 1]], tiou, completeness, curves)


def cell_index(cells):
    """Rows and columns in the map of proposals ``(N, 2)``: row 0 has duration 1."""
    return cells[:, 1] - cells[:, 0] - 1, cells[:, 0]
