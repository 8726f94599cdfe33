"""What the compile matrix tries, and that a failure shows in its table, its list and its exit code."""

import json
import os
import sys

import pytest

from tad.ops.align1d_cuda import launch, nvrtc, program
from tests.ops.align1d_cuda import test_ptx

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "benchmarks"))
import compile_matrix  # noqa: E402


def test_what_is_loaded_on_a_gpu_is_what_is_kept():
    """Skipped without a GPU, that test would not be seen to ask for other files."""
    assert test_ptx.SIZE == compile_matrix.SIZE
    machine = launch.Machine(132, 232448, 233472)  # an H100
    shape = launch.Shape(2, 2 * test_ptx.SIZE["backward"], 100, 5, 16, 4)
    assert launch.forward_layout(shape, machine).size == test_ptx.SIZE["forward"]
    assert launch.backward_layout(shape, machine).size == test_ptx.SIZE["backward"]


def result(target, **changes):
    return dict({"target": target, "kernel": "forward", "scalar": "float32", "size": 2, "ok": True, "log": "",
                 "seconds": 0.5, "bytes": 2000}, **changes)


def test_the_plan():
    planned = list(compile_matrix.plan([50, 70, 90]))
    assert len(set(planned)) == len(planned)
    for kernel in program.KERNELS:
        size = compile_matrix.SIZE[kernel]
        assert {row[0] for row in planned if row[1:] == (kernel, "float32", size)} == {50, 70, 90}
        for number in (50, 90):
            assert {row[2] for row in planned if row[:2] == (number, kernel)} == set(program.SCALARS)
        assert {row[3] for row in planned if row[:3] == (90, kernel, "float32")} == set(program.SIZES[kernel])


def test_a_failure_shows():
    rows = [{"version": "9.0", "wheel": "torch==1.1.0", "results": [
        result("compute_50", assembled=True), result("compute_70"), result("compute_70", ok=False, log="ptxas: no")]},
        {"version": "13.0", "wheel": "nvidia-cuda-nvrtc==13.0.88", "results": [result("compute_70"), result("sm_70")]},
        {"version": "?", "wheel": "lost==1", "results": [], "error": "exit code 1"}]
    lines = compile_matrix.table(rows).split("\n")
    assert lines[0].startswith("| NVRTC | from | 50 | 70 | seconds |")
    assert "| PA | **failed** |" in lines[2] and "|  | PC |" in lines[3]
    assert compile_matrix.problems(rows[0]) == ["torch==1.1.0, compute_70, forward, float32, size 2: ptxas: no"]
    assert compile_matrix.problems(rows[2]) == ["lost==1: exit code 1"]
    assert compile_matrix.count(rows) == (4, 5)
    assert "4 of 5 images" in compile_matrix.document(rows)


def test_a_worker_compiles_and_keeps_the_ptx(tmp_path, monkeypatch, capsys):
    nvrtc.load.cache_clear()
    try:
        library = nvrtc.load()
    except nvrtc.NvrtcError:
        pytest.skip("no NVRTC on this machine; pip install nvidia-cuda-nvrtc")
    task = "backward", "float32", compile_matrix.SIZE["backward"]
    monkeypatch.setattr(compile_matrix, "plan", lambda numbers: [(numbers[-1],) + task])
    monkeypatch.setattr(compile_matrix, "assemble", lambda ptxas, image, number: {"assembled": True})
    monkeypatch.setattr(sys, "argv", ["compile_matrix.py", "--worker", library.path, "--ptx-out", str(tmp_path)])
    compile_matrix.main()
    row = json.loads(capsys.readouterr().out)
    assert row["version"] == "%d.%d" % library.version and all(each["ok"] for each in row["results"])
    name, = [each["file"] for each in row["results"] if "file" in each]
    assert "align1d_backward" in (tmp_path / name).read_text()
