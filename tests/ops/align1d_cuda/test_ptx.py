"""PTX that every NVRTC of the compile matrix made, loaded and run on this GPU.

    python benchmarks/compile_matrix.py --ptx-out build/ptx      # on any machine
    TAD_PTX=build/ptx python -m pytest tests/ops/align1d_cuda/test_ptx.py
"""

import os

import pytest
import torch

from tad.ops import align1d_backends, align1d_ref
from tad.ops.align1d_cuda import driver, launch

SIZE = {"forward": 2, "backward": 32}  # benchmarks/compile_matrix.py
FOLDER = os.environ.get("TAD_PTX", "")
FILES = sorted(name for name in (os.listdir(FOLDER) if os.path.isdir(FOLDER) else []) if name.endswith(".ptx"))

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
              pytest.mark.skipif(not FILES, reason="set TAD_PTX to a folder made by compile_matrix.py --ptx-out")]


class FromPtx(launch.Kernels):
    """Kernels that come from one PTX file, compiled for one size."""

    def __init__(self, path):
        super(FromPtx, self).__init__(0)
        with open(path, "rb") as stream:
            self.loaded = self.device.load(stream.read())

    def module(self, kernel, scalar, size=1):
        assert size == SIZE[kernel], "another size than the matrix compiles"
        return self.loaded


@pytest.mark.parametrize("name", FILES)
def test_runs_and_is_right(name):
    major, minor = name[len("nvrtc"):].split("-")[0].split(".")
    if 1000 * int(major) + 10 * int(minor) > driver.version():
        pytest.skip("from an NVRTC newer than the driver, which reads PTX up to CUDA %s" % (driver.version() / 1000.0))
    kernels = FromPtx(os.path.join(FOLDER, name))
    if int(name.split("compute_")[1].split("-")[0]) > kernels.device.capability:
        pytest.skip("for a GPU newer than sm_%d" % kernels.device.capability)
    channels = 2 * SIZE["backward"]  # so that the backward kernel takes that size
    values, gradient = torch.randn(2, channels, 100), torch.randn(5, channels, 16)
    rois = torch.tensor([[0.0, 3, 70], [1, -4, 30], [1, 20, 20], [0, 50, 130], [1, 0, 99]]) + torch.rand(5, 1) * 0.2
    rois[:, 0].floor_()
    if "forward" in name:
        found = kernels.forward(values.cuda(0), rois.cuda(0), 16, 0)
        exact = align1d_ref.forward(values.double(), rois.double(), 16, 0)
    else:
        found = kernels.backward(gradient.cuda(0), rois.cuda(0), tuple(values.shape), 0)
        exact = align1d_ref.backward(gradient.double(), rois.double(), tuple(values.shape), 0)
    assert float((found.double().cpu() - exact).norm() / exact.norm()) < 1e-6


def test_the_active_backend_is_cuda():
    assert align1d_backends.active_backend("cuda:0")[0] == "cuda"
