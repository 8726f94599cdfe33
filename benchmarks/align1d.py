"""Align1D: time of forward and backward against what the memory allows, and against a gather implementation.

    python benchmarks/align1d.py                  # on a GPU: workloads A, B, C
    python benchmarks/align1d.py --device cpu     # the PyTorch reference, workloads scaled down

Floors are measured in the same run. Forward: the time of a fill of the output's size. Backward: the time of a read (a
sum) of the incoming gradient's size. Times are medians over repetitions that rotate among several sets of fresh random
data; on a GPU between CUDA events, with the queue kept full so that the host is not measured. On a CPU the two
implementations take turns on ``--threads`` cores, so that other work on the machine slows down both.
"""

import argparse
import os
import statistics
import time

# Before PyTorch starts its threads: those that spin while they wait take the cores from others on a shared machine
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402

from tad.files import write_json  # noqa: E402
from tad.ops.align1d import align1d  # noqa: E402
from tad.ops.align1d_backends import active_backend  # noqa: E402
from tad.ops.align1d_cuda import nvrtc, program  # noqa: E402
from tad.ops.align1d_cuda.launch import Kernels  # noqa: E402
from tad.report.environment import machine, versions  # noqa: E402

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
    parser.add_argument("--threads", type=int, default=2, help="CPU cores to use, with --device cpu")
    parser.add_argument("--shuffle", action="store_true", help="rois in random order instead of the map's")
    parser.add_argument("--past-end", action="store_true",
                        help="workload A as BMN's whole map: half of the cells reach past the end")
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
    write_json(options.output, {"versions": versions(), "machine": machine(), "options": vars(options),
                                "backend": active_backend(options.device), "rows": rows, "start": start})


def draw(name, shape, options):
    """Random input and the workload's rois with random fractions, batch entry by batch entry."""
    batch, channels, snippets, count, _ = shape
    values = torch.randn(batch, channels, snippets).to(getattr(torch, options.dtype))
    make = whole_map if options.past_end and name[0] == "A" else SEGMENTS[name[0]]
    segments = torch.cat([make(snippets, count) for _ in range(batch)])
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


def whole_map(snippets, count):
    """All cells of a map of 64 durations and ``count / 64`` starts."""
    durations = torch.arange(1, 65, dtype=torch.float32) * snippets / 64
    starts = (torch.arange(count // 64, dtype=torch.float32) * snippets / (count // 64)).repeat(64)
    return torch.stack([starts, starts + durations.repeat_interleave(count // 64)], dim=1)


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
    for direction, found, floor, other in (("forward", forward, fill, public[0]),
                                           ("backward", backward, read, public[1])):
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
    kernels = Kernels(index)
    for kernel in program.KERNELS:
        # A line that no earlier compilation had, because newer versions of NVRTC keep their results on disk
        text = "%s\n__device__ int unique_%d;\n" % (program.source(kernel), time.time_ns())
        architecture = program.choose_architecture(nvrtc.load(), kernels.device.capability)
        began = time.perf_counter()
        nvrtc.load().compile(text, kernel + ".cu", program.compile_options(architecture, options.dtype))
        found["first use, compilation: " + kernel] = 1e3 * (time.perf_counter() - began)
        kernels.module(kernel, options.dtype)
        began = time.perf_counter()
        Kernels(index).module(kernel, options.dtype)
        found["first use, from the cache: " + kernel] = 1e3 * (time.perf_counter() - began)
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
    sample = torch.arange(most, dtype=rois.dtype)
    start = rois[:, 1, None] + torch.arange(bins, dtype=rois.dtype) * width[:, None]
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
    torch.set_num_threads(options.threads)
    shape = CPU_SCALE[name[0]]
    sets = [draw(name, shape, options) for _ in range(options.sets)]
    output = torch.empty((len(sets[0][1]), shape[1], shape[4]), dtype=sets[0][0].dtype)
    floor = {"forward": statistics.median(seconds(output.fill_, i)[0] for i in range(options.repeat)),
             "backward": statistics.median(seconds(output.sum)[0] for _ in range(options.repeat))}
    times, difference = cpu_times(sets, shape[4], options.repeat)
    for direction in ("forward", "backward"):
        ours, theirs = ([1e3 * value for value in times[function, direction]]
                        for function in (align1d, gather_align1d))
        ours_ms, theirs_ms, floor_ms = statistics.median(ours), statistics.median(theirs), 1e3 * floor[direction]
        yield {"workload": "%s, scaled to %s" % (name, "x".join(map(str, shape))), "direction": direction,
               "ms": ours_ms, "spread_ms": (min(ours), max(ours)), "other": "gather implementation",
               "other_ms": theirs_ms, "other_spread_ms": (min(theirs), max(theirs)),
               "floor": "fill" if direction == "forward" else "read", "floor_ms": floor_ms,
               "floor_TB_s": output.numel() * output.element_size() / floor_ms / 1e9, "of_floor": floor_ms / ours_ms,
               "ratio": theirs_ms / ours_ms, "largest_difference": difference, "threads": options.threads}


def cpu_times(sets, bins, repeat):
    """Seconds by (function, direction), the two functions in turns; and the largest difference of their outputs."""
    times, difference = {}, 0
    for i in range(-1, repeat):  # the first is a warm-up
        values, rois = sets[i % len(sets)]
        outputs = []
        for function in (align1d, gather_align1d):
            leaf = values.clone().requires_grad_()
            forward, output = seconds(function, leaf, rois, bins)
            backward, _ = seconds(torch.autograd.grad, output, leaf, torch.randn_like(output))
            outputs.append(output.detach())
            if i >= 0:
                times.setdefault((function, "forward"), []).append(forward)
                times.setdefault((function, "backward"), []).append(backward)
        difference = max(difference, float((outputs[0] - outputs[1]).abs().max()))
    return times, difference


def seconds(work, *arguments):
    """How long ``work(*arguments)`` took, and what it gave."""
    began = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - began, result


def print_table(rows):
    for row in rows:
        line = "%-40s %-8s %9.3f ms" % (row["workload"], row["direction"], row["ms"])
        if "floor_ms" in row:
            line += "  %5.1f%% of %s (%.3f ms, %.2f TB/s)" % (100 * row["of_floor"], row["floor"], row["floor_ms"],
                                                             row["floor_TB_s"])
        print("%s  %6.1fx %s (%.2f ms)" % (line, row["ratio"], row["other"], row["other_ms"]))


if __name__ == "__main__":
    main()
