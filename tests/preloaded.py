"""What the server of :mod:`tests.processes` loads once: all that a training would otherwise load for seconds."""

import tad.commands.training  # noqa: F401
import tad.pipeline  # noqa: F401
from tad import compat

compat.set_deterministic()
