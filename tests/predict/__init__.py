"""Tests of tad.predict."""
