"""``manifest.json``: everything about a run that could matter to somebody who repeats it."""

import hashlib
import os
import sys
import time

from tad import files
from tad.ops.align1d_backends import active_backend
from tad.report.environment import flags, git_state, machine, versions


def make_manifest(settings, device, command, sources, recordings, places=()):
    """Plain values for JSON.

    :param device: the torch device that the run uses.
    :param command: the command line as a list.
    :param sources: list of paths: annotations, features, and what else was read; folders count as the files in them.
    :param recordings: dict part -> list of recording ids: ``train`` or ``test`` those that are used, ``left_out`` those
        that could not be.
    :param places: machine and device of each rank that shares the work, as text.
    """
    backend, reason = active_backend(device)
    files = {path: file_checksums(path) for path in sources}
    return {
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": command,
        "seed": settings.seed,
        "device": str(device),
        "align1d": {"backend": backend, "reason": reason},
        "versions": versions(),
        "machine": machine(),
        "ranks": {"count": max(1, len(places)), "places": list(places)},
        "flags": flags(),
        "git": git_state(),
        "data": {path: _joined(path, found) for path, found in files.items()},
        "files": {path: found for path, found in files.items() if os.path.isdir(path)},
        "recordings": recordings,
    }


def manifest_path(detections):
    """Where the manifest of a detections file is: beside it, ``found.manifest.json`` for ``found.json``."""
    return os.path.splitext(detections)[0] + ".manifest.json"


def checksum(path):
    """SHA-256 of a file; of a folder, of the names and checksums of the files directly in it."""
    return _joined(path, file_checksums(path))


def file_checksums(path):
    """SHA-256 by name of the files directly in a folder; of a file, of itself alone."""
    if not os.path.isdir(path):
        return {os.path.basename(path): files.checksum(path)}
    inside = ((name, os.path.join(path, name)) for name in sorted(os.listdir(path)))
    return {name: files.checksum(inner) for name, inner in inside if os.path.isfile(inner)}


def _joined(path, found):
    if not os.path.isdir(path):
        return found[os.path.basename(path)]
    digest = hashlib.sha256()
    for name, value in sorted(found.items()):
        digest.update(("%s %s\n" % (name, value)).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def command_line():
    """How this process was called."""
    return [os.path.basename(sys.argv[0])] + sys.argv[1:]
