"""Checkpoints: exact, never executed, and safe to lose one of."""

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from tad.engine import checkpoint
from tad.engine.checkpoint import Checkpoint, find_checkpoint, newest_readable, read_checkpoint, write_checkpoint
from tad.errors import UserError

META = {"step": 3, "settings": {}, "classes": ["x"], "width": 4, "mean": [0.1], "deviation": [1 / 3.0]}


def make(rng):
    return Checkpoint({"model/a.weight": torch.from_numpy(rng.standard_normal((3, 4)).astype(np.float32)),
                       "averaged/a.weight": torch.from_numpy(rng.standard_normal(5)),
                       "model/empty": torch.zeros(0), "model/scalar": torch.tensor(7)}, META)


def test_round_trip_is_exact(tmp_path, rng):
    written = make(rng)
    path = str(tmp_path / "c.npz")
    write_checkpoint(path, written)
    found = read_checkpoint(path)
    assert set(found.tensors) == set(written.tensors)
    for name, tensor in written.tensors.items():
        assert torch.equal(found.tensors[name], tensor) and found.tensors[name].dtype == tensor.dtype
    assert {key: found.meta[key] for key in META} == META
    assert set(found.group("model")) == {"a.weight", "empty", "scalar"}
    assert os.listdir(str(tmp_path)) == ["c.npz"]


def test_every_truncation_is_told_and_none_is_read(tmp_path, rng):
    path = str(tmp_path / "c.npz")
    write_checkpoint(path, make(rng))
    with open(path, "rb") as stream:
        content = stream.read()
    for length in sorted(set(rng.randint(0, len(content) - 1, 40).tolist()) | {0, 1, 4, len(content) - 1}):
        with open(path, "wb") as stream:
            stream.write(content[:length])
        with pytest.raises(UserError, match="c.npz is damaged"):
            read_checkpoint(path)


def test_flipped_bytes_give_an_error_or_the_same_tensors(tmp_path, rng):
    """The archive's checksums catch damage to the tensors; nothing but a UserError may come out."""
    path = str(tmp_path / "c.npz")
    written = make(rng)
    write_checkpoint(path, written)
    with open(path, "rb") as stream:
        content = bytearray(stream.read())
    for place in rng.randint(0, len(content), 150):
        spoiled = bytearray(content)
        spoiled[place] ^= 1 << rng.randint(8)
        with open(path, "wb") as stream:
            stream.write(bytes(spoiled))
        try:
            found = read_checkpoint(path)
        except UserError:
            continue
        for name in set(found.tensors) & set(written.tensors):
            assert torch.equal(found.tensors[name], written.tensors[name])


class Evil(object):
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def pickled_file(trap):
    return pickle.dumps(Evil(trap))


def torch_file(trap):
    stream = io.BytesIO()
    torch.save({"meta": Evil(trap)}, stream)
    return stream.getvalue()


def archive_of_objects(trap):
    stream = io.BytesIO()
    text = json.dumps(dict(META, format=checkpoint.FORMAT)).encode("utf-8")
    np.savez(stream, meta=np.frombuffer(text, np.uint8), **{"model/a": np.array([Evil(trap)], dtype=object)})
    return stream.getvalue()


def archive_of_pickles(trap):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("meta.npy", pickle.dumps(Evil(trap)))
    return stream.getvalue()


def meta_of_objects(trap):
    stream = io.BytesIO()
    np.savez(stream, meta=np.array([Evil(trap)], dtype=object))
    return stream.getvalue()


@pytest.mark.parametrize("make_file", [pickled_file, torch_file, archive_of_objects, archive_of_pickles,
                                       meta_of_objects])
def test_a_checkpoint_from_a_stranger_cannot_run_code(tmp_path, make_file):
    trap = str(tmp_path / "trap")
    path = tmp_path / "step_0000001.npz"
    path.write_bytes(make_file(trap))
    with pytest.raises(UserError, match="damaged or not a checkpoint"):
        read_checkpoint(str(path))
    assert not os.path.exists(trap)
    pickle.loads(pickle.dumps(Evil(trap)))
    assert os.path.exists(trap), "the trap itself must work, or the test shows nothing"


@pytest.mark.parametrize("meta", [{}, {"format": "other"}, {"format": checkpoint.FORMAT}, [1], "text"])
def test_other_archives_are_not_checkpoints(tmp_path, meta):
    path = str(tmp_path / "c.npz")
    np.savez(path, meta=np.frombuffer(json.dumps(meta).encode("utf-8"), np.uint8))
    with pytest.raises(UserError, match="c.npz is not a checkpoint"):
        read_checkpoint(path)
    np.savez(path, x=np.zeros(3))
    with pytest.raises(UserError, match="c.npz is damaged or not a checkpoint"):
        read_checkpoint(path)
    np.save(str(tmp_path / "plain.npy"), np.zeros(3))
    with pytest.raises(UserError, match="plain.npy"):
        read_checkpoint(str(tmp_path / "plain.npy"))
    with pytest.raises(UserError, match="cannot read the checkpoint .*absent.npz"):
        read_checkpoint(str(tmp_path / "absent.npz"))


def test_the_newest_two_are_kept(tmp_path, rng):
    folder = str(tmp_path)
    for step in (5, 10, 100, 99):
        write_checkpoint(checkpoint.step_path(folder, step), make(rng))
    (tmp_path / "notes.txt").write_text("mine")
    checkpoint.prune(folder)
    assert checkpoint.saved_steps(folder) == [100, 99]
    assert (tmp_path / "notes.txt").exists()
    assert checkpoint.saved_steps(str(tmp_path / "absent")) == []


def test_a_damaged_newest_one_is_set_aside(tmp_path, rng):
    folder = str(tmp_path)
    for step in (10, 20, 30):
        write_checkpoint(checkpoint.step_path(folder, step), make(rng)._replace(meta=dict(META, step=step)))
    for step in (20, 30):
        with open(checkpoint.step_path(folder, step), "r+b") as stream:
            stream.truncate(100)
    told = []
    assert newest_readable(folder, told.append).meta["step"] == 10
    assert len(told) == 2 and all("is damaged" in one and "set aside" in one for one in told)
    assert checkpoint.saved_steps(folder) == [10]
    assert os.path.exists(checkpoint.step_path(folder, 30) + ".damaged")
    assert newest_readable(folder, told.append).meta["step"] == 10 and len(told) == 2
    os.unlink(checkpoint.step_path(folder, 10))
    assert newest_readable(folder, told.append) is None


def test_leftovers_of_a_kill_are_removed_and_nothing_else(tmp_path, rng):
    folder = str(tmp_path)
    write_checkpoint(checkpoint.step_path(folder, 10), make(rng))
    (tmp_path / ".step_0000020.npz.x7d8_k").write_text("half")
    (tmp_path / ".other").write_text("mine")
    checkpoint.clear_leftovers(folder)
    assert sorted(os.listdir(folder)) == [".other", "step_0000010.npz"]


def test_find_checkpoint(tmp_path, rng):
    folder = tmp_path / "run" / "checkpoints"
    for step in (10, 20):
        write_checkpoint(checkpoint.step_path(str(folder), step), make(rng))
    newest = checkpoint.step_path(str(folder), 20)
    assert find_checkpoint(str(tmp_path / "run")) == newest == find_checkpoint(newest)
    with pytest.raises(UserError, match="holds no checkpoint"):
        find_checkpoint(str(tmp_path))
    with pytest.raises(UserError, match="there is no run folder or checkpoint"):
        find_checkpoint(str(tmp_path / "absent"))
