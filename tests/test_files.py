"""Files are replaced whole or not at all."""

import os
import stat

import pytest

from tad.errors import UserError
from tad.files import atomic_write, check_writable, make_folder, write_json


def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        with atomic_write(str(path)) as stream:
            stream.write("half of the new")
            stream.flush()
            assert path.read_text() == "old"
            raise ZeroDivisionError
    assert path.read_text() == "old"
    assert os.listdir(str(tmp_path)) == ["file.txt"]


def test_a_written_file_is_complete_and_readable_by_others(tmp_path):
    path = str(tmp_path / "deep" / "er" / "file.txt")
    with atomic_write(path) as stream:
        stream.write("caf\u00e9")
    with open(path, "rb") as stream:
        assert stream.read() == "caf\u00e9".encode("utf-8")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o666 & ~mask


def test_json_refuses_nan(tmp_path):
    path = str(tmp_path / "x.json")
    with pytest.raises(ValueError):
        write_json(path, {"mAP": float("nan")})
    assert os.listdir(str(tmp_path)) == []


def test_a_file_in_the_way_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    inside = str(tmp_path / "file" / "run")
    for attempt in (make_folder, check_writable):
        with pytest.raises(UserError, match="file"):
            attempt(os.path.join(inside, "x"))
    with pytest.raises(UserError, match="it is a folder"):
        check_writable(str(tmp_path))
    with pytest.raises(UserError, match="cannot write"):
        with atomic_write(str(tmp_path)) as stream:
            stream.write("a folder has this name")
    check_writable(str(tmp_path / "new" / "file.json"))
    assert not os.path.exists(str(tmp_path / "new" / "file.json"))
