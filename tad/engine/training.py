"""The training loop: every step follows from (settings, data, step number), so a resumed run repeats bit for bit."""

import copy
import math
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from tad.compat import adam_step
from tad.data.augment import random_clip
from tad.engine.checkpoint import Checkpoint, prune, step_path, write_checkpoint
from tad.engine.progress import LogLines
from tad.engine.stopping import Terminated, leave_to_parent, noticing
from tad.errors import UserError


class Progress(NamedTuple):
    """What changes while training: the step that comes next, the weights, their average, the optimizer's state."""

    step: int
    detector: torch.nn.Module
    averaged: torch.nn.Module
    optimizer: torch.optim.Optimizer


class TrainingClips(Dataset):
    """Clips of the steps from ``first_step`` on, batch after batch."""

    def __init__(self, sources, read, settings, first_step):
        self.sources, self.read, self.settings = sources, read, settings
        self.first = first_step * settings.train.batch
        self.count = settings.train.steps * settings.train.batch - self.first

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        settings = self.settings
        return random_clip(self.sources, self.read, settings.augment, settings.dataset.mode,
                           settings.dataset.length, settings.seed, self.first + index)


def start(detector, settings):
    """Progress before the first step."""
    optimizer = torch.optim.Adam(detector.parameters(), lr=settings.train.learning_rate,
                                 weight_decay=settings.train.weight_decay)
    return Progress(0, detector, copy.deepcopy(detector).eval(), optimizer)


def train(progress, sources, read, settings, device, folder, meta, log):
    """Train to the last step, with a checkpoint every ``train.checkpoint_every`` steps and at the end.

    :param sources: list of :class:`tad.data.sources.Source`
    :param read: function id -> normalized features.
    :param folder: where checkpoints go.
    :param meta: plain values that every checkpoint carries (settings, classes, normalization).
    :param log: function (step, dict name -> float), called every ``train.log_every`` steps.
    :returns: the final :class:`Progress`
    :raises UserError: the loss is not finite.
    :raises Terminated: SIGTERM came; the step that it came in is finished and saved.
    """
    options = settings.train
    clips = TrainingClips(sources, read, settings, progress.step)
    loader = DataLoader(clips, batch_size=options.batch, shuffle=False, num_workers=options.workers,
                        collate_fn=list, worker_init_fn=leave_to_parent)
    bar = tqdm(loader, initial=progress.step, total=options.steps, desc="train", unit="step", disable=None)
    lines = LogLines("train", "step", progress.step, options.steps)
    with noticing() as asked_to_end:
        for batch in bar:
            parts = train_step(progress, batch, settings, device)
            progress = progress._replace(step=progress.step + 1)
            if lines.due(progress.step):
                lines.say(progress.step, ", loss %.3f" % float(parts["total"]))
            if progress.step % options.log_every == 0:
                values = {name: float(value) for name, value in parts.items()}
                bar.set_postfix(loss="%.3f" % values["total"])
                log(progress.step, values)
            ending = asked_to_end()
            if ending or progress.step % options.checkpoint_every == 0 or progress.step == options.steps:
                write_checkpoint(step_path(folder, progress.step), to_checkpoint(progress, meta))
                prune(folder)
            if ending:
                raise Terminated("step %d of %d is saved" % (progress.step, options.steps))
    return progress


def train_step(progress, clips, settings, device):
    """One step of the optimizer; returns the parts of the loss and ``total``."""
    options, step = settings.train, progress.step
    # Dropout draws from PyTorch's generator; seeding it by step is what makes resuming exact
    rng = np.random.RandomState([settings.seed & 0xFFFFFFFF, step, 11])
    torch.manual_seed(int(rng.randint(2 ** 31 - 1)))
    for group in progress.optimizer.param_groups:
        group["lr"] = learning_rate(options, step)
    progress.detector.train()
    features = torch.stack([torch.from_numpy(clip.features) for clip in clips]).to(device)
    parts = progress.detector.losses(features, clips, rng)
    total = sum(parts.values())
    if not math.isfinite(float(total.detach())):
        raise UserError("the loss became %s in step %d (%s); lower train.learning_rate or look at the features of: %s"
                        % (float(total.detach()), step, ", ".join("%s %.3g" % (name, float(value.detach()))
                                                         for name, value in parts.items()),
                           ", ".join(sorted({clip.id for clip in clips}))))
    progress.optimizer.zero_grad()
    total.backward()
    torch.nn.utils.clip_grad_norm_(progress.detector.parameters(), options.clip_norm)
    progress.optimizer.step()
    update_average(progress.averaged, progress.detector, options.average, step)
    return dict({name: value.detach() for name, value in parts.items()}, total=total.detach())


def learning_rate(options, step):
    """Linear warm-up, then half a cosine down to 0 (Loshchilov and Hutter, "SGDR", 2017, equation 5)."""
    if step < options.warmup:
        return options.learning_rate * (step + 1) / options.warmup
    done = (step - options.warmup) / float(max(1, options.steps - options.warmup))
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def update_average(averaged, detector, decay, step):
    """Moving average of the weights; the decay grows from 0 so that the first steps are soon forgotten."""
    decay = min(decay, (1.0 + step) / (10.0 + step))
    with torch.no_grad():
        for mean, value in zip(averaged.state_dict().values(), detector.state_dict().values()):
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
    moments = checkpoint.group("optimizer")
    state = progress.optimizer.state_dict()
    state["state"] = {}
    for key, (name, parameter) in zip(state["param_groups"][0]["params"], progress.detector.named_parameters()):
        if "exp_avg/" + name in moments:
            state["state"][key] = {"step": adam_step(checkpoint.meta["optimizer_steps"][name]),
                                   "exp_avg": moments["exp_avg/" + name].to(parameter.device),
                                   "exp_avg_sq": moments["exp_avg_sq/" + name].to(parameter.device)}
    progress.optimizer.load_state_dict(state)
    return progress._replace(step=int(checkpoint.meta["step"]))


def load_weights(module, weights):
    """Load exactly the named weights, or say which do not fit."""
    wanted = module.state_dict()
    wrong = sorted(name for name in set(wanted) | set(weights)
                   if name not in wanted or name not in weights or wanted[name].shape != weights[name].shape)
    if wrong:
        raise UserError("the checkpoint does not fit the configured detector; these weights differ: %s"
                        % ", ".join(wrong[:4]))
    module.load_state_dict(weights)
