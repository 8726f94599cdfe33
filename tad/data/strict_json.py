"""JSON as data files hold it: a key once in its object, numbers of a sane length, nothing nested deeply."""

import json

DEEPEST = 64     # levels; the files that tad reads have up to eight
LONGEST = 4000   # digits of a whole number; Python takes quadratic time to read them


def parse_json(text):
    """The parsed document.

    :raises ValueError: the text is no JSON, or one that hides or costs something; the message says where or what.
    """
    try:
        document = json.loads(text, parse_int=_whole, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("it is nested too deeply")
    _check_depth(document)
    return document


def _whole(digits):
    if len(digits) > LONGEST:
        raise ValueError("a number has %d digits" % len(digits))
    return int(digits)


def _once(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for index, key in enumerate(keys) if key in keys[:index])
        raise ValueError("'%.60s' stands twice in one object" % twice)
    return found


def _check_depth(document):
    level = [[document]]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)
                 if isinstance(inner, (dict, list))]
        if not level:
            return
    raise ValueError("it is nested too deeply")
