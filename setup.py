"""Kept for the old pip of Python 3.6; everything is in setup.cfg."""

from setuptools import setup

setup()
