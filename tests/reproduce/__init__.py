"""Tests of ``tad.reproduce``."""
