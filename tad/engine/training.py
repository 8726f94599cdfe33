"""The training loop: every step follows from (settings, data, step number), so a resumed run repeats bit for bit."""

import contextlib
import copy
import functools
import math
from typing import Callable, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from tad.assignment.proposals import generators
from tad.compat import adam_step
from tad.engine.checkpoint import Checkpoint, prune, step_path, write_checkpoint
from tad.engine.loading import batches
from tad.engine.progress import LogLines
from tad.engine.ranks import ALONE, LostRankError
from tad.engine.stages import Span, enter, spans
from tad.engine.stopping import ENDINGS, noticing
from tad.errors import UserError

# What is left of the learning rate when a part 0..1 of the steps after the warm-up is done
SCHEDULES = {"cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)), "constant": lambda done: 1.0}
ENDED_BY = (None,) + tuple(ENDINGS.values())  # by the numbers in which ranks tell each other what came


class Progress(NamedTuple):
    """What changes while training: the step that comes next, the weights, their average, the optimizer's state."""

    step: int
    detector: torch.nn.Module
    averaged: torch.nn.Module
    optimizer: torch.optim.Optimizer


def start(detector, settings):
    """Progress before the first step.

    :raises UserError: there are fewer steps than stages need.
    """
    spans(detector.stages(), settings.train.steps)
    optimizer = torch.optim.Adam(detector.parameters(), lr=settings.train.learning_rate,
                                 weight_decay=settings.train.weight_decay)
    return Progress(0, detector, copy.deepcopy(detector).eval(), optimizer)


def train(progress, sources, read, settings, device, folder, meta, log, ranks=ALONE):
    """Train to the last step, with a checkpoint every ``train.checkpoint_every`` steps and at the end.

    :param sources: list of :class:`tad.data.sources.Source`
    :param read: function id -> normalized features.
    :param folder: where checkpoints go.
    :param meta: plain values that every checkpoint carries (settings, classes, normalization).
    :param log: function (step, dict name -> float), called every ``train.log_every`` steps.
    :param ranks: :class:`tad.engine.ranks.Ranks` that share every batch.
    :returns: the final :class:`Progress`
    :raises UserError: the loss is not finite; features cannot be read any more; a checkpoint cannot be written; a rank
        has ended.
    :raises Terminated, Interrupted: SIGTERM or Ctrl-C came; the step that it came in is finished and saved.
    """
    options = settings.train
    lines = LogLines("train", "step", progress.step, options.steps, ranks.quiet)
    stage = None
    loaded = contextlib.closing(batches(sources, read, settings, progress.step, ranks.share(options.batch)))
    with noticing() as asked_to_end, loaded as clips, _saving(folder, meta, settings, ranks) as reach:
        bar = tqdm(clips, initial=progress.step, total=options.steps, desc="train", unit="step", disable=ranks.quiet)
        for batch in bar:
            if stage is None or progress.step == stage.span.end:
                stage = entered(progress, settings, ranks)
                bar.set_description("train" + stage.span.words)
            parts = train_step(progress, batch, settings, device, ranks, stage)
            progress = progress._replace(step=progress.step + 1)
            reach(progress)
            if lines.due(progress.step):
                lines.say(progress.step, stage.span.words + ", loss %.3f" % float(parts["total"]))
            if progress.step % options.log_every == 0:
                values = {name: float(value) for name, value in parts.items()}
                bar.set_postfix(loss="%.3f" % values["total"])
                log(progress.step, values)
            ending = ENDED_BY[ranks.most(ENDED_BY.index(asked_to_end()))]
            if ending or progress.step % options.checkpoint_every == 0 or progress.step == options.steps:
                ranks.first(functools.partial(save, progress, folder, meta))
            if ending:
                raise ending("step %d of %d is saved" % (progress.step, options.steps))
    return progress


@contextlib.contextmanager
def _saving(folder, meta, settings, ranks):
    """Within it, a rank that is lost costs no finished step, where rank 0 is left. Yields a function that takes the
    :class:`Progress` of each finished step."""
    reached = []

    def reach(progress):
        reached[:] = [progress]

    try:
        with ranks.watched():
            yield reach
    except LostRankError as error:
        # On a GPU the weights may wait without end for the lost rank's gradients
        saved = bool(reached) and ranks.leads and next(reached[0].detector.parameters()).device.type == "cpu"
        if saved:
            save(reached[0], folder, meta)
        raise LostRankError("%s; %s, go on with --resume auto and any number of ranks"
                       % (error, "step %d of %d is saved" % (reached[0].step, settings.train.steps) if saved else
                          "the training has stopped"))


def save(progress, folder, meta):
    """Write a checkpoint, then remove those that it makes superfluous.

    :raises UserError: it cannot be written, or would hold weights that are not finite; older ones stay.
    """
    checkpoint = to_checkpoint(progress, meta)
    spoiled = [name for name, tensor in checkpoint.tensors.items()
               if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())]
    if spoiled:
        raise UserError("%s is not finite after step %d; that step is not saved; lower train.learning_rate"
                        % (spoiled[0], progress.step))
    write_checkpoint(step_path(folder, progress.step), checkpoint)
    prune(folder)


