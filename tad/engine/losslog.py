"""Losses for TensorBoard, written at once: a disk that fills up costs the log, and not the training; and read again."""

import contextlib
import os
import socket
import struct
import time
import warnings

from google.protobuf.message import DecodeError
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import scalar

from tad.errors import DataWarning
from tad.files import make_folder


class LossLog(object):
    """Writes losses into a folder; entries that an earlier process wrote for steps after ``step`` are taken back.

    tensorboardX's own ``SummaryWriter`` writes in a thread. A full disk ends the thread, and the training would then
    wait for it without end.

    :raises UserError: the folder cannot be made.
    """

    def __init__(self, folder, step):
        make_folder(folder)
        self._folder = folder
        self._records = None
        # The process and the step, because names that differ by the second alone would replace an older file
        name = "events.out.tfevents.%010d.%s.%d.%d" % (time.time(), socket.gethostname(), os.getpid(), step)
        self._attempt(lambda: self._open(os.path.join(folder, name)))
        self._write(Event(file_version="brain.Event:2"))
        if step:
            self._write(Event(step=step + 1, session_log=SessionLog(status=SessionLog.START)))

    def __call__(self, step, values):
        """Append the parts of a loss: dict name -> float."""
        parts = [scalar("loss/" + name, value).value[0] for name, value in values.items()]
        self._write(Event(step=step, summary=Summary(value=parts)))

    def close(self):
        """Close the file."""
        if self._records is not None:
            self._attempt(self._records.close)

    def _open(self, path):
        self._records = RecordWriter(path)

    def _write(self, event):
        if self._records is not None:
            event.wall_time = time.time()
            self._attempt(lambda: (self._records.write(event.SerializeToString()), self._records.flush()))

    def _attempt(self, work):
        try:
            work()
        except OSError as error:
            records, self._records = self._records, None
            warnings.warn("cannot write losses to %s: %s; the training goes on without a TensorBoard log"
                          % (self._folder, error.strerror), DataWarning, stacklevel=3)
            if records is not None:
                with contextlib.suppress(OSError):  # closing tries to write the rest again
                    records.close()


def read_losses(folder):
    """What :class:`LossLog` has written: dict step -> dict name -> float32 as float.

    Later files replace entries of earlier ones. A last entry that was cut off by a kill is left out.
    """
    found = {}
    names = os.listdir(folder) if os.path.isdir(folder) else []
    for name in sorted(names, key=lambda name: (os.path.getmtime(os.path.join(folder, name)), name)):
        if "tfevents" in name:
            with open(os.path.join(folder, name), "rb") as stream:
                for event in _events(stream.read()):
                    for value in event.summary.value:
                        found.setdefault(event.step, {})[value.tag.replace("loss/", "", 1)] = value.simple_value
    return found


def _events(content):
    """TensorFlow's record format: eight bytes of length, four of checksum, the event, four of checksum."""
    place = 0
    while place + 12 <= len(content):
        length, = struct.unpack_from("<Q", content, place)
        place += 12 + length + 4
        if place > len(content):
            return
        try:
            yield Event.FromString(content[place - 4 - length:place - 4])
        except DecodeError:
            return
