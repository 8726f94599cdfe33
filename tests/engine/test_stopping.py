"""Signals: the first is noted until the step is saved, a second Ctrl-C stops at once."""

import os
import signal
import threading

import pytest

from tad.engine.stopping import Interrupted, Terminated, noticing, terminating


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number, kind", [(signal.SIGTERM, Terminated), (signal.SIGINT, Interrupted)])
def test_a_signal_is_noted(number, kind):
    before = signal.getsignal(number)
    with noticing() as asked_to_end:
        assert asked_to_end() is None
        send(number)
        assert asked_to_end() is kind
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_stops_at_once():
    with noticing() as asked_to_end:
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
            signal.pause()
        assert asked_to_end() is Interrupted


def test_ctrl_c_after_sigterm_is_the_first_of_its_kind():
    with noticing() as asked_to_end:
        send(signal.SIGTERM)
        send(signal.SIGINT)
        assert asked_to_end() is Terminated


def test_outside_a_training_sigterm_leaves_at_once():
    with terminating():
        with pytest.raises(Terminated):
            send(signal.SIGTERM)
            signal.pause()


def test_other_threads_leave_signals_alone():
    found = []

    def work():
        with noticing() as asked_to_end:
            found.append(asked_to_end())

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [None] and signal.getsignal(signal.SIGTERM) is before
