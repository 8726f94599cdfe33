"""Tests of the check of a data set."""
