"""Paths in settings; ``package:`` reaches the data that ``tad`` ships."""

import os

from tad.errors import UserError
from tad.settings import PACKAGE_PREFIX


def data_path(path, key):
    """An existing path.

    :param path: as settings hold it.
    :param key: the setting's name, for messages.
    :raises UserError: the setting is empty or nothing is there.
    """
    if not path:
        raise UserError("%s is not set; give it in the configuration or with --set %s=PATH" % (key, key))
    if path.startswith(PACKAGE_PREFIX):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shipped", path[len(PACKAGE_PREFIX):])
    if not os.path.exists(path):
        raise UserError("%s: there is no %s" % (key, path))
    return path


def optional_path(path, key):
    """As :func:`data_path`, but None where the setting is null."""
    return None if path is None else data_path(path, key)
