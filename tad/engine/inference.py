"""The inference loop: clips of a recording through a detector, to the recording's detections."""

import itertools

import numpy as np
import torch

from tad.compat import is_out_of_memory
from tad.data.clips import CUTTERS
from tad.errors import UserError
from tad.postprocess.fusion import fuse
from tad.postprocess.merge import owned_by
from tad.postprocess.stretches import thin_as_they_come


def detect(detector, source, features, settings, device, external=None, only=None, follow=iter, watch=None):
    """Detections of one recording, best first, with segments in seconds.

    Memory is bounded by ``train.batch`` clips and the detections of some hundred, however long the recording.

    :param detector: in evaluation mode, on ``device``.
    :param source: :class:`tad.data.sources.Source`
    :param features: normalized float32 ``(T, C)``, an array or :class:`tad.data.rows.Rows`.
    :param settings: resolved :class:`tad.config.Settings`
    :param external: score of each class for the whole recording, ``(K,)`` in 0..1, or None
        (:func:`tad.postprocess.fusion.fuse`).
    :param only: indices of the classes to detect; None for all.
    :param follow: function iterator of clips -> the same, for a progress bar.
    :param watch: called with each clip, in the order of time, and its curves (None from a detector without them).
    :returns: :class:`tad.postprocess.fusion.Detections`
    """
    dataset = settings.dataset
    end_s = source.grid.end_s(source.snippets) + source.grid.step_s / 2
    clips = follow(CUTTERS[dataset.mode](source, features, dataset, dataset.length))

    def parts():
        for clip, scored in _scored(detector, clips, settings.train.batch, device):
            if watch is not None:
                watch(clip, scored.curves)
            found = fuse(scored, settings.postprocess, external)
            if only is not None:
                found = found.take(np.isin(found.labels, only))
            # The first clip owns everything from minus infinity on
            yield float(clip.grid.to_seconds(clip.owned_from)), owned_by(clip, found, end_s)

    with torch.no_grad():
        return thin_as_they_come(parts(), dataset.length * source.grid.step_s, settings.postprocess)


def _scored(detector, clips, size, device):
    """Each clip with its scored proposals, ``size`` clips at once."""
    while True:
        batch = list(itertools.islice(clips, size))
        if not batch:
            return
        for clip, scored in zip(batch, propose(detector, batch, device)):
            yield clip, scored


def propose(detector, clips, device):
    """Scored proposals of some clips; where the device's memory is too small for all at once, in halves.

    :raises UserError: it is too small for a single clip.
    """
    try:
        inputs = torch.stack([torch.from_numpy(clip.features) for clip in clips]).to(device)
        return detector.propose(inputs, clips)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    if len(clips) == 1:
        raise UserError("the memory of device '%s' is too small for one clip of %d snippets; use --device cpu or free "
                        "memory on it" % (device, clips[0].features.shape[1]))
    # Outside the except block, so that the failed attempt's tensors are free already
    half = len(clips) // 2
    return propose(detector, clips[:half], device) + propose(detector, clips[half:], device)

