"""Ids that people take for the same and programs do not."""

import unicodedata
from collections import defaultdict

from tad.data.importers.reading import MEDIA_SUFFIXES


def plain(name):
    """An id without what is easily mistaken: case, Unicode form, blanks at the ends, a file's ending."""
    text = unicodedata.normalize("NFC", name).strip().casefold()
    stem, dot, suffix = text.rpartition(".")
    return stem if stem and dot + suffix in MEDIA_SUFFIXES else text


def difference(one, other):
    """In what two ids of the same plain form differ."""
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return "Unicode form"
    if one.strip() == other.strip():
        return "blanks"
    if one.casefold() == other.casefold():
        return "case"
    return "ending" if one.casefold().startswith(other.casefold()) or other.casefold().startswith(one.casefold()) \
        else "case or ending"


def similar(names):
    """Groups of two or more ids with the same plain form, sorted."""
    groups = defaultdict(list)
    for name in names:
        groups[plain(name)].append(name)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def counterparts(wanted, present):
    """For ids that are not present, the present one that was probably meant: dict id -> id."""
    by_form = {plain(name): name for name in sorted(present)}
    return {name: by_form[plain(name)] for name in wanted if name not in present and plain(name) in by_form}


def respelled(names, wanted):
    """For names that are not wanted, the wanted id that was meant: dict name -> id; nothing where it is in doubt."""
    forms = defaultdict(lambda: ([], []))
    for side, ids, others in ((0, names, wanted), (1, wanted, names)):
        for name in sorted(set(ids) - set(others)):
            forms[plain(name)][side].append(name)
    return {ours[0]: theirs[0] for ours, theirs in forms.values() if len(ours) == len(theirs) == 1}
