"""Finds unusable rois (not finite, no such batch entry) without making the host wait for the GPU.

The kernels never use such a roi, whatever happens here: its output rows are NaN, it adds nothing to a gradient, and its
number goes into a word of host memory that the GPU can write. What this module decides is when the host looks:

- rois that were found good are not looked at again, until they are changed in place;
- while the stream is idle, a look costs a few microseconds and delays nothing, so the caller learns before the launch;
- while the stream is busy, or being captured into a CUDA graph, the call goes ahead and the next call on that GPU, or
  :meth:`RoiGuard.raise_late`, tells of it.
"""

import weakref

import torch

from tad.compat import is_capturing


class RoiGuard(object):
    """The guard of one GPU.

    :param kernels: :class:`tad.ops.align1d_cuda.launch.Kernels`
    """

    def __init__(self, kernels):
        self._kernels = kernels
        self._word, self.address = kernels.device.mapped_word()
        self._good = {}  # id -> (weak reference, version, batch size)

    def is_clean(self, rois, batch):
        """Whether nothing is known against the rois: they were found good, or the stream is too busy to look.

        :raises ValueError: an earlier call met an unusable roi.
        """
        self.raise_late()
        known = self._good.get(id(rois))
        if known is not None and known[0]() is rois and known[1:] == (rois._version, batch):
            return True
        stream = torch.cuda.current_stream(rois.device)
        if is_capturing() or not stream.query():
            return True
        self._kernels.check(rois, batch, stream.cuda_stream)
        self._kernels.device.wait(stream.cuda_stream)
        if self._word.value:
            self._word.value = 0
            return False
        self._remember(rois, batch)
        return True

    def raise_late(self):
        """Raise the ValueError that an earlier call could not."""
        index = self._word.value - 1
        if index >= 0:
            self._word.value = 0
            raise ValueError("align1d: roi %d of an earlier call on cuda:%d is not finite or has no such batch index; "
                             "its output is NaN" % (index, self._kernels.device.index))

    def _remember(self, rois, batch):
        key, good = id(rois), self._good
        good[key] = weakref.ref(rois, lambda _: good.pop(key, None)), rois._version, batch
