"""The CUDA kernels on a GPU: against the reference in float64, bit for bit from run to run, and in PyTorch's company.

Skipped without a GPU; test_kernels.py runs the same source on the CPU.
"""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from tad.ops import align1d_backends, align1d_ref
from tad.ops.align1d import Align1D, align1d
from tests.ops.test_align1d import random_rois, slow_align1d

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]

DTYPES = [torch.float64, torch.float32, torch.float16] + ([torch.bfloat16] if hasattr(torch, "bfloat16") else [])
SHAPES = [(3, 5, 1, 1), (2, 33, 2, 3), (3, 40, 7, 16), (2, 64, 50, 32), (1, 130, 200, 33), (2, 17, 333, 48),
          (2, 32, 1000, 32), (1, 6, 3000, 16), (1, 5, 9001, 8)]


@pytest.fixture(autouse=True)
def cuda_only(monkeypatch):
    """A test that silently fell back to the reference would prove nothing."""
    monkeypatch.setenv("TAD_ALIGN1D", "cuda")


def draw(shape, count, dtype):
    """Random values and rois on the GPU; the rois are exact in float32."""
    batch, channels, snippets, _ = shape
    rng = np.random.RandomState()
    rois = torch.from_numpy(random_rois(rng, batch, snippets, count).astype(np.float32))
    values = torch.from_numpy(rng.standard_normal((batch, channels, snippets))).to(dtype)
    return values.cuda(0), rois.cuda(0)


def relative(found, wanted):
    """L2 distance over L2 length."""
    found, wanted = found.detach().double().cpu(), wanted.double().cpu()
    return float((found - wanted).norm() / wanted.norm().clamp(min=1e-30))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ratio", [0, 1, 5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_equals_the_reference(shape, ratio, dtype):
    values, rois = draw(shape, 60, dtype)
    # A position in a sequence of 9001 snippets is known to 1e-12 of a snippet in float64
    limit = {torch.float64: 1e-12 * max(1.0, shape[2] / 1000.0), torch.float32: 2e-6, torch.float16: 4e-4}
    limit = limit.get(dtype, 3e-3)
    leaf = values.clone().requires_grad_()
    output = align1d(leaf, rois, shape[3], ratio)
    exact = align1d_ref.forward(values.double().cpu(), rois.double().cpu(), shape[3], ratio)
    assert output.dtype == dtype and relative(output, exact) < limit
    weights = torch.randn(output.shape, dtype=torch.float64).to(dtype)
    output.backward(weights.cuda(0))
    exact = align1d_ref.backward(weights.double(), rois.double().cpu(), tuple(values.shape), ratio)
    assert relative(leaf.grad, exact) < limit


def test_equals_the_contract():
    values, rois = draw((3, 5, 50, 0), 40, torch.float64)
    found = align1d(values, rois.double(), 12).cpu().numpy()
    wanted = slow_align1d(values.cpu().numpy(), rois.double().cpu().numpy(), 12, 0)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("ratio", [0, 2])
def test_gradcheck(ratio):
    values, rois = draw((2, 3, 9, 0), 8, torch.float64)
    assert torch.autograd.gradcheck(lambda tensor: align1d(tensor, rois, 4, ratio), (values.requires_grad_(),))


@pytest.mark.parametrize("snippets, limit", [(200, 1e-5), (1000, 5e-5)])
def test_float32_is_close_to_float64(snippets, limit):
    values, rois = draw((2, 64, snippets, 0), 500, torch.float32)
    exact = align1d_ref.forward(values.double().cpu(), rois.double().cpu(), 32, 0)
    assert relative(align1d(values, rois, 32), exact) < limit


def test_many_rois_in_any_order():
    values, rois = draw((4, 8, 100, 0), 100000, torch.float32)
    found = align1d(values, rois, 16)
    order = torch.randperm(len(rois), device=rois.device)
    assert torch.equal(found[order], align1d(values, rois[order], 16))
    some = order[:300]
    assert relative(found[some], align1d_ref.forward(values.double().cpu(), rois[some].double().cpu(), 16, 0)) < 1e-6


