"""``tad doctor``: what is installed, which Align1D backend is active, and why."""

import torch

from tad.compat import best_device
from tad.ops.align1d import align1d
from tad.ops.align1d_backends import active_backend
from tad.report.manifest import machine, versions


def examine():
    """Plain values for JSON, with a live check of Align1D's forward and backward pass."""
    device = best_device()
    backend, reason = active_backend(device)
    error = check_align1d(device)
    return {"versions": versions(), "machine": machine(), "device": str(device),
            "align1d": {"backend": backend, "reason": reason, "largest_error": error, "works": error < 1e-6}}


def check_align1d(device):
    """Largest error on a case whose result is known: on a line, a bin's mean is the line at the bin's centre."""
    line = torch.arange(32, dtype=torch.float32, device=device).view(1, 1, 32).requires_grad_()
    output = align1d(line, torch.tensor([[0.0, 4.0, 20.0]], device=device), 4)
    output.sum().backward()
    wanted = torch.tensor([6.0, 10.0, 14.0, 18.0], device=device)
    forward = float((output.detach()[0, 0] - wanted).abs().max())
    # The weights of each bin add up to 1, so the gradient's sum is the number of bins
    return max(forward, abs(float(line.grad.sum()) - 4.0))


def describe(found):
    """The findings as lines of text."""
    lines = ["%-12s %s" % (name, version or "none") for name, version in found["versions"].items()]
    lines += ["%-12s %s" % (name, ", ".join(value) or "none" if isinstance(value, list) else value)
              for name, value in found["machine"].items()]
    align = found["align1d"]
    lines.append("%-12s %s" % ("device", found["device"]))
    lines.append("%-12s %s: %s" % ("Align1D", align["backend"], align["reason"]))
    lines.append("%-12s %s (largest error %.1e)" % ("live check", "passed" if align["works"] else "FAILED",
                                                   align["largest_error"]))
    return "\n".join(lines)
