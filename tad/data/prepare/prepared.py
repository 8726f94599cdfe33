"""What preparing a data set gives: files to write, and every disagreement among its sources."""

import os
from collections import OrderedDict
from typing import Any, Dict, NamedTuple, Tuple

from tad.data.naming import shortened
from tad.errors import UserError
from tad.files import atomic_write, check_writable, make_folder, write_json

DISAGREEMENTS = "disagreements.json"
SHOWN = 3  # disagreements of one kind; --show has all


class Disagreement(NamedTuple):
    """One place where sources contradict each other or themselves; ``recording`` is "" where it is about all."""

    kind: str
    recording: str
    text: str


class Prepared(NamedTuple):
    """``files`` are JSON documents, or text for names that end in ``.txt``, by name; ``said`` are sentences.

    ``titles`` has what each kind of disagreement is called, in the order in which they are told; a kind that was looked
    for and not found stays in it.
    """

    dataset: str
    files: Dict[str, Any]
    titles: "OrderedDict[str, str]"
    disagreements: Tuple[Disagreement, ...]
    said: Tuple[str, ...]

    def of_kind(self, kind):
        """The disagreements of one kind."""
        return [one for one in self.disagreements if one.kind == kind]


def check_folder(folder, force):
    """Find out before the work that the output could not be written, or that something would be lost.

    :raises UserError: it holds something already, or cannot be written.
    """
    if os.path.isfile(folder):
        raise UserError("--output %s is a file; give a folder" % folder)
    held = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    if held and not force:
        raise UserError("%s holds '%s' already; choose another --output, or replace it with --force"
                        % (folder, held[0]))
    make_folder(folder)
    check_writable(os.path.join(folder, DISAGREEMENTS))


def write_prepared(prepared, folder):
    """Write all files, and ``disagreements.json``; returns their paths."""
    for name, content in prepared.files.items():
        path = os.path.join(folder, name)
        if name.endswith(".txt"):
            with atomic_write(path) as stream:
                stream.write(content)
        else:
            write_json(path, content)
    write_json(os.path.join(folder, DISAGREEMENTS), disagreements_document(prepared))
    return [os.path.join(folder, name) for name in list(prepared.files) + [DISAGREEMENTS]]


def disagreements_document(prepared):
    """All disagreements as plain values for JSON."""
    kinds = OrderedDict()
    for kind, title in prepared.titles.items():
        found = prepared.of_kind(kind)
        kinds[kind] = {"title": title, "count": len(found),
                       "found": [{"recording": one.recording, "text": one.text} for one in found]}
    return {"version": 1, "dataset": prepared.dataset, "kinds": kinds}


def disagreements_text(prepared, show=()):
    """Lines for a terminal: a few of each kind, or all of the kinds in ``show`` and nothing else.

    :raises UserError: a kind that there is not.
    """
    unknown = [kind for kind in show if kind not in prepared.titles]
    if unknown:
        raise UserError("--show '%s' is no kind of disagreement; there are: %s"
                        % (unknown[0], ", ".join("'%s'" % kind for kind in prepared.titles)))
    lines = []
    for kind in show or prepared.titles:
        found = prepared.of_kind(kind)
        if found:
            lines.append("%s: %d  (--show \"%s\")" % (prepared.titles[kind], len(found), kind))
            few = found if show else found[:SHOWN]
            lines += ["  %s%s" % (one.recording + ": " if one.recording else "", one.text) for one in few]
            if len(few) < len(found):
                lines.append("  ... and %d more" % (len(found) - len(few)))
        elif show:
            lines.append("%s: none" % prepared.titles[kind])
    none = [] if show else [kind for kind in prepared.titles if not prepared.of_kind(kind)]
    return "\n".join(lines + (["looked for and not found: " + shortened(none, len(none))] if none else []))
