"""Launches every kind of kernel on small and hostile problems, to be watched by compute-sanitizer:

    PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool memcheck python tests/ops/align1d_cuda/sanitize.py
    compute-sanitizer --tool racecheck python tests/ops/align1d_cuda/sanitize.py

Without the variable PyTorch's own cache would hide accesses outside a tensor.
"""

import torch

from tad.ops.align1d_backends import kernels_of

SHAPES = [(2, 33, 50, 16), (1, 64, 200, 32), (3, 5, 7, 3), (1, 130, 300, 48), (1, 4, 3000, 8), (2, 40, 1, 5)]
HOSTILE = [[float("nan"), 0, 5], [0, float("nan"), 5], [0, 0, float("inf")], [-1, 0, 5], [7, 0, 5], [0.5, 0, 5],
           [0, 1e30, -1e30], [0, -1e30, 1e30], [0, -1e17, 1e17], [0, 5, 5], [0, 9, 2], [0, -50, -40], [0, 1e6, 2e6]]


def main():
    kernels = kernels_of(0)
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        for batch, channels, snippets, bins in SHAPES:
            for ratio in (0, 3):
                rois = torch.rand(20, 3) * torch.tensor([batch, 1.5 * snippets, 1.5 * snippets]) - 0.25 * snippets
                rois[:, 0] = torch.randint(0, batch, (20,)).float()
                rois = torch.cat([rois, torch.tensor(HOSTILE)]).cuda(0)
                values = torch.randn(batch, channels, snippets).to(dtype).cuda(0)
                output = kernels.forward(values, rois, bins, ratio)
                kernels.backward(torch.ones_like(output), rois, tuple(values.shape), ratio)
                torch.cuda.synchronize()
    print("launched %d problems" % (4 * 2 * len(SHAPES)))


if __name__ == "__main__":
    main()
