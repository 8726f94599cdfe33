"""``manifest.json``: everything about a run that could matter to somebody who repeats it."""

import hashlib
import os
import platform
import subprocess
import sys
import time

import h5py
import matplotlib
import numpy
import pandas
import torch

import tad
from tad.compat import python_version
from tad.ops.align1d_backends import active_backend


def make_manifest(settings, device, command, sources, recordings):
    """Plain values for JSON.

    :param device: the torch device that the run uses.
    :param command: the command line as a list.
    :param sources: list of paths of annotation and feature files; folders count as the files in them.
    :param recordings: dict part -> list of recording ids: ``train`` or ``test`` those that are used, ``left_out`` those
        that could not be.
    """
    backend, reason = active_backend(device)
    return {
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": command,
        "seed": settings.seed,
        "device": str(device),
        "align1d": {"backend": backend, "reason": reason},
        "versions": versions(),
        "machine": machine(),
        "git": git_state(),
        "data": {path: checksum(path) for path in sources},
        "recordings": recordings,
    }


def manifest_path(detections):
    """Where the manifest of a detections file is: beside it, ``found.manifest.json`` for ``found.json``."""
    return os.path.splitext(detections)[0] + ".manifest.json"


def versions():
    """Versions of what computes or draws results."""
    return {"tad": tad.__version__, "python": python_version(), "torch": torch.__version__,
            "cuda": torch.version.cuda, "numpy": numpy.__version__, "pandas": pandas.__version__,
            "h5py": h5py.__version__, "matplotlib": matplotlib.__version__}


def machine():
    """The machine as far as it can change numbers."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"platform": platform.platform(), "processor": platform.processor() or platform.machine(),
            "cpus": os.cpu_count(), "threads": torch.get_num_threads(), "gpus": gpus}


def git_state():
    """Revision of the package's checkout and whether files differ from it; None outside a checkout.

    A container image holds no checkout; whoever built it may have left the revision in ``TAD_REVISION``.
    """
    folder = os.path.dirname(os.path.abspath(tad.__file__))
    revision = _git(folder, "rev-parse", "HEAD")
    if revision is None:
        built_from = os.environ.get("TAD_REVISION")
        return {"revision": built_from, "modified": None} if built_from else None
    return {"revision": revision, "modified": bool(_git(folder, "status", "--porcelain", "--", "."))}


def checksum(path):
    """SHA-256 of a file; of a folder, of the names and checksums of the files directly in it."""
    digest = hashlib.sha256()
    if os.path.isdir(path):
        for name in sorted(os.listdir(path)):
            inner = os.path.join(path, name)
            if os.path.isfile(inner):
                digest.update(("%s %s\n" % (name, checksum(inner))).encode("utf-8"))
    else:
        with open(path, "rb") as stream:
            for block in iter(lambda: stream.read(2 ** 20), b""):
                digest.update(block)
    return digest.hexdigest()


def command_line():
    """How this process was called."""
    return [os.path.basename(sys.argv[0])] + sys.argv[1:]


def _git(folder, *arguments):
    try:
        result = subprocess.run(["git", "-C", folder] + list(arguments), stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.decode("utf-8").strip() if result.returncode == 0 else None
