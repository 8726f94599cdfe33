"""``tad doctor``."""

import json

from tad.commands.common import say


def add(verbs):
    verb = verbs.add_parser("doctor", help="what is installed, which Align1D backend is active, and why")
    verb.add_argument("--json", action="store_true", help="for scripts")
    verb.set_defaults(run=_doctor)


def _doctor(options):
    from tad.doctor import describe, examine
    found = examine()
    say(json.dumps(found, indent=1) if options.json else describe(found))
    return 0 if found["align1d"]["works"] else 1
