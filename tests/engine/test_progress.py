"""Plain lines of long work: when, how many, and what they say."""

import pytest

from tad.engine.progress import LINES, LogLines, spell


class Clock(object):
    """Seconds that the test sets."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def work(seconds_a_step, total, first=0, quiet=False):
    """Do the steps; the times at which a line could have been printed."""
    clock = Clock()
    lines = LogLines("train", "step", first, total, quiet, clock)
    for step in range(first + 1, total + 1):
        clock.now += seconds_a_step
        if lines.due(step):
            lines.say(step, ", loss 0.500")


def test_a_line_says_how_far_it_is_and_how_long_it_takes(capsys):
    work(1.0, 400)
    output = capsys.readouterr()
    assert output.out == "" and output.err.splitlines()[:2] == [
        "tad: train: step 30 of 400, loss 0.500, about 6 min left",
        "tad: train: step 60 of 400, loss 0.500, about 6 min left"]
    assert len(output.err.splitlines()) == 13


def test_a_resumed_training_reckons_with_its_own_steps(capsys):
    work(30.0, 1000, first=900)
    assert capsys.readouterr().err.splitlines()[0] == "tad: train: step 901 of 1000, loss 0.500, about 50 min left"


@pytest.mark.parametrize("seconds_a_step, total", [(0.25, 100), (29.0, 1), (1e4, 1)])
def test_short_work_says_nothing(capsys, seconds_a_step, total):
    work(seconds_a_step, total)
    assert capsys.readouterr().err == ""


def test_long_work_does_not_fill_the_log(capsys):
    work(2.0, 50000)
    lines = capsys.readouterr().err.splitlines()
    assert LINES - 5 <= len(lines) <= LINES + 5 and lines[0].startswith("tad: train: step 15 of 50000, ")


def test_a_terminal_has_a_bar_instead(capsys, monkeypatch):
    work(1.0, 400, quiet=True)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert LogLines("train", "step", 0, 5).quiet


@pytest.mark.parametrize("seconds, words", [
    (0.2, "0 s"), (89, "89 s"), (91, "2 min"), (3569, "59 min"), (3571, "1 h 00 min"), (7500, "2 h 05 min"),
    (400000, "111 h 07 min")])
def test_spelling(seconds, words):
    assert spell(seconds) == words
