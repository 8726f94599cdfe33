"""Looks at a data set as training and inference will, and lists what they would stumble over.

``examine.py`` runs the very rules of :mod:`tad.data.sources`, ``names.py`` and ``actions.py`` add what needs all
recordings at once, ``show.py`` tells it.
"""
