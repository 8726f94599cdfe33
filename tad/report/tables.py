"""Results as text for the terminal."""

from tad.data.naming import count, shortened


def metrics_table(metrics):
    """A table of AP for each class and threshold with mAP in the last line.

    :param metrics: as :func:`tad.evaluation.evaluate.evaluate` returns them.
    """
    names = list(metrics["mAP"])
    rows = [(label, [values[name] for name in names]) for label, values in sorted(metrics["AP_per_class"].items())]
    rows.append(("mAP", [metrics["mAP"][name] for name in names]))
    width = max([len(label) for label, _ in rows] + [len("tIoU")])
    lines = ["%-*s  %s  %s" % (width, "tIoU", "  ".join("%6s" % name for name in names), "   avg")]
    lines += ["%-*s  %s  %6.3f" % (width, label, "  ".join("%6.3f" % value for value in values),
                                   sum(values) / len(values)) for label, values in rows]
    lines.insert(-1, "-" * len(lines[0]))
    lines.append("%s in %s, %s" % (count(metrics["instances"], "instance"), count(metrics["recordings"], "recording"),
                                   count(metrics["detections"], "detection")))
    unusable = metrics.get("left_out", [])  # metrics of earlier versions lack it
    if unusable:
        lines.append("left out for want of usable features, their %s counted as missed: %s: %s"
                     % (count(metrics["instances_left_out"], "instance"), count(len(unusable), "recording"),
                        shortened(unusable)))
    missing = [name for name in metrics["recordings_without_detections"] if name not in set(unusable)]
    if missing:
        lines.append("no detection in %s: %s" % (count(len(missing), "recording"), shortened(missing)))
    return "\n".join(lines)
