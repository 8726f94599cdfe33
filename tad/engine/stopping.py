"""SIGTERM, by which clusters and containers end a process: finish the step, save, leave."""

import contextlib
import signal
import threading


class Terminated(BaseException):
    """The process was asked to end; like ``KeyboardInterrupt`` it is no error that a handler of errors may keep."""


@contextlib.contextmanager
def terminating():
    """Within it, SIGTERM raises :class:`Terminated`, so that temporary files are removed on the way out."""
    def leave(number, frame):
        raise Terminated()

    with _handling(leave):
        yield


@contextlib.contextmanager
def noticing():
    """Within it, SIGTERM is only noted; yields a function that tells whether it came."""
    came = []
    with _handling(lambda number, frame: came.append(number)):
        yield lambda: bool(came)


def leave_to_parent(worker):
    """For workers that load data: clusters send SIGTERM to them too, but their parent still needs them for the step."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextlib.contextmanager
def _handling(handler):
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
