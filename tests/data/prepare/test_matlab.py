"""MATLAB files: structs of text and numbers are read as scipy reads them, and nothing else of a file has any effect."""

import os
import struct
import zlib

import pytest

from tad.data.prepare.matlab import MOST_BYTES, read_struct
from tad.errors import UserError
from tests.bad_input import no_hang, survives
from tests.data.prepare.made import element, mat_file, matrix, numbers, struct_matrix, value, write_bytes
from tests.test_bombs import Peak

ROWS = [{"name": "caf\u00e9", "frames": 2067, "fps": 29.5, "more": ["a", ["b", "c"]], "none": "", "many": (1, 2.5)},
        {"name": "x", "frames": 1, "fps": 25, "more": [], "none": "", "many": ()}]
READ = [{"name": "caf\u00e9", "frames": 2067, "fps": 29.5, "more": ("a", ("b", "c")), "none": "", "many": (1, 2.5)},
        {"name": "x", "frames": 1, "fps": 25, "more": (), "none": "", "many": ()}]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [True, False])
def test_structs_come_back(tmp_path, order, packed):
    others = [matrix(6, [1, 1], numbers("d", [5.0], order), "first", order), struct_matrix(ROWS, "videos", order)]
    path = write_bytes(tmp_path / "a.mat", mat_file(others, order, packed))
    assert read_struct(path, "videos") == READ
    with pytest.raises(UserError, match="no variable 'clips'; it has 'first', 'videos'"):
        read_struct(path, "clips")
    with pytest.raises(UserError, match="'first', but it is no struct"):
        read_struct(path, "first")


def test_scipy_writes_what_is_read(tmp_path, rng):
    scipy_io = pytest.importorskip("scipy.io", reason="scipy writes the MATLAB file to compare with")
    import numpy as np
    frames, words = rng.randint(1, 10 ** 6, 5), ["w" * int(size) for size in rng.randint(1, 40, 5)]
    rows = np.zeros((1, 5), dtype=[("frames", object), ("word", object), ("list", object)])
    for index in range(5):
        rows[0, index] = (frames[index], words[index], np.array(words[:index], dtype=object))
    for compressed in (True, False):
        path = str(tmp_path / "a.mat")
        scipy_io.savemat(path, {"videos": rows}, do_compression=compressed)
        assert read_struct(path, "videos") == [
            {"frames": frames[index], "word": words[index], "list": tuple(words[:index])} for index in range(5)]


@pytest.mark.parametrize("name, count", [("test_info.mat", 1574), ("val_info.mat", 1010)])
def test_the_real_lists_are_as_scipy_reads_them(shared_data, name, count):
    scipy_io = pytest.importorskip("scipy.io", reason="scipy reads the real files to compare with")
    path = os.path.join(shared_data, "thumos14", name)
    found, known = read_struct(path, "videos"), scipy_io.loadmat(path)["videos"].ravel()
    assert len(found) == len(known) == count
    for mine, theirs in zip(found, known):
        assert mine["video_name"] == theirs["video_name"][0]
        assert mine["primary_action"] == theirs["primary_action"][0]
        for key in ("video_duration_seconds", "number_of_frames", "frame_rate_FPS"):
            assert mine[key] == theirs[key].item()
        assert len(mine["secondary_actions"]) == theirs["secondary_actions"].size


def nested(depth):
    inner = value(1)
    for _ in range(depth):
        inner = matrix(1, [1, 1], inner)
    return matrix(2, [1, 1], numbers("i", [8]) + element(1, b"a".ljust(8, b"\0")) + inner, "videos")


def with_class(kind):
    inner = matrix(kind, [1, 1], numbers("d", [0.0]))
    return matrix(2, [1, 1], numbers("i", [8]) + element(1, b"a".ljust(8, b"\0")) + inner, "videos")


ONE_FIELD = numbers("i", [8]) + element(1, b"a".ljust(8, b"\0"))


