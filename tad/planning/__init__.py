"""Fits settings to data before a training: what cannot work is refused, and ``tad init`` writes what does."""