class Entered(NamedTuple):
    """The ``span`` of the stage that learns now, and its ``losses`` over all ranks."""

    span: Span
    losses: Callable


def entered(progress, settings, ranks):
    """Begin the stage of the next step, or go on in it: :class:`Entered`."""
    span = enter(progress.detector, progress.averaged, settings.train.steps, progress.step)
    return Entered(span, ranks.losses_of(progress.detector, span.stage.losses))


def train_step(progress, clips, settings, device, ranks=ALONE, stage=None):
    """One step of the optimizer; returns the parts of the loss and ``total``, of all ranks together.

    :param clips: this rank's share of the batch.
    :param stage: what :func:`entered` gave for the step's stage; None for a step on its own.
    :raises UserError: the loss or its gradient is not finite; no weight is changed then.
    """
    options, step = settings.train, progress.step
    span, losses = stage or entered(progress, settings, ranks)
    # Dropout draws from PyTorch's generator; seeding it by step is what makes resuming exact
    rng = np.random.RandomState([settings.seed & 0xFFFFFFFF, step, 11])
    torch.manual_seed(int(rng.randint(2 ** 31 - 1)) + ranks.rank)
    generators(rng, ranks.share(options.batch).start)  # those of the ranks before
    for group in progress.optimizer.param_groups:
        group["lr"] = learning_rate(span.options(options), step - span.first)
    progress.detector.train()
    features = torch.stack([torch.from_numpy(clip.features) for clip in clips]).to(device)
    own = losses(features, clips, rng)
    total = sum(own.values())
    parts = ranks.add_up(dict(own, total=total))
    _check_finite("loss", float(parts["total"]), parts, clips, step, ranks)
    progress.optimizer.zero_grad()
    # The ranks' losses add up to the loss, but their gradients are averaged
    (total * ranks.count).backward()
    norm = torch.nn.utils.clip_grad_norm_(progress.detector.parameters(), options.clip_norm)
    _check_finite("gradient's norm", float(norm), parts, clips, step, ranks)
    progress.optimizer.step()
    update_average(progress.averaged, progress.detector, options.average, step - span.first)
    return parts


def _check_finite(what, value, parts, clips, step, ranks):
    if not math.isfinite(value):
        ids = "\n".join(ranks.texts("\n".join(clip.id for clip in clips))).split("\n")
        raise UserError("the %s became %s in step %d (%s); lower train.learning_rate or look at the features of: %s"
                        % (what, value, step, ", ".join("%s %.3g" % (name, float(part))
                                                        for name, part in parts.items() if name != "total"),
                           ", ".join(sorted(set(ids)))))


