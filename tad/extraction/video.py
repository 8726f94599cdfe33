"""From videos to windowed features with their recipe."""

from collections import OrderedDict, deque
from typing import NamedTuple, Optional, Tuple

import numpy as np
from tqdm import tqdm

from tad.data.feature_writer import check_output, feature_writer
from tad.data.recipe import Recipe, write_recipe
from tad.errors import UserError, reporter
from tad.extraction.frames import VideoError, common_rate, find_videos, read_frames
from tad.extraction.torchvision_networks import NETWORKS, TorchvisionExtractor

# Name on the command line -> class with the constructor and members of TorchvisionExtractor
EXTRACTORS = OrderedDict((name, TorchvisionExtractor) for name in NETWORKS)
USUAL_WINDOW = 16  # frames; what the networks were trained on


class VideoPlan(NamedTuple):
    """How videos become features; ``rate`` None takes the one that all videos have, ``sha256`` None any weights."""

    backbone: str
    weights: Optional[str] = None
    rate: Optional[float] = None
    window: int = USUAL_WINDOW
    stride: int = USUAL_WINDOW // 2
    batch: int = 8
    sha256: Optional[str] = None


class Extracted(NamedTuple):
    """What was written."""

    ids: Tuple[str, ...]
    snippets: int
    width: int
    rate: float


def extract(source, output, plan, device, made_by=None, overwrite=False, strict=False):
    """Write the features of every video in ``source``, and their recipe.

    A window of frames, a batch of windows and the features of one video are in memory at a time. Windows that are not
    whole are left out, as ``docs/data.md`` says of signals.

    :param device: :class:`torch.device`
    :returns: :class:`Extracted`
    :raises UserError: nothing can be read or written, or the network cannot be had.
    """
    check_plan(plan)
    check_output(output, source, overwrite)
    videos, tell = find_videos(source), reporter(strict)
    rate = plan.rate or common_rate(videos, tell)
    extractor = EXTRACTORS[plan.backbone](plan.backbone, plan.weights, plan.window, device)
    if plan.sha256 is not None and extractor.weights_sha256 != plan.sha256:
        raise UserError("the weights of %s (%s) are not those of the recipe in --like: their SHA-256 is %s, not %s"
                        % (plan.backbone, extractor.weights, extractor.weights_sha256, plan.sha256))
    done, total = [], 0
    with feature_writer(output) as write:
        for name, path in tqdm(sorted(videos.items()), desc="features", unit="video", disable=None):
            try:
                features = video_features(path, extractor, plan, rate)
            except VideoError as error:
                tell("unreadable", name, str(error), "left out")
                continue
            write(name, [features], len(features), extractor.width)
            done.append(name)
            total += len(features)
    if not done:
        raise UserError("none of the %d videos could be used; the warnings say why" % len(videos))
    write_recipe(output, recipe_of(plan, extractor, rate, source, made_by))
    return Extracted(tuple(done), total, extractor.width, rate)


def check_plan(plan):
    """:raises UserError: a value is out of range."""
    if plan.backbone not in EXTRACTORS:
        raise UserError("--backbone must be one of %s, not '%s'" % (", ".join(EXTRACTORS), plan.backbone))
    if plan.rate is not None and not 0 < plan.rate < 1e5:
        raise UserError("--rate must be above 0 frames a second, not %g" % plan.rate)
    for name in ("window", "stride", "batch"):
        if getattr(plan, name) < 1:
            raise UserError("--%s must be 1 or more, not %d" % (name, getattr(plan, name)))


def video_features(path, extractor, plan, rate):
    """Features float32 ``(T, width)`` of one video.

    :raises VideoError: it cannot be read, or is shorter than one window.
    """
    parts, waiting, count = [], [], 0
    window = deque(maxlen=plan.window)
    for image in read_frames(path, rate):
        window.append(extractor.prepare(image))
        count += 1
        if count >= plan.window and (count - plan.window) % plan.stride == 0:
            waiting.append(list(window))
        if len(waiting) == plan.batch:
            parts.append(extractor(waiting))
            waiting = []
    if waiting:
        parts.append(extractor(waiting))
    if not parts:
        raise VideoError("has %d frames at %g a second, fewer than one window (%d)" % (count, rate, plan.window))
    return np.concatenate(parts)


def recipe_of(plan, extractor, rate, source, made_by):
    """The recipe of features; ``video`` in it holds what :func:`plan_of` needs to make more of the same."""
    video = {"network": plan.backbone, "weights": extractor.weights, "preprocessing": extractor.preprocessing}
    return Recipe(made_by=made_by, source=source, backbone=extractor.name, weights_sha256=extractor.weights_sha256,
                  fps=rate, stride=plan.stride, window=plan.window, width=extractor.width, layout="TC",
                  dtype="float32", other={"video": video})


def plan_of(recipe, place, weights=None, batch=8):
    """The inverse of :func:`recipe_of`, to describe new videos in the same way.

    :param weights: where the weights are on this machine; None for where the recipe says.
    :raises UserError: the recipe is not one of videos.
    """
    video = (recipe.other or {}).get("video")
    try:
        told = str(video["weights"]).rpartition(".")[2] if weights is None and "Weights." in video["weights"] else \
            weights or video["weights"]
        return VideoPlan(str(video["network"]), told, float(recipe.fps), int(recipe.window), int(recipe.stride), batch,
                         recipe.weights_sha256)
    except (TypeError, KeyError, ValueError):
        raise UserError("%s is not the recipe of features that `tad data features` made from videos" % place)
