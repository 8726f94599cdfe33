"""Losses on disk: read as written, damaged ends left out, and a full disk costs the log and nothing else."""

import os
import struct

import numpy as np
import pytest

from tad.engine.losslog import LossLog, read_losses
from tad.errors import DataWarning, UserError


def write(folder, step, entries):
    log = LossLog(str(folder), step)
    for at_step, values in entries:
        log(at_step, values)
    log.close()


def test_round_trip(tmp_path, rng):
    wanted = {step: {"total": float(np.float32(rng.uniform())), "a/b": float(np.float32(rng.uniform()))}
              for step in (1, 5, 10 ** 6)}
    write(tmp_path, 0, wanted.items())
    assert read_losses(str(tmp_path)) == wanted


def test_a_later_process_goes_on_and_replaces(tmp_path):
    write(tmp_path, 0, [(1, {"total": 1.0}), (2, {"total": 2.0}), (3, {"total": 3.0})])
    write(tmp_path, 2, [(3, {"total": 4.0}), (4, {"total": 5.0})])
    assert len(os.listdir(str(tmp_path))) == 2, "the first file was replaced"
    assert read_losses(str(tmp_path)) == {1: {"total": 1.0}, 2: {"total": 2.0}, 3: {"total": 4.0}, 4: {"total": 5.0}}


def test_a_cut_or_spoiled_file_gives_what_comes_before(tmp_path):
    write(tmp_path, 0, [(1, {"total": 1.0}), (2, {"total": 2.0})])
    path = os.path.join(str(tmp_path), os.listdir(str(tmp_path))[0])
    with open(path, "rb") as stream:
        content = stream.read()
    for length in range(len(content)):
        with open(path, "wb") as stream:
            stream.write(content[:length])
        assert set(read_losses(str(tmp_path))) <= {1}
    for tail in (struct.pack("<Q", 2 ** 62) + b"\0" * 40, struct.pack("<Q", 4) + b"\0" * 4 + b"\xff" * 8):
        with open(path, "wb") as stream:
            stream.write(content + tail)
        assert set(read_losses(str(tmp_path))) == {1, 2}
    assert read_losses(str(tmp_path / "absent")) == {}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full is Linux's")
def test_a_full_disk_is_a_warning_and_no_hang(tmp_path, monkeypatch):
    import tensorboardX.record_writer as record_writer
    monkeypatch.setattr(record_writer.RecordWriter, "__init__", opened_on_full)
    with pytest.warns(DataWarning, match="cannot write losses .*No space left on device") as told:
        log = LossLog(str(tmp_path), 0)
        for step in range(100):
            log(step, {"total": 1.0})
        log.close()
    assert len(told) == 1


def opened_on_full(writer, path):
    writer.path, writer._writer = path, open("/dev/full", "wb")


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the folder"):
        LossLog(str(tmp_path / "file" / "x"), 0)
