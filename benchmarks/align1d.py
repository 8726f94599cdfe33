"""Align1D: time of forward and backward against what the memory allows, and against a gather implementation.

    python benchmarks/align1d.py                  # on a GPU: workloads A, B, C
    python benchmarks/align1d.py --device cpu     # the PyTorch reference, workloads scaled down

Floors are measured in the same run. Forward: the time of a fill of the output's size. Backward: the time of a read (a
sum) of the incoming gradient's size. Times are medians over repetitions that rotate among several sets of fresh random
data; on a GPU between CUDA events, with the queue kept full so that the host is not measured.
"""

import argparse
import os
import statistics
import tempfile
import time

import torch

from tad.files import write_json
from tad.ops.align1d import align1d
from tad.ops.align1d_backends import active_backend
from tad.ops.align1d_cuda.launch import Kernels
from tad.report.manifest import machine, versions

WORKLOADS = {  # batch, channels, snippets, rois in a batch entry, bins
    "A dense boundary map": (4, 128, 256, 8192, 32),
    "B sampled proposals": (16, 512, 100, 500, 16),
    "C long windows": (2, 256, 1000, 7875, 32),
}
PUBLIC_H100_MS = {"A": (1.63, 9.22), "B": (0.72, 2.90), "C": (3.91, 49.1)}  # the best public kernel, float32
CPU_SCALE = {"A": (1, 32, 256, 2048, 32), "B": (2, 64, 100, 500, 16), "C": (1, 16, 1000, 1575, 32)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64", "float16", "bfloat16"))
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--sets", type=int, default=3, help="sets of random data to rotate among")
    parser.add_argument("--shuffle", action="store_true", help="rois in random order instead of the map's")
    parser.add_argument("--workload", nargs="*", default=list("ABC"), choices=list("ABC"))
    parser.add_argument("--output", default=os.path.join("build", "align1d.json"))
    options = parser.parse_args()
    on_gpu = options.device.startswith("cuda")
    start = measure_start(options) if on_gpu else {}
    measure = measure_gpu if on_gpu else measure_cpu
    rows = [row for name in WORKLOADS if name[0] in options.workload for row in measure(name, options)]
    print_table(rows)
    for name, value in start.items():
        print("%-66s %9.3f ms" % (name, value))
    write_json(options.output, {"start": start, "versions": versions(), "machine": machine(), "options": vars(options), "rows": rows,
                                "backend": active_backend(options.device)})


def draw(name, shape, options):
    """Random input and the workload's rois with random fractions, batch entry by batch entry."""
    batch, channels, snippets, count, _ = shape
    values = torch.randn(batch, channels, snippets).to(getattr(torch, options.dtype))
    segments = torch.cat([SEGMENTS[name[0]](snippets, count) for _ in range(batch)])
    index = torch.arange(batch, dtype=torch.float32).repeat_interleave(count)
    rois = torch.cat([index[:, None], segments + 0.2 * torch.rand(len(segments), 1) - 0.1], dim=1)
    if options.shuffle:
        rois = rois[torch.randperm(len(rois))]
    return values.to(options.device), rois.to(options.device)


def duration_by_start(snippets, count):
    """All cells of a map of 64 durations and ``count / 64`` starts that fit into the sequence."""
    durations = torch.arange(1, 65, dtype=torch.float32) * snippets / 64
    part = torch.linspace(0, 1, count // 64)
    starts = (snippets - durations)[:, None] * part[None, :]
    return torch.stack([starts, starts + durations[:, None]], dim=2).view(-1, 2)


def random_segments(snippets, count):
    """Two random ends."""
    return (torch.rand(count, 2) * snippets).sort(dim=1)[0]


def all_pairs(snippets, count):
    """Every start and later end on a grid of as many points as give ``count`` pairs."""
    points = int((2 * count) ** 0.5)
    step = snippets / float(points)
    pairs = torch.combinations(torch.arange(points + 1, dtype=torch.float32), 2)
    return pairs[:count] * step


SEGMENTS = {"A": duration_by_start, "B": random_segments, "C": all_pairs}


# ----------------------------------------------------------------------------------------------------------------- GPU

def measure_gpu(name, options):
    shape = WORKLOADS[name]
    sets = [draw(name, shape, options) for _ in range(options.sets)]
    output = align1d(sets[0][0], sets[0][1], shape[4])
    size = output.numel() * output.element_size()
    gradients = [torch.randn_like(output) for _ in range(2)]
    fill = gpu_median(lambda i: output.fill_(i), options)
    read = gpu_median(lambda i: torch.sum(gradients[i % 2]), options)
    forward = gpu_median(lambda i: align1d(sets[i % options.sets][0], sets[i % options.sets][1], shape[4]), options)
    leaves = [values.clone().requires_grad_() for values, _ in sets]
    graphs = [align1d(leaf, rois, shape[4]) for leaf, (_, rois) in zip(leaves, sets)]
    backward = gpu_median(lambda i: torch.autograd.grad(graphs[i % options.sets], leaves[i % options.sets],
                                                        gradients[i % 2], retain_graph=True), options)
    public = PUBLIC_H100_MS[name[0]]
    for direction, found, floor, other in (("forward", forward, fill, public[0]), ("backward", backward, read, public[1])):
        yield {"workload": name, "direction": direction, "ms": found[0], "spread_ms": found[1:], "floor_ms": floor[0],
               "floor": "fill" if direction == "forward" else "read", "floor_TB_s": size / floor[0] / 1e9,
               "of_floor": floor[0] / found[0], "other": "public kernel on an H100", "other_ms": other,
               "ratio": other / found[0]}


class Noop(torch.autograd.Function):
    """What any autograd function costs: the output is allocated and nothing is launched."""

    @staticmethod
    def forward(ctx, values, rois, bins):
        return values.new_empty((rois.size(0), values.size(1), bins))

    @staticmethod
    def backward(ctx, gradient):
        return None, None, None


def measure_start(options):
    """Milliseconds until the first result in a process, and of the host for one tiny call; by name."""
    index = torch.device(options.device).index or 0
    torch.zeros(1, device=options.device)
    found = {}
    before = os.environ.get("TAD_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TAD_CACHE_DIR"] = folder
        for name in ("first use, compiled", "first use, from the cache"):
            for kernel in ("forward", "backward"):
                began = time.perf_counter()
                Kernels(index).module(kernel, options.dtype)
                found["%s: %s" % (name, kernel)] = 1e3 * (time.perf_counter() - began)
        os.environ.pop("TAD_CACHE_DIR") if before is None else os.environ.update(TAD_CACHE_DIR=before)
    values = torch.randn(1, 8, 16, device=options.device).requires_grad_()
    rois = torch.tensor([[0.0, 2, 9]] * 4, device=options.device)
    for name, call in (("host, one tiny call: no-op autograd function", lambda: Noop.apply(values, rois, 4)),
                       ("host, one tiny call: align1d", lambda: align1d(values, rois, 4))):
        call()
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(1000):
            call()
        found[name] = time.perf_counter() - began  # seconds for 1000 are milliseconds for one
        torch.cuda.synchronize()
    return found


def gpu_median(work, options):
    """Median, least and most milliseconds of ``work(i)``."""
    for i in range(3):
        work(i)
    torch.cuda.synchronize()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(options.repeat + 1)]
    torch.cuda._sleep(40000000)  # about 20 ms: the host gets ahead
    marks[0].record()
    for i in range(options.repeat):
        work(i)
        marks[i + 1].record()
    torch.cuda.synchronize()
    times = [first.elapsed_time(second) for first, second in zip(marks, marks[1:])]
    return statistics.median(times), min(times), max(times)


# ----------------------------------------------------------------------------------------------------------------- CPU

def gather_align1d(values, rois, bins):
    """What one writes first: positions of every sample, two gathers, a mean; ``(N, C, bins * samples)`` in between.

    Samples are as many for each bin as the longest roi needs, and masked.
    """
    snippets = values.size(2)
    length = (rois[:, 2] - rois[:, 1]).clamp(min=1)
    width = length / bins
    samples = torch.ceil(width)
    most = int(samples.max())
    sample = torch.arange(most, dtype=values.dtype)
    start = rois[:, 1, None] + torch.arange(bins, dtype=values.dtype) * width[:, None]
    at = start[:, :, None] + (sample + 0.5) * (width / samples)[:, None, None]
    counts = (sample < samples[:, None, None]) & (at >= -1) & (at <= snippets)
    at = at.clamp(0, snippets - 1)
    left = at.floor().long()
    part = (at - left).view(len(rois), 1, -1)
    rows = values[rois[:, 0].long()]
    left = left.view(len(rois), 1, -1).expand(-1, values.size(1), -1)
    right = (left + 1).clamp(max=snippets - 1)
    mixed = rows.gather(2, left) * (1 - part) + rows.gather(2, right) * part
    mixed = (mixed * counts.view(len(rois), 1, -1)).view(len(rois), values.size(1), bins, most)
    return mixed.sum(dim=3) / samples[:, None, None]


def measure_cpu(name, options):
    shape = CPU_SCALE[name[0]]
    values, rois = draw(name, shape, options)
    check = float((align1d(values, rois, shape[4]) - gather_align1d(values, rois, shape[4])).abs().max())
    repeat = max(3, options.repeat // 10)
    ours, theirs = {}, {}
    for function, found in ((lambda v: align1d(v, rois, shape[4]), ours),
                            (lambda v: gather_align1d(v, rois, shape[4]), theirs)):
        leaf = values.clone().requires_grad_()
        forward, backward = [], []
        for _ in range(repeat):
            began = time.perf_counter()
            output = function(leaf)
            forward.append(time.perf_counter() - began)
            gradient = torch.randn_like(output)
            began = time.perf_counter()
            torch.autograd.grad(output, leaf, gradient)
            backward.append(time.perf_counter() - began)
        found.update(forward=statistics.median(forward) * 1e3, backward=statistics.median(backward) * 1e3)
    for direction in ("forward", "backward"):
        yield {"workload": "%s, scaled to %s" % (name, "x".join(map(str, shape))), "direction": direction,
               "ms": ours[direction], "other": "gather implementation", "other_ms": theirs[direction],
               "ratio": theirs[direction] / ours[direction], "largest_difference": check}


def print_table(rows):
    for row in rows:
        line = "%-40s %-8s %9.3f ms" % (row["workload"], row["direction"], row["ms"])
        if "floor_ms" in row:
            line += "  %5.1f%% of %s (%.3f ms, %.2f TB/s)" % (100 * row["of_floor"], row["floor"], row["floor_ms"],
                                                             row["floor_TB_s"])
        print("%s  %6.1fx %s (%.2f ms)" % (line, row["ratio"], row["other"], row["other_ms"]))


if __name__ == "__main__":
    main()
