"""The words of the command line, one module a group of commands: ``add(verbs)`` makes their parsers.

Modules import what is heavy (PyTorch, matplotlib) inside functions, so that ``tad --help`` answers at once.
"""

from tad.commands import data, demo, doctor, evaluation, export, init, machines, predict, report, reproduce, training

# In the order of ``tad --help``
COMMANDS = (data, init, training, evaluation, report, predict, export, reproduce, machines, demo, doctor)