def learning_rate(options, step):
    """Linear warm-up, then what ``train.schedule`` names: half a cosine down to 0 (Loshchilov and Hutter, "SGDR", 2017,
    equation 5), or the same to the end."""
    if step < options.warmup:
        return options.learning_rate * (step + 1) / options.warmup
    done = (step - options.warmup) / float(max(1, options.steps - options.warmup))
    return options.learning_rate * SCHEDULES[options.schedule](done)


def update_average(averaged, detector, decay, step):
    """Moving average of the weights that learn; the decay grows from 0 so that the first steps are soon forgotten.

    :param step: of the stage.
    """
    decay = min(decay, (1.0 + step) / (10.0 + step))
    held = {name for name, parameter in detector.named_parameters() if not parameter.requires_grad}
    with torch.no_grad():
        for (name, mean), value in zip(averaged.state_dict().items(), detector.state_dict().values()):
            if name not in held:
                mean.mul_(decay).add_(value * (1 - decay))


def to_checkpoint(progress, meta):
    """Everything needed to go on: weights, their average, the optimizer's moments, the step."""
    tensors = {}
    for prefix, module in (("model", progress.detector), ("averaged", progress.averaged)):
        tensors.update({prefix + "/" + name: value for name, value in module.state_dict().items()})
    names = [name for name, _ in progress.detector.named_parameters()]
    steps = {}
    for name, parameter in zip(names, progress.detector.parameters()):
        state = progress.optimizer.state.get(parameter, {})
        for key in ("exp_avg", "exp_avg_sq"):
            if key in state:
                tensors["optimizer/%s/%s" % (key, name)] = state[key]
        steps[name] = int(state.get("step", 0))
    return Checkpoint(tensors, dict(meta, step=progress.step, optimizer_steps=steps))


def from_checkpoint(progress, checkpoint):
    """The progress that a checkpoint holds, loaded into the modules of ``progress``."""
    load_weights(progress.detector, checkpoint.group("model"))
    load_weights(progress.averaged, checkpoint.group("averaged"))
    moments, steps = checkpoint.group("optimizer"), checkpoint.meta.get("optimizer_steps", {})
    shapes = {name: tuple(parameter.shape) for name, parameter in progress.detector.named_parameters()}
    wrong = [name for key in ("exp_avg", "exp_avg_sq") for name in shapes
             if key + "/" + name in moments and (moments[key + "/" + name].shape != shapes[name] or name not in steps)]
    half = [name for name in shapes if ("exp_avg/" + name in moments) != ("exp_avg_sq/" + name in moments)]
    if wrong or half:
        raise UserError("the optimizer's state in the checkpoint does not fit the configured detector: %s"
                        % ", ".join((wrong + half)[:4]))
    state = progress.optimizer.state_dict()
    state["state"] = {}
    for key, (name, parameter) in zip(state["param_groups"][0]["params"], progress.detector.named_parameters()):
        if "exp_avg/" + name in moments:
            state["state"][key] = {"step": adam_step(steps[name]),
                                   "exp_avg": moments["exp_avg/" + name].to(parameter.device),
                                   "exp_avg_sq": moments["exp_avg_sq/" + name].to(parameter.device)}
    progress.optimizer.load_state_dict(state)
    return progress._replace(step=int(checkpoint.meta["step"]))


def load_weights(module, weights, source="the checkpoint"):
    """Load exactly the named weights, or say which of ``source`` do not fit."""
    wrong = misfits({name: tuple(value.shape) for name, value in module.state_dict().items()}, weights)
    if wrong:
        raise UserError("%s does not fit the configured detector; these weights differ: %s"
                        % (source, ", ".join(wrong[:4])))
    module.load_state_dict(weights)


def misfits(shapes, weights):
    """Names of weights that only one side has, or that have other shapes than ``shapes`` (name -> tuple) says."""
    return sorted(name for name in set(shapes) | set(weights)
                  if name not in shapes or name not in weights or shapes[name] != tuple(weights[name].shape))
