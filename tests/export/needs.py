"""What the tests of an export need."""

import importlib.util

import pytest

from tad import compat

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
MISSING = [] if compat.exports_onnx() else ["PyTorch 2.6"]
MISSING += [name for name in PACKAGES if importlib.util.find_spec(name) is None]
needs_export = pytest.mark.skipif(bool(MISSING), reason="tad export needs " + ", ".join(MISSING))
