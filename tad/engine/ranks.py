"""The processes ("ranks") that share one training or inference, and what they tell each other.

Losses and gradients go over PyTorch's default group (NCCL between GPUs, gloo between CPUs). All else, which is small,
goes over a gloo group of its own: there a rank that has ended is an error at once, and the GPU need not wait.
"""

import contextlib
import datetime
import json
import socket

import numpy as np
import torch
from torch import distributed, nn

from tad.compat import is_lost_rank
from tad.errors import UserError

# Of a machine that vanished without a word; a rank that ended is noticed at once
SILENT_STEP = datetime.timedelta(minutes=30)
SILENT_WORK = datetime.timedelta(days=1)  # ranks that are done early wait for the others


class LostRankError(UserError):
    """Another rank has ended, or cannot be reached any more."""


class Ranks(object):
    """This process among all: ``rank`` of ``count``, ``local`` on its machine. ``count`` is 1 for an ordinary process.

    Methods that talk must be called by every rank, in the same order; with one rank they do nothing.
    """

    def __init__(self, rank=0, count=1, local=0, store=None):
        self.rank, self.count, self.local = rank, count, local
        self._store, self._control = store, None

    @property
    def leads(self):
        """Whether this rank writes and prints."""
        return self.rank == 0

    @property
    def quiet(self):
        """For progress bars: True where another rank shows one, None to let a terminal decide."""
        return None if self.leads else True

    def connect(self, device):
        """Open the groups for work on ``device``; again is nothing new."""
        if self.count == 1 or self._control is not None:
            return
        if device.type == "cuda":
            torch.cuda.set_device(device)
        backend = "nccl" if device.type == "cuda" else "gloo"
        with self.watched():
            distributed.init_process_group(backend, timeout=SILENT_STEP, world_size=self.count, rank=self.rank,
                                           store=self._store)
            self._control = distributed.new_group(timeout=SILENT_WORK, backend="gloo")

    def close(self):
        """Close the groups; other ranks notice if they still wait."""
        if self._control is not None:
            self._control = None
            distributed.destroy_process_group()

    def share(self, size):
        """The places in a batch of ``size`` clips that are this rank's: a range."""
        edges = [size * rank // self.count for rank in (self.rank, self.rank + 1)]
        return range(*edges)

    def portion(self, costs):
        """Which of some works are this rank's, so that all have about the same to do: sorted list of indices.

        :param costs: of each work, such as the snippets of a recording.
        """
        totals, mine = [0] * self.count, []
        for index in sorted(range(len(costs)), key=lambda index: (-costs[index], index)):
            least = totals.index(min(totals))
            totals[least] += costs[index]
            if least == self.rank:
                mine.append(index)
        return sorted(mine)

    def losses_of(self, detector, losses):
        """``losses``, whose backward pass gives every rank the mean of all ranks' gradients.

        :param losses: function of ``detector``; every weight that requires a gradient gets one from it.
        :raises UserError: the detector normalizes over the batch, of which ranks see parts.
        """
        if self.count == 1:
            return losses
        mixing = [name for name, module in detector.named_modules() if "BatchNorm" in type(module).__name__]
        if mixing:
            raise UserError("the detector normalizes over the batch (%s), of which ranks see parts; train it with one "
                            "process" % mixing[0])
        device = next(detector.parameters()).device
        shared = nn.parallel.DistributedDataParallel(
            _Caller(detector), device_ids=None if device.type == "cpu" else [device.index])
        # A function, because PyTorch before 1.8 takes the records in a list of clips apart
        return lambda *batch: shared(lambda: losses(*batch))

    def add_up(self, parts):
        """Parts of a loss summed over all ranks: dict name -> scalar tensor, without gradients."""
        parts = {name: value.detach() for name, value in parts.items()}
        if self.count == 1:
            return parts
        summed = torch.stack([value.double() for value in parts.values()]).cpu()
        distributed.all_reduce(summed, group=self._control)
        return dict(zip(parts, summed.unbind(0)))

    def most(self, number):
        """The largest of the ranks' whole numbers."""
        if self.count == 1:
            return number
        found = torch.tensor([number])
        distributed.all_reduce(found, op=distributed.ReduceOp.MAX, group=self._control)
        return int(found)

    def first(self, work):
        """Let rank 0 do ``work()`` while the others wait; every rank gets its result, plain values for JSON."""
        if self.count == 1:
            return work()
        done = json.dumps(work()) if self.leads else ""
        return json.loads(self.texts(done)[0])

    def texts(self, text):
        """The ranks' short texts, in the order of ranks."""
        if self.count == 1:
            return [text]
        own = torch.from_numpy(np.frombuffer(text.encode("utf-8"), np.uint8).copy())
        size = torch.zeros(self.count, dtype=torch.int64)
        size[self.rank] = len(own)
        distributed.all_reduce(size, group=self._control)
        filled = torch.zeros(self.count, int(size.max()), dtype=torch.uint8)
        filled[self.rank, :len(own)] = own
        distributed.all_reduce(filled, group=self._control)
        return [filled[rank, :size[rank]].numpy().tobytes().decode("utf-8") for rank in range(self.count)]

    def places(self, device):
        """Machine and device of each rank, for manifests; none where there is one."""
        return [] if self.count == 1 else self.texts("%s %s" % (socket.gethostname(), device))

    def collect(self, arrays):
        """To rank 0 the arrays of every rank, one rank after the other: list of lists. The others get their own.

        :param arrays: list of NumPy arrays with equally many dimensions and the same types on every rank.
        """
        if self.count == 1:
            return [arrays]
        if not self.leads:
            for array in arrays:
                distributed.send(torch.tensor(array.shape), 0, group=self._control)
                distributed.send(torch.from_numpy(np.ascontiguousarray(array)), 0, group=self._control)
            return [arrays]
        found = [arrays]
        for rank in range(1, self.count):
            found.append([self._received(rank, like) for like in arrays])
        return found

    def _received(self, rank, like):
        shape = torch.zeros(like.ndim, dtype=torch.int64)
        distributed.recv(shape, rank, group=self._control)
        values = torch.from_numpy(np.zeros(tuple(shape.tolist()), like.dtype))
        distributed.recv(values, rank, group=self._control)
        return values.numpy()

    def check_same(self, digest):
        """Make sure that all ranks see the same.

        :param digest: text that follows from settings and data.
        :raises UserError: they do not.
        """
        found = self.texts(digest)
        other = [rank for rank, each in enumerate(found) if each != found[0]]
        if other:
            raise UserError("rank %d sees other settings or data than rank 0; give all ranks the same command, on the "
                            "same files" % other[0])

    @contextlib.contextmanager
    def watched(self):
        """Within it, what PyTorch says of a rank that has ended is a :class:`LostRankError`."""
        try:
            yield
        except RuntimeError as error:
            if self.count == 1 or not is_lost_rank(error):
                raise
            raise LostRankError("one of the %d ranks has ended, or its machine is gone" % self.count)


class _Caller(nn.Module):
    """Calls a function of the detector inside ``forward``, which is where DistributedDataParallel looks."""

    def __init__(self, detector):
        super(_Caller, self).__init__()
        self.detector = detector

    def forward(self, work):
        """``work()``"""
        return work()


ALONE = Ranks()
