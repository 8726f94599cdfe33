"""``tad`` in processes that can be killed, and start in a moment because PyTorch is loaded once for all of them."""

import multiprocessing
import os
import sys
import tempfile
import time

from tests.helpers import call

PATIENCE_S = 300
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tests.processes", "tests.preloaded"])


class Running(object):
    """``tad`` with some arguments in a process of its own; its error output goes to the file ``log``.

    :param before: function of this module's users that runs in the process first, for example to set a limit.
    """

    def __init__(self, arguments, folder, before=None):
        handle, self.log = tempfile.mkstemp(prefix="tad-test-log-")
        os.close(handle)
        words = [str(word) for word in arguments]
        self.process = SERVER.Process(target=_run, args=(words, str(folder), self.log, before))
        self.process.start()
        self.pid = self.process.pid

    @property
    def ended(self):
        return self.process.exitcode is not None

    def send(self, number):
        """Send a signal to the process and those that it started, as a terminal or a cluster does."""
        if not self.ended:
            os.killpg(self.pid, number)

    def finish(self):
        """Exit code (negative: the signal that ended it) and error output."""
        self.process.join(PATIENCE_S)
        assert self.ended, "still running after %d s" % PATIENCE_S
        with open(self.log) as stream:
            text = stream.read()
        os.unlink(self.log)
        return self.process.exitcode, text

    def wait_until(self, ready):
        """Look again and again until ``ready()`` is true; false if the process has ended before."""
        until = time.monotonic() + PATIENCE_S
        while not ready():
            if self.ended:
                return False
            assert time.monotonic() < until, "nothing in %d s" % PATIENCE_S
            time.sleep(0.001)
        return True

    def children(self):
        """Ids of the processes that it started (Linux)."""
        with open("/proc/%d/task/%d/children" % (self.pid, self.pid)) as stream:
            return [int(word) for word in stream.read().split()]


def _run(arguments, folder, log, before):
    os.setpgid(0, 0)
    multiprocessing.set_start_method(None, force=True)  # as in a process that was started from a shell
    os.chdir(folder)
    sys.stdout = open(os.devnull, "w")
    sys.stderr = open(log, "w", buffering=1)
    if before is not None:
        before()
    code = call(arguments)
    sys.stderr.flush()
    if code and sys.version_info >= (3, 7):  # the server of 3.6 would not learn the code
        os._exit(code)  # as tad.cli.command does
    sys.exit(code)
