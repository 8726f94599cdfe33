"""The detector ``deeplab``: its network, its targets and losses, and its decoding."""

import numpy as np
import torch

from tad.assignment.positives import POSITIVES
from tad.assignment.proposals import SAMPLINGS, best_tiou, generators
from tad.assignment.snippets import snippet_targets
from tad.config import DeepLabSettings
from tad.detectors.base import out_of_reach, probabilities, valid_mask
from tad.detectors.grid import GridDetector
from tad.errors import UserError
from tad.losses import functional as losses
from tad.models.deeplab import DeepLab
from tad.postprocess.contrast import contrast
from tad.postprocess.fusion import ScoredProposals, mean_inside
from tad.proposals.generators import FROM_CURVES, GENERATORS, Curves
from tad.proposals.grid import best_by_boundaries, nearest_snippets

SHORTEST_DETECTION = 0.1  # snippets
MOST_PROPOSALS = 2 ** 28  # of one window: they take some 4 GiB
MOST_NODES = 4096  # of a graph: its matrices take some 0.5 GiB


class DeepLabDetector(GridDetector):
    """Per-snippet scores by DeepLab over time; proposals over (duration, start), judged on Align1D features.

    :param channels: width of the input features.
    :param classes: number of classes.
    :param settings: :class:`tad.config.Settings`
    """

    SECTION = "deeplab"

    def __init__(self, channels, classes, settings):
        super(DeepLabDetector, self).__init__()
        self.binary = settings.deeplab.actionness == "binary"  # the last curve is then that of any action
        self.network = DeepLab(channels, classes + self.binary, settings.deeplab)
        self.classes = classes
        self.settings = settings.deeplab
        self.seed = settings.seed

    @classmethod
    def fit(cls, settings, longest):
        """As of every grid; the encoder needs two steps of its own, candidates a duration, a graph limits."""
        length, shrink = settings.dataset.length, output_stride(settings.deeplab)
        if length < 2 * shrink:
            raise UserError("deeplab.strides shrink a clip %d times, so dataset.length must be at least %d, not %d"
                            % (shrink, 2 * shrink, length))
        settings = super(DeepLabDetector, cls).fit(settings, longest)
        check_graphs(settings.deeplab, length)
        check_durations(settings.deeplab)
        return settings

    @classmethod
    def check(cls, settings, durations):
        """As of every grid, atrous rates longer than the clip, and actions shorter than any candidate."""
        super(DeepLabDetector, cls).check(settings, durations)
        check_rates(settings.deeplab, settings.dataset.length)
        if settings.deeplab.generator == "alter_window":
            step = settings.deeplab.window_step
            out_of_reach(durations < 0.5 * step, "last less than half of the shortest candidate (deeplab.window_step: "
                         "%d snippets)" % step, durations, "set deeplab.window_step to %d or less"
                         % max(1, int(2 * durations.min())))

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
        check_graphs(network, length, path + ": ")

    def losses(self, features, clips, rng):
        """The weighted parts of the training loss, by name; ``rng`` samples proposals."""
        targets = [self._snippet_targets(clip, features.size(2)) for clip in clips]
        classes, boundaries, offsets, valid = (torch.from_numpy(np.stack(parts)).to(features.device)
                                               for parts in zip(*targets))
        valid = valid[:, None]
        output = self.network(features, valid)
        curves = self._curves(output.scores, clips) if self.settings.generator in FROM_CURVES else [None] * len(clips)
        own = generators(rng, len(clips))
        proposals, overlaps, complete = (torch.from_numpy(values).to(features)
                                         for values in self._sampled(clips, curves, own))
        logits = self.network.proposal_head(output.proposal_features, proposals, self._draws(proposals, own))
        scores, weights = output.scores, self.settings
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

    def _snippet_targets(self, clip, length):
        """:class:`tad.assignment.snippets.SnippetTargets`; with a curve of any action, also of an unknown one."""
        targets = snippet_targets(clip.segments, clip.classes, self.classes, length, clip.valid,
                                  self.settings.boundary_radius)
        if not self.binary:
            return targets
        any_action = snippet_targets(clip.segments, np.zeros_like(clip.classes), 1, length, clip.valid).classes
        return targets._replace(classes=np.concatenate([targets.classes, any_action]))

    def _draws(self, proposals, rngs):
        """What the second stage draws neighbours by, of each clip; None where there are no neighbours."""
        if self.settings.second_stage != "graph":
            return None
        counts = np.bincount(proposals[:, 0].long().cpu().numpy(), minlength=len(rngs))
        return [torch.from_numpy(own.random_sample((count, count))).to(proposals) for own, count in zip(rngs, counts)]

    def _curves(self, scores, clips):
        """:class:`tad.proposals.generators.Curves` of each clip, without gradients."""
        actions, boundaries = probabilities(scores.classes.detach()), probabilities(scores.boundaries.detach())
        curves = []
        for own, sides, clip in zip(actions, boundaries, clips):
            own, (starts, ends) = own[:, :clip.valid], sides[:, :clip.valid]
            any_action = own[-1] if self.binary else own.max(axis=0)
            grouped = own[-1:] if self.binary else np.concatenate([own, any_action[None]])
            curves.append(Curves(own[:self.classes], grouped, any_action, starts, ends))
        return curves

    def _candidates(self, valid, curves, rng):
        return GENERATORS[self.settings.generator](valid, curves, self.settings, rng)

    def _sampled(self, clips, curves, rngs):
        """Proposals ``(N, 3)`` of all clips that the step learns from, their tIoU ``(N,)``, and 1 for complete ones."""
        chosen = []
        for index, (clip, seen, own) in enumerate(zip(clips, curves, rngs)):
            candidates = self._candidates(clip.valid, seen, own)
            overlaps = best_tiou(candidates, clip.segments)
            complete = POSITIVES[self.settings.positive](candidates, overlaps, clip.segments, self.settings)
            sample = SAMPLINGS[self.settings.sampling](overlaps, complete, self.settings.samples, own)
            batch = np.full((len(sample), 1), index)
            chosen.append((np.concatenate([batch, candidates[sample]], axis=1), overlaps[sample], complete[sample]))
        return tuple(np.concatenate(values).astype(np.float64) for values in zip(*chosen))

    def propose(self, features, clips):
        """Scored proposals of each clip: list of :class:`tad.postprocess.fusion.ScoredProposals`."""
        output = self.network(features, valid_mask(clips, features))
        offsets = output.scores.offsets.cpu().numpy().astype(np.float64)
        return [self._decode(index, clip.valid, curves, offsets[index], output.proposal_features)
                for index, (clip, curves) in enumerate(zip(clips, self._curves(output.scores, clips)))]

    def _decode(self, index, valid, curves, offsets, features):
        # The same random candidates at every call
        candidates = self._candidates(valid, curves, np.random.RandomState(self.seed))
        cells = nearest_snippets(candidates, valid)  # offsets lead from a snippet's centre
        best = self._best(candidates, cells, curves)
        candidates, cells = candidates[best], cells[best]
        rois = np.concatenate([np.full((len(candidates), 1), index), candidates], axis=1)
        logits = self.network.proposal_head(features, torch.from_numpy(rois).to(features))
        quality = probabilities(logits)
        segments = cells + np.stack([offsets[0][cells[:, 0]], offsets[1][cells[:, 1]]], axis=1)
        segments[:, 1] = np.maximum(segments[:, 1], segments[:, 0] + SHORTEST_DETECTION)
        product = curves.starts[cells[:, 0]] * curves.ends[cells[:, 1]]
        tiou, completeness = (values if self.settings.score in (name, "both") else np.ones(len(values))
                              for name, values in zip(("regression", "classification"), quality.T))
        classes = mean_inside(curves.classes, segments)
        segments[:, 1] = np.maximum(segments[:, 1] + self.settings.end_shift, segments[:, 0] + SHORTEST_DETECTION)
        return ScoredProposals(segments, classes, product, tiou, completeness,
                               np.stack([curves.actionness, curves.starts, curves.ends]))

    def _best(self, candidates, cells, curves):
        """Indices of the candidates that the proposal head judges, best first."""
        count = self.settings.candidates
        if self.settings.generator == "thr_action":
            return np.argsort(-contrast(curves.grouped, candidates), kind="mergesort")[:count]
        return best_by_boundaries(cells, curves.starts, curves.ends, count)


