"""Compiled images on disk, so that a kernel is compiled once for a machine and not once for a process.

Nothing here raises for trouble with files: a damaged or unreadable entry is a missing one, and a folder that cannot
be written only costs the time to compile again. Processes may race; each sees a whole entry or none.
"""

import contextlib
import hashlib
import os
import tempfile

MAGIC = b"tad-align1d-1\n"


def folder():
    """Where images are kept: under ``TAD_CACHE_DIR``, else the user's cache folder; OSError if there is no home."""
    base = os.environ.get("TAD_CACHE_DIR")
    if not base:
        home = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", "")
        if not os.path.isabs(home):
            home = os.path.join(os.path.expanduser("~"), ".cache")
        base = os.path.join(home, "tad")
        if not os.path.isabs(base):
            raise OSError("no home folder is known; set TAD_CACHE_DIR")
    return os.path.join(os.path.abspath(base), "align1d")


def key(*parts):
    """A name for what these parts (bytes or str) determine; no two lists of parts share one."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8") if isinstance(part, str) else part
        digest.update(b"%s%d:" % (b"s" if isinstance(part, str) else b"b", len(data)))
        digest.update(data)
    return digest.hexdigest()


def load(key):
    """The image stored under a key; None if there is none, or it is damaged."""
    try:
        with open(_path(key), "rb") as stream:
            entry = stream.read()
    except OSError:
        return None
    head = len(MAGIC) + hashlib.sha256().digest_size
    image = entry[head:]
    return image if len(entry) >= head and entry[:head] == MAGIC + _checksum(key, image) else None


def store(key, image):
    """Keeps an image; False if it could not be kept."""
    try:
        os.makedirs(folder(), mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".new-", dir=folder())
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(MAGIC + _checksum(key, image) + image)
        os.replace(temporary, _path(key))
        return True
    except OSError:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        return False


def describe():
    """For ``tad doctor``: ``{"path", "writable", "problem"}``. Creates the folder if it can."""
    path = None
    try:
        path = folder()
        os.makedirs(path, mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return {"path": path, "writable": True, "problem": None}
    except OSError as error:
        return {"path": path, "writable": False, "problem": str(error)}


def _path(key):
    return os.path.join(folder(), key + ".bin")


def _checksum(key, image):
    """Of the key too, so that a renamed entry is found out."""
    return hashlib.sha256(key.encode("ascii") + image).digest()
