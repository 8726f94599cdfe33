"""The words of the command line, one module a group of commands: ``add(verbs)`` makes their parsers.

Modules import what is heavy (PyTorch, matplotlib) inside functions, so that ``tad --help`` answers at once.
"""

from tad.commands import demo, doctor, evaluation, export, training

COMMANDS = (training, evaluation, export, demo, doctor)  # in the order of ``tad --help``
