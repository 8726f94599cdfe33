"""The pinned environments: one table, and everything that follows it."""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The helpers stand beside the table, outside the package; "docker" itself is another project's name
sys.path.append(os.path.join(ROOT, "docker"))


def text(*names):
    """A file of the project."""
    with open(os.path.join(ROOT, *names), encoding="utf-8") as stream:
        return stream.read()
