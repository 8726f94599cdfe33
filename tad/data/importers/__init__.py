"""Reads the files of annotation tools and other people's features into the package's own formats.

``registry.py`` lists the formats, each a module with ``recognises(file)`` and ``read(files, options)``; ``database.py``
makes the annotation file from what any of them has read, ``features.py`` the feature store.
"""