def test_backward_is_bitwise_the_same_twenty_times():
    values, rois = draw((4, 64, 256, 0), 4000, torch.float32)
    weights = torch.randn(4000, 64, 32, device=values.device)
    first = None
    for _ in range(20):
        leaf = values.clone().requires_grad_()
        align1d(leaf, rois, 32).backward(weights)
        first = leaf.grad if first is None else first
        assert torch.equal(first, leaf.grad)


def test_an_idle_gpu_refuses_bad_rois_before_the_launch():
    values = torch.randn(2, 3, 9, device="cuda:0")
    for row, message in (([2.0, 0, 1], "batch index 2"), ([0, float("nan"), 1], "not finite"),
                         ([0, 0, float("inf")], "not finite"), ([-1.0, 0, 1], "batch index -1")):
        rois = torch.tensor([[0.0, 0, 1], row], device="cuda:0")
        torch.cuda.synchronize()
        with pytest.raises(ValueError, match=message):
            align1d(values, rois, 4)


def test_a_busy_gpu_is_not_waited_for_and_tells_later():
    values = torch.randn(2, 3, 9, device="cuda:0").requires_grad_()
    rois = torch.tensor([[0.0, 0, 4], [5.0, 0, 4]], device="cuda:0")
    align1d(values, rois[:1], 4)
    torch.cuda.synchronize()
    torch.cuda._sleep(200000000)
    output = align1d(values, rois, 4)
    assert not torch.cuda.current_stream().query(), "the call waited for the GPU"
    torch.cuda.synchronize()
    assert torch.isnan(output[1]).all() and torch.isfinite(output[0]).all()
    with pytest.raises(ValueError, match="roi 1 of an earlier call"):
        align1d(values, rois[:1], 4)
    assert torch.isfinite(align1d(values, rois[:1], 4)).all()


def test_a_change_in_place_is_looked_at_again():
    values = torch.randn(2, 3, 9, device="cuda:0")
    rois = torch.tensor([[0.0, 0, 4]], device="cuda:0")
    align1d(values, rois, 4)
    rois[0, 0] = 7
    torch.cuda.synchronize()
    with pytest.raises(ValueError, match="batch index 7"):
        align1d(values, rois, 4)


def test_no_rois_and_no_channels():
    values = torch.randn(2, 3, 9, device="cuda:0").requires_grad_()
    output = align1d(values, torch.zeros(0, 3, device="cuda:0"), 4)
    assert output.shape == (0, 3, 4)
    output.sum().backward()
    assert not values.grad.any()
    assert align1d(values[:, :0], torch.zeros(1, 3, device="cuda:0"), 4).shape == (1, 0, 4)


def test_strided_input_and_gradient():
    values, rois = draw((2, 8, 30, 0), 20, torch.float32)
    turned = values.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    output = align1d(turned, rois, 8)
    assert torch.equal(output, align1d(values, rois, 8))
    output.sum().backward()  # an expanded gradient, stride 0
    wanted = align1d_ref.backward(torch.ones(output.shape), rois.cpu(), tuple(values.shape), 0)
    assert relative(turned.grad, wanted) < 1e-6


def test_a_view_that_begins_between_two_vectors():
    values, rois = draw((2, 8, 32, 0), 20, torch.float32)
    storage = torch.empty(values.numel() + 1, device=values.device)
    odd = storage[1:].view_as(values).copy_(values)
    assert odd.data_ptr() % 16 != 0 and torch.equal(align1d(odd, rois, 8), align1d(values, rois, 8))


