"""Temporal action detection that can be reproduced: with or without a GPU, on PyTorch old and new."""

__version__ = "0.1.0"
