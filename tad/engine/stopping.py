"""SIGTERM, by which clusters and containers end a process, and Ctrl-C: finish the step, save, leave."""

import contextlib
import signal
import threading


class Terminated(BaseException):
    """The process was asked to end; like ``KeyboardInterrupt`` it is no error that a handler of errors may keep."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, once the work is saved; the message says what is."""


ENDINGS = {signal.SIGTERM: Terminated, signal.SIGINT: Interrupted}


@contextlib.contextmanager
def terminating():
    """Within it, SIGTERM raises :class:`Terminated`, so that temporary files are removed on the way out."""
    def leave(number, frame):
        raise Terminated()

    with handling({signal.SIGTERM: leave}):
        yield


@contextlib.contextmanager
def noticing():
    """Within it, SIGTERM and the first Ctrl-C are only noted; a second Ctrl-C stops at once.

    Yields a function that gives the exception to raise once all is saved, :class:`Terminated` or :class:`Interrupted`,
    or None as long as nothing came.
    """
    came = []

    def note(number, frame):
        if number == signal.SIGINT and signal.SIGINT in came:
            raise KeyboardInterrupt()
        came.append(number)

    with handling(dict.fromkeys(ENDINGS, note)):
        yield lambda: ENDINGS[came[0]] if came else None


def leave_to_parent(worker):
    """For workers that load data: terminals and clusters signal them too, but their parent still needs them."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def handling(handlers):
    """Within it, signals are handled as a dict number -> function says; in the main thread, the only one that may."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