def test_streams_and_threads():
    values, rois = draw((4, 64, 256, 0), 2000, torch.float32)
    wanted = align1d(values, rois, 32)
    torch.cuda.synchronize()
    wrong = []

    def work():
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(10):
                if not torch.equal(align1d(values, rois, 32), wanted):
                    wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_second_gpu():
    values, rois = draw((2, 8, 30, 0), 20, torch.float32)
    assert torch.equal(align1d(values.cuda(1), rois.cuda(1), 8).cpu(), align1d(values, rois, 8).cpu())


@pytest.mark.skipif(not hasattr(torch.cuda, "CUDAGraph"), reason="needs a PyTorch with CUDA graphs")
def test_cuda_graph():
    values, rois = draw((2, 16, 60, 0), 50, torch.float32)
    values.requires_grad_()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.autograd.grad(align1d(values, rois, 8).sum(), values)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = align1d(values, rois, 8)
        gradient, = torch.autograd.grad(output.sum(), values)
    with torch.no_grad():
        values.copy_(torch.randn_like(values))
    graph.replay()
    fresh = values.detach().clone().requires_grad_()
    again = align1d(fresh, rois, 8)
    assert torch.equal(output, again)
    assert torch.equal(gradient, torch.autograd.grad(again.sum(), fresh)[0])


@pytest.mark.skipif(not hasattr(torch, "autocast"), reason="needs torch.autocast")
def test_autocast():
    values, rois = draw((2, 16, 60, 0), 50, torch.float32)
    layer = torch.nn.Conv1d(16, 16, 1).cuda(0)
    with torch.autocast("cuda", dtype=torch.float16):
        output = align1d(layer(values), rois, 8)
    assert output.dtype == torch.float16
    output.float().sum().backward()
    assert torch.isfinite(layer.weight.grad).all()


def test_module_and_training_repeat_bit_for_bit():
    def train():
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(64 * 16, 8)).cuda(0)
        align, values = Align1D(16), torch.randn(2, 64, 100, device="cuda:0").requires_grad_()
        rois = torch.rand(200, 3, device="cuda:0") * torch.tensor([1.99, 100, 100], device="cuda:0")
        rois[:, 0].floor_()
        optimizer = torch.optim.SGD(list(net.parameters()) + [values], lr=0.1)
        for _ in range(20):
            optimizer.zero_grad()
            net(align(values, rois).flatten(1)).pow(2).mean().backward()
            optimizer.step()
        return values.detach().clone()

    assert torch.equal(train(), train())


@pytest.mark.slow
def test_sixteen_processes_with_an_empty_cache(tmp_path):
    code = ("import torch; from tad.ops.align1d import align1d; x = torch.ones(1, 2, 9, device='cuda:0');"
            "r = torch.tensor([[0., 1, 5]], device='cuda:0'); assert align1d(x, r, 4).sum().item() == 8")
    environment = dict(os.environ, TAD_CACHE_DIR=str(tmp_path), TAD_ALIGN1D="cuda")
    running = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(16)]
    assert [process.wait() for process in running] == [0] * 16
    assert len(list((tmp_path / "align1d").iterdir())) == 1


def test_falls_back_with_one_warning(monkeypatch):
    monkeypatch.setenv("TAD_ALIGN1D", "auto")

    def broken(index, scalar):
        raise align1d_backends.nvrtc.NvrtcError("no compiler today.")

    monkeypatch.setattr(align1d_backends, "open_kernels", broken)
    align1d_backends.choose.cache_clear()
    values, rois = draw((2, 4, 30, 0), 20, torch.float32)
    try:
        with pytest.warns(align1d_backends.Align1DWarning, match="no compiler today") as caught:
            first, second = align1d(values, rois, 4), align1d(values, rois, 4)
        assert len(caught) == 1 and torch.equal(first, second)
        monkeypatch.setenv("TAD_ALIGN1D", "cuda")
        with pytest.raises(align1d_backends.Align1DUnavailableError, match="no compiler today"):
            align1d(values, rois, 4)
    finally:
        align1d_backends.choose.cache_clear()
