"""``tad report`` as a user calls it."""

import os

import pytest

from tests.helpers import call
from tests.report.made import make_data, write_run


def test_one_run_gets_its_page_beside_its_pictures(tmp_path, rng, capsys):
    folder = write_run(tmp_path / "run", *make_data(rng))
    assert call(["report", folder]) == 0
    page = os.path.join(folder, "report", "index.html")
    assert capsys.readouterr().out.split() == ["page:", page] and os.path.getsize(page) > 20000


def test_several_runs_get_a_page_here_with_figures_and_tables(tmp_path, rng, monkeypatch, capsys):
    annotations, detections = make_data(rng)
    folders = [write_run(tmp_path / name, annotations, detections) for name in "ab"]
    monkeypatch.chdir(str(tmp_path))
    assert call(["report"] + folders + ["--figures", "f", "--tables", "t"]) == 0
    assert os.path.isfile("report.html") and os.path.isfile("f/ar-an.svg") and os.path.isfile("t/summary.tex")
    for line in capsys.readouterr().out.splitlines():
        assert os.path.isfile(line.split(None, 1)[1])


@pytest.mark.parametrize("arguments, words", [
    ([], "report --help"), (["nowhere"], "there is no run nowhere"),
    (["RUN", "--output", "."], "it is a folder"), (["RUN", "--figures", "RUN/config.yaml"], "cannot make the folder"),
    (["RUN", "--ground-truth", "no.json"], "cannot read the annotations no.json"),
    (["RUN", "--tiou", "2"], "must lie above 0"),
])
def test_mistakes_get_one_sentence_and_leave_no_page(tmp_path, rng, capsys, arguments, words):
    folder = write_run(tmp_path / "run", *make_data(rng))
    assert call(["report"] + [word.replace("RUN", folder) for word in arguments]) == 2
    written = capsys.readouterr().err
    assert words in written and written.count("\n") == 1
    assert not os.path.exists(os.path.join(folder, "report", "index.html"))