@pytest.mark.parametrize("variable, words", [
    (nested(5000), "nested deeper"), (with_class(3), "an object"), (with_class(16), "a function handle"),
    (with_class(17), "an opaque object"), (with_class(5), "a sparse matrix"), (with_class(99), "data of class 99"),
    (matrix(2, [2 ** 30, 2 ** 30], ONE_FIELD, "videos"), "declares"),
    (matrix(2, [2 ** 30, 1], numbers("i", [8]) + element(1, b""), "videos"), "without fields"),
    (matrix(2, [-1, 1], ONE_FIELD, "videos"), "size -1"),
    (matrix(2, [1, 1], numbers("i", [0]) + element(1, b"a"), "videos"), "spoiled names"),
    (matrix(2, [1, 1], ONE_FIELD + matrix(1, [2 ** 31 - 1, 1], b""), "videos"), "declares"),
    (matrix(2, [1, 1], ONE_FIELD + matrix(6, [3, 1], numbers("d", [1.0])), "videos"), "1 numbers where 3"),
    (matrix(2, [1, 1], ONE_FIELD + matrix(4, [2, 2], element(16, b"abcd")), "videos"), "several rows"),
    (matrix(2, [1, 1], ONE_FIELD + element(99, b""), "videos"), "type 99"),
    (element(14, b""), "no variable"), (element(3, b"123456"), "type 3"),
])
def test_what_is_no_struct_of_text_and_numbers_is_refused(tmp_path, variable, words):
    path = write_bytes(tmp_path / "a.mat", mat_file([variable]))
    with Peak(8), no_hang(10), pytest.raises(UserError) as told:
        read_struct(path, "videos")
    assert words in str(told.value) and "a.mat" in str(told.value) and "\n" not in str(told.value)


def packed_zeros(size):
    packer = zlib.compressobj()
    block = b"\0" * 2 ** 20
    return b"".join([packer.compress(block) for _ in range(size // 2 ** 20)] + [packer.flush()])


def test_a_file_that_unpacks_to_a_gigabyte(tmp_path):
    body = packed_zeros(2 ** 30)
    path = write_bytes(tmp_path / "a.mat", mat_file([]) + struct.pack("<II", 15, len(body)) + body)
    with Peak(2 * MOST_BYTES // 2 ** 20 + 16), pytest.raises(UserError, match="unpacks to more than 64 MiB"):
        read_struct(path, "videos")


@pytest.mark.parametrize("content, words", [
    (b"", "no MATLAB 5 file"), (b"\0" * 300, "no MATLAB 5 file"), (b"\x89HDF\r\n\x1a\n" + b"\0" * 300, "MATLAB 7.3"),
    (mat_file([])[:124] + b"\x00\x02IM", "MATLAB 7.3"), (mat_file([]), "no variable 'videos'; it has none"),
    (mat_file([struct_matrix(ROWS, "videos")])[:-9], "ends early"),
    (mat_file([]) + struct.pack("<II", 15, 4) + b"abcd", "incorrect header"),
])
def test_other_files(tmp_path, content, words):
    with pytest.raises(UserError, match=words):
        read_struct(write_bytes(tmp_path / "a.mat", content), "videos")


def test_missing_and_too_large_files(tmp_path):
    with pytest.raises(UserError, match="cannot read the MATLAB file .*absent.mat"):
        read_struct(str(tmp_path / "absent.mat"), "videos")
    path = str(tmp_path / "large.mat")
    with open(path, "wb") as stream:
        stream.truncate(MOST_BYTES + 1)
    with pytest.raises(UserError, match="larger than 64 MiB"):
        read_struct(path, "videos")


@pytest.mark.parametrize("packed", [True, False])
def test_random_damage(tmp_path, packed):
    hypothesis = pytest.importorskip("hypothesis", reason="fuzzing needs hypothesis: pip install hypothesis")
    from tests.test_fuzz import damaged, fuzz
    good = mat_file([struct_matrix(ROWS, "videos")], packed=packed)
    inner = struct_matrix(ROWS, "videos")

    @fuzz
    @hypothesis.given(hypothesis.strategies.one_of(
        damaged(good), damaged(inner).map(lambda body: mat_file([body], packed=packed))))
    def run(content):
        with Peak(8):
            survives(lambda path: read_struct(path, "videos"), write_bytes(tmp_path / "a.mat", content))

    run()
