"""Kinds of problems in a data set, in the order in which they are told."""

from collections import OrderedDict
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

# kind: what it is called in the list
TITLES = OrderedDict((
    ("data set", "the data set cannot be used as it is"),
    ("missing", "recordings without features"),
    ("unreadable", "unreadable features"),
    ("shape", "features that are not (snippets, channels)"),
    ("not finite", "NaN or infinite features"),
    ("width", "features of another width"),
    ("no rate", "recordings without any known time"),
    ("similar ids", "ids that differ only in case, ending or Unicode form"),
    ("length", "features that cover another time than the recording lasts"),
    ("recipe", "settings that contradict the features' recipe"),
    ("zero length", "actions of zero length"),
    ("reversed", "reversed actions"),
    ("outside", "actions outside their recording"),
    ("past the end", "actions that reach past an end of their recording"),
    ("after the features", "actions after the end of the features"),
    ("duplicate", "actions that are there twice"),
    ("overlap", "overlapping actions of the same label"),
    ("unknown label", "labels that no training recording has"),
    ("hidden label", "labels that only unusable training recordings have"),
    ("absent class", "classes without an action in a subset"),
    ("background", "training recordings without an action"),
    ("unused features", "features of recordings that the annotations do not have"),
))


class Finding(NamedTuple):
    """One problem; ``recording`` is "" where it is about all of a subset, ``subset`` "" about all of the data."""

    kind: str
    subset: str
    recording: str
    text: str


class Subset(NamedTuple):
    """Recordings of a subset: annotated, with readable features, usable, and the ids that are not."""

    name: str
    expected: int
    found: int
    used: int
    actions: int
    left_out: Tuple[str, ...]

    def part_left_out(self):
        """From 0 to 1."""
        return len(self.left_out) / float(max(self.expected, 1))


class Report(NamedTuple):
    """What :func:`tad.data.check.examine.examine` found; ``width`` is the features' number of channels, if known.

    ``sources`` are those of each subset (:class:`tad.data.sources.Source`), and ``training`` the subset to learn from.
    """

    annotations: str
    features: Optional[str]
    width: Optional[int]
    classes: Tuple[str, ...]
    subsets: List[Subset]
    findings: List[Finding]
    threshold: float
    training: str
    sources: Dict[str, List[Any]]

    def failing(self):
        """Subsets that too large a part is missing of."""
        return [subset for subset in self.subsets if subset.part_left_out() > self.threshold]

    def broken(self):
        """Findings that no training or inference gets past."""
        return [finding for finding in self.findings if finding.kind == "data set"]
