"""The configuration that ``tad init`` writes: YAML with a reason beside each value."""

import os

from tad.files import atomic_write
from tad.planning.find import quoted_yaml, relative_to
from tad.planning.histogram import text_histogram

WIDTH = 118


def write_plan(path, plan, picture):
    """Write the configuration; paths in it are relative to its folder where they are near."""
    with atomic_write(path) as stream:
        stream.write("\n".join(plan_lines(path, plan, picture)) + "\n")


def plan_lines(path, plan, picture):
    """The lines of the file."""
    lines = ["# Made by `tad init` from the data. Every value may be changed; `tad train` checks it against the data."]
    for line in plan.summary:
        lines += _comment(line)
    lines += ["#", "# Durations of the training actions (%s):" % os.path.basename(picture)]
    lines += ["#   " + line for line in text_histogram(plan.durations_s)]
    dataset = plan.settings.dataset
    folder = os.path.dirname(os.path.abspath(path))
    lines += ["dataset:", "  annotations: " + quoted_yaml(relative_to(dataset.annotations, folder)),
              "  features: " + quoted_yaml(relative_to(dataset.features, folder))]
    lines += _section("dataset", plan.choices)
    for section in ("augment", "deeplab", "train"):
        body = _section(section, plan.choices)
        if body:
            lines += [section + ":"] + body
    return lines


def _section(name, choices):
    lines = []
    for choice in choices:
        section, _, key = choice.key.partition(".")
        if section != name:
            continue
        if choice.why:
            lines += ["  " + line for line in _comment(choice.why)]
        if key:
            lines.append("  %s: %s" % (key, quoted_yaml(_plain(choice.value))))
    return lines


def _plain(value):
    """25.0 is written as 25."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _comment(text):
    """A text as comment lines; a label may hold a line break, a comment must not."""
    lines, line = [], "#"
    for word in " ".join(text.split()).split(" "):
        if len(line) + 1 + len(word) > WIDTH and line != "#":
            lines.append(line)
            line = "#  "
        line += " " + word
    return lines + [line]
