"""Fixtures that several tests share."""

import os

import pytest


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data beside the project; tests that need it are skipped where it is absent."""
    folder = os.environ.get("TAD_SHARED_DATA") or os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", "..", "shared", "data")
    if not os.path.isdir(folder):
        pytest.skip("no shared data at %s (set TAD_SHARED_DATA)" % os.path.abspath(folder))
    return folder
