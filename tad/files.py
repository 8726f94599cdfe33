"""Writing files so that a kill at any moment leaves the old file or the new one, never a piece."""

import contextlib
import hashlib
import json
import os
import tempfile

from tad.errors import UserError


@contextlib.contextmanager
def atomic_write(path, mode="w"):
    """A stream to a temporary file beside ``path`` that takes its place once the block has ended without an error.

    :raises UserError: the folder cannot be made or written to, or the disk is full.
    """
    folder = os.path.dirname(os.path.abspath(path))
    make_folder(folder)
    try:
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix="." + os.path.basename(path) + ".")
    except OSError as error:
        raise UserError("cannot write %s: %s" % (path, error.strerror))
    try:
        # Names of files that are not UTF-8 are written in escapes
        options = {} if "b" in mode else {"encoding": "utf-8", "errors": "backslashreplace"}
        with os.fdopen(descriptor, mode, **options) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~current_umask())
        os.replace(temporary, path)
        _remember(folder)
    except OSError as error:
        raise UserError("cannot write %s: %s" % (path, error.strerror or error))
    finally:
        # What cannot be removed either (the folder became read-only) must not hide why it could not be written
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _remember(folder):
    """Let a power cut not take the new name back, where folders can be synchronized like files."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(path):
    """``path`` as a folder, made if it is missing."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise UserError("cannot make the folder %s: %s; choose another output" % (path, error.strerror))


def run_folder(checkpoint):
    """The run folder of a checkpoint given as folder or file; of a file that stands alone, the folder it is in."""
    if os.path.isdir(checkpoint):
        return checkpoint
    folder = os.path.dirname(os.path.abspath(checkpoint))
    return os.path.dirname(folder) if os.path.basename(folder) == "checkpoints" else folder


def check_writable(path):
    """Find out before the work that its result could not be written to ``path``."""
    folder = os.path.dirname(os.path.abspath(path))
    make_folder(folder)
    if os.path.isdir(path):
        raise UserError("cannot write %s: it is a folder; give a file name" % path)
    if not os.access(folder, os.W_OK):
        raise UserError("cannot write %s: the folder is read-only" % path)


def write_json(path, value):
    """``value`` as indented JSON, atomically. NaN and infinity are refused: they are not JSON."""
    with atomic_write(path) as stream:
        json.dump(value, stream, indent=1, allow_nan=False)
        stream.write("\n")


def current_umask():
    umask = os.umask(0)
    os.umask(umask)
    return umask


def checksum(path):
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(2 ** 20), b""):
            digest.update(block)
    return digest.hexdigest()


def paths_by_stem(folder, names, suffixes, what):
    """Paths of the files of a folder that end in one of some suffixes, by name without it.

    :param what: the kind of files, for the message: "two ``what`` 'stem': ...".
    :raises UserError: two files have the same name but for the suffix.
    """
    found = {}
    for name in names:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in suffixes:
            if stem in found:
                raise UserError("%s holds two %s '%s': %s and %s; remove one"
                                % (folder, what, stem, os.path.basename(found[stem]), name))
            found[stem] = os.path.join(folder, name)
    return found
