"""``tad data``: making and checking data sets."""

from tad.commands import features, synthesize


def add(verbs):
    data = verbs.add_parser("data", help="make and check data sets")
    data_verbs = data.add_subparsers(dest="data_verb", metavar="STEP")
    data_verbs.required = True
    features.add_to(data_verbs)
    synthesize.add_to(data_verbs)