def output_stride(deeplab):
    """Snippets to one step of the encoder: :class:`tad.config.DeepLabSettings` -> int."""
    return int(np.prod(deeplab.strides))


def check_durations(deeplab):
    """Refuse candidates that are all too long, and a threshold that changes between no durations."""
    if deeplab.generator == "alter_window" and deeplab.window_step > deeplab.max_duration:
        raise UserError("deeplab.window_step (%d) must not be above deeplab.max_duration (%d): no candidate would be "
                        "left" % (deeplab.window_step, deeplab.max_duration))
    if deeplab.positive == "linear" and deeplab.positive_short >= deeplab.positive_long:
        raise UserError("deeplab.positive_short (%g) must be below deeplab.positive_long (%g): the threshold changes "
                        "between these durations" % (deeplab.positive_short, deeplab.positive_long))


def check_graphs(deeplab, length, place=""):
    """Refuse graphs of more nodes than memory holds, and one that draws more neighbours than there are.

    :param place: what the message begins with.
    """
    stride = output_stride(deeplab)
    if deeplab.atrous_graph and length > MOST_NODES * stride:
        raise UserError("%sdeeplab.atrous_graph compares all steps of the encoder with each other; set dataset.length "
                        "(%d) to %d or less" % (place, length, MOST_NODES * stride))
    if deeplab.second_stage != "graph":
        return
    if max(deeplab.candidates, deeplab.samples) > MOST_NODES:
        raise UserError("%sdeeplab.second_stage graph compares all proposals of a clip with each other; set "
                        "deeplab.candidates (%d) and deeplab.samples (%d) to %d or less"
                        % (place, deeplab.candidates, deeplab.samples, MOST_NODES))
    if deeplab.sampled_neighbours > deeplab.neighbours:
        raise UserError("%sdeeplab.sampled_neighbours (%d) are drawn of deeplab.neighbours (%d) and cannot be more; "
                        "lower the one or raise the other" % (place, deeplab.sampled_neighbours, deeplab.neighbours))


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
