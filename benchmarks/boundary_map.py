"""Memory and time of the ways to sample BMN's boundary map, each in a process of its own (docs/detectors.md).

    python benchmarks/boundary_map.py [SNIPPETS DURATIONS POINTS CHANNELS]

"held" is what a way keeps beside its input and its output until the backward pass; "peak" is how far the process grew
in forward and backward, with the output and its gradient, which are the same for all.
"""

import resource
import subprocess
import sys
import time

import torch

from tad.models.boundary_map import SAMPLINGS

MIB = 2.0 ** 20


def held(output, sample):
    """Bytes of the tensors that the graph saved, and of the mask."""
    seen, waiting, tensors = set(), [output.grad_fn], [value for value in [getattr(sample, "weights", None)]
                                                       if value is not None]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            tensors.extend(getattr(node, "saved_tensors", ()))
            waiting.extend(parent for parent, _ in node.next_functions)
    return sum({tensor.data_ptr(): tensor.numel() * tensor.element_size() for tensor in tensors}.values())


def measure(kind, snippets, durations, points, channels):
    """Print one line on one way."""
    sample = SAMPLINGS[kind](durations, points, 0.25)
    features = torch.randn(1, channels, snippets, requires_grad=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.time()
    output = sample(features)
    kept = held(output, sample)
    output.sum().backward()
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024.0
    print("%-8s held %8.2f MiB, peak %8.0f MiB, output %6.0f MiB, %6.2f s" % (
        kind, kept / MIB, peak, output.numel() * 4 / MIB, time.time() - began))


def main(arguments):
    """All ways at the paper's size on ActivityNet, or at a given one; with a way's name, that one in this process."""
    if arguments and arguments[0] in SAMPLINGS:
        return measure(arguments[0], *map(int, arguments[1:]))
    for kind in SAMPLINGS:
        subprocess.check_call([sys.executable, __file__, kind] + (arguments or ["100", "100", "32", "128"]))


if __name__ == "__main__":
    main(sys.argv[1:])
