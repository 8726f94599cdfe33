"""A report as text that stays readable with thousands of problems, or whole as plain values for JSON."""

from tad.data.check.findings import TITLES
from tad.data.naming import count, shortened

SHOWN = 5  # problems of one kind; --json has all


def report_text(report, allow_missing=False, needs=()):
    """Lines for a terminal; ``needs`` are those on memory and disk (:func:`tad.planning.needs.needs_lines`)."""
    lines = ["annotations: %s: %s, %s, %s" % (
        report.annotations, count(sum(subset.expected for subset in report.subsets), "recording"),
        count(sum(subset.actions for subset in report.subsets), "action"),
        count(len(report.classes), "label") + " to learn")]
    if report.features is not None:
        lines.append("features: %s%s" % (report.features, "" if report.width is None else
                                         ": %s" % count(report.width, "channel")))
    lines += [""] + _table(report) + [""]
    for kind, title in TITLES.items():
        found = [finding for finding in report.findings if finding.kind == kind]
        if found:
            lines.append("%s: %d" % (title, len(found)))
            lines += ["  " + _line(finding) for finding in found[:SHOWN]]
            if len(found) > SHOWN:
                lines.append("  ... and %d more (--json lists all)" % (len(found) - SHOWN))
    return "\n".join(lines + list(needs) + verdict(report, allow_missing))


def verdict(report, allow_missing):
    """The last lines: what is left out, and whether that is too much."""
    if report.features is None:
        return ["annotations alone were looked at; --features looks at features too"]
    lines = []
    for subset in report.subsets:
        if subset.left_out:
            lines.append("left out of '%s': %d of %s (%.1f%%): %s" % (
                subset.name, len(subset.left_out), count(subset.expected, "recording"), 100 * subset.part_left_out(),
                shortened(subset.left_out)))
    failing = report.failing()
    if report.broken():
        lines.append("FAILED: the data set cannot be used as it is, see above")
    elif failing and not allow_missing:
        lines.append("FAILED: more than %g%% of '%s' is left out; mend it, or allow it with --allow-missing or "
                     "--threshold" % (100 * report.threshold, "' and '".join(subset.name for subset in failing)))
    elif failing:
        lines.append("passed, because missing recordings are allowed")
    else:
        lines.append("passed: no more than %g%% of a subset is left out" % (100 * report.threshold))
    return lines


def passes(report, allow_missing):
    """Whether training and inference would accept the data."""
    return not report.broken() and (allow_missing or not report.failing())


def report_values(report, allow_missing):
    """Plain values for JSON, with every name."""
    subsets = {subset.name: {"expected": subset.expected, "found": subset.found, "used": subset.used,
                             "actions": subset.actions, "left_out": list(subset.left_out)} for subset in report.subsets}
    return {"annotations": report.annotations, "features": report.features, "width": report.width,
            "classes": list(report.classes), "threshold": report.threshold, "allow_missing": allow_missing,
            "passed": passes(report, allow_missing), "subsets": subsets,
            "findings": [finding._asdict() for finding in report.findings]}


def _table(report):
    names = ("subset", "expected", "found", "used", "actions")
    rows = [names] + [tuple(str(value) for value in (subset.name or "''", subset.expected) + (
        (subset.found, subset.used) if report.features is not None else ("-", "-")) + (subset.actions,))
        for subset in report.subsets]
    widths = [max(len(row[column]) for row in rows) for column in range(len(names))]
    return ["  ".join([row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])])
            for row in rows]


def _line(finding):
    place = "'%s': " % finding.subset if finding.subset and not finding.recording else ""
    return place + ("%s: " % finding.recording if finding.recording else "") + finding.text
