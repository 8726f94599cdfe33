"""The device that settings name, for this process."""

import torch

from tad import compat
from tad.engine.ranks import ALONE
from tad.errors import UserError


def pick_device(settings, ranks=ALONE):
    """The torch device that settings name; sets the number of threads and deterministic kernels on the way.

    Where ranks share a machine each takes the GPU of its local number.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    compat.set_deterministic()
    if settings.device == "auto" and (ranks.count == 1 or compat.best_device().type == "cpu"):
        return compat.best_device()
    try:
        device = torch.device("cuda" if settings.device == "auto" else settings.device)
    except RuntimeError:
        raise UserError("device must be auto, cpu or cuda:N, not '%s'" % settings.device)
    if device.type == "cuda" and ranks.count > 1:
        device = gpu_of(ranks, device)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError("device '%s' is not there: PyTorch %s sees %d CUDA GPUs; use --set device=cpu"
                        % (settings.device, torch.__version__, torch.cuda.device_count()))
    if device.type not in ("cpu", "cuda"):
        raise UserError("device must be auto, cpu or cuda:N, not '%s'" % settings.device)
    return device


def gpu_of(ranks, device):
    """The GPU of this rank's local number."""
    if device.index is not None:
        raise UserError("device '%s' is one GPU for all ranks; use --set device=auto, so that each takes its own"
                        % device)
    if ranks.local >= torch.cuda.device_count():
        raise UserError("LOCAL_RANK is %d, but PyTorch sees %d CUDA GPUs here; start one rank for each GPU, or use "
                        "--set device=cpu" % (ranks.local, torch.cuda.device_count()))
    return torch.device("cuda", ranks.local)
