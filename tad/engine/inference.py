"""The inference loop: clips of a recording through a detector, to the recording's detections."""

import torch

from tad.data.clips import CUTTERS
from tad.postprocess.fusion import fuse
from tad.postprocess.merge import merge_clips
from tad.postprocess.nms import suppress


def detect(detector, source, features, settings, device):
    """Detections of one recording, best first, with segments in seconds.

    Memory is bounded by ``train.batch`` clips, however long the recording.

    :param detector: in evaluation mode, on ``device``.
    :param source: :class:`tad.data.sources.Source`
    :param features: normalized float32 ``(T, C)``.
    :param settings: resolved :class:`tad.config.Settings`
    :returns: :class:`tad.postprocess.fusion.Detections`
    """
    dataset = settings.dataset
    clips = CUTTERS[dataset.mode](source, features, dataset, dataset.length)
    found = []
    with torch.no_grad():
        for first in range(0, len(clips), settings.train.batch):
            batch = clips[first:first + settings.train.batch]
            inputs = torch.stack([torch.from_numpy(clip.features) for clip in batch]).to(device)
            found += [fuse(scored, settings.postprocess) for scored in detector.propose(inputs, batch)]
    merged = merge_clips(clips, found, source.grid.end_s(source.snippets) + source.grid.step_s / 2)
    return suppress(merged, settings.postprocess)
