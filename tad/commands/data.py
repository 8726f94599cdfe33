"""``tad data``: own data into the package's formats, and a look at it before training.

Each verb is one function that adds its parser; the group is this list.
"""

from tad.commands.data_check import add_check
from tad.commands.data_import import add_import
from tad.commands.features import add_features
from tad.commands.prepare import add_prepare
from tad.commands.synthesize import add_synthesize

VERBS = (add_import, add_prepare, add_check, add_features, add_synthesize)


def add(verbs):
    group = verbs.add_parser("data", help="make, import and check annotations and features")
    inner = group.add_subparsers(dest="data_verb", metavar="VERB")
    inner.required = True
    for add_verb in VERBS:
        add_verb(inner)
