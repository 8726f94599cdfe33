"""Batches of training clips, prepared here or by worker processes; a worker that dies costs time and nothing else."""

import multiprocessing
import os
import signal
import warnings

from torch.utils.data import DataLoader, Dataset

from tad.data.augment import random_clip
from tad.data.features import FeatureError
from tad.engine.stopping import handling, leave_to_parent
from tad.errors import DataWarning, UserError


class WorkerError(Exception):
    """A process that prepares clips has ended before its work."""


class Unreadable(object):
    """Stands for a clip whose features cannot be read any more; ``reason`` says why.

    A value and not an error, because workers turn errors into texts of many lines.
    """

    def __init__(self, reason):
        self.reason = reason


class TrainingClips(Dataset):
    """Clips of the steps from ``first_step`` on, batch after batch; of each batch the places in ``share``, a range."""

    def __init__(self, sources, read, settings, first_step, share=None):
        self.sources, self.read, self.settings = sources, read, settings
        self.snippets = {source.id: source.snippets for source in sources}
        self.first = first_step
        self.share = range(settings.train.batch) if share is None else share

    def __len__(self):
        return (self.settings.train.steps - self.first) * len(self.share)

    def __getitem__(self, index):
        settings = self.settings
        step, place = divmod(index, len(self.share))
        number = (self.first + step) * settings.train.batch + self.share[place]
        try:
            return random_clip(self.sources, self._unchanged, settings.augment, settings.dataset.mode,
                               settings.dataset.length, settings.seed, number)
        except FeatureError as error:
            return Unreadable(str(error))

    def _unchanged(self, name):
        try:
            features = self.read(name)
        except FeatureError as error:
            raise FeatureError("%s %s" % (name, error), error.kind)
        if len(features) != self.snippets[name]:
            raise FeatureError("%s had %d snippets when the training began, and now it has %d"
                               % (name, self.snippets[name], len(features)), "shape")
        return features


def batches(sources, read, settings, first_step, share=None):
    """Lists of clips for the steps from ``first_step`` to the last; of each batch the places in ``share``, if given.

    Clips follow from their number alone, so that after the death of a worker this process goes on by itself with the
    very clips that were to come.

    :raises UserError: features that were good when the training began cannot be read any more.
    """
    step, workers = first_step, settings.train.workers
    while step < settings.train.steps:
        clips = TrainingClips(sources, read, settings, step, share)
        try:
            for batch in _with_workers(clips, len(clips.share), workers):
                _check_read(batch, step)
                step += 1
                yield batch
        except WorkerError as error:
            warnings.warn("%s; the training goes on without workers, more slowly and with the same result. If memory "
                          "is short, lower train.workers or dataset.cache_mib" % error, DataWarning, stacklevel=2)
            workers = 0


def _check_read(batch, step):
    spoiled = [clip.reason for clip in batch if isinstance(clip, Unreadable)]
    if spoiled:
        raise UserError("the features of step %d cannot be read any more: %s; mend them and go on with --resume auto"
                        % (step, spoiled[0]))


def _with_workers(clips, size, count):
    """Batches through ``count`` worker processes.

    :raises WorkerError: one of them was killed.
    """
    before = set(multiprocessing.active_children())
    loaded = iter(DataLoader(clips, batch_size=size, shuffle=False, num_workers=count, collate_fn=list,
                             worker_init_fn=leave_to_parent))
    watch = _Watch([child for child in multiprocessing.active_children() if child not in before])
    # PyTorch's own handler raises wherever the training happens to be, in the middle of an update of the weights
    with handling({signal.SIGCHLD: watch.notice} if watch.workers else {}):
        while True:
            try:
                batch = watch.wait_for(loaded)
            except WorkerError:
                watch.end_all()
                raise
            if batch is None:
                return
            yield batch


class _Watch(object):
    """Raises :class:`WorkerError`, but only where the training waits for a batch."""

    def __init__(self, workers):
        self.workers = workers
        self.waiting = False

    def notice(self, number, frame):
        if self.waiting:
            self.check()

    def check(self):
        for worker in self.workers:
            if not worker.is_alive() and worker.exitcode:
                raise WorkerError("a process that prepares training data died (%s)" % _cause(worker.exitcode))

    def wait_for(self, loaded):
        """The next batch, or None after the last."""
        self.waiting = True
        try:
            self.check()
            return next(loaded, None)
        except RuntimeError:
            self.check()
            raise
        finally:
            self.waiting = False

    def end_all(self):
        """End the other workers, which may wait for a lock that the dead one has held; they write nothing."""
        for worker in self.workers:
            if worker.is_alive():
                os.kill(worker.pid, signal.SIGKILL)
        for worker in self.workers:
            worker.join()


def _cause(code):
    if code == -signal.SIGKILL:
        return "killed, as by a system that is short of memory"
    return "signal %d" % -code if code < 0 else "exit code %d" % code
