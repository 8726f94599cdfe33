"""Results as text for the terminal."""

from tad.data.naming import count, shortened

CHARACTERISTICS = {"coverage": "coverage (part of the recording)", "length": "length (s)",
                   "num-instances": "instances in the recording", "context-size": "context size",
                   "context-distance": "context distance", "agreement": "agreement of annotators"}
SHORT_TYPES = {"true positive": "true", "double detection": "double", "wrong label": "label", "localization": "local.",
               "confusion": "confus.", "background": "backgr."}


def metrics_table(metrics):
    """A table of AP for each class and threshold with mAP in the last line, and a few lines for each other measure.

    :param metrics: as ``metrics.json`` holds them.
    """
    lines = _precision_lines(metrics) if "mAP" in metrics else []
    lines += _proposal_lines(metrics["proposals"]) if "proposals" in metrics else []
    lines += _snippet_lines(metrics["snippets"]) if "snippets" in metrics else []
    lines += _segment_lines(metrics["segmentation"]) if "segmentation" in metrics else []
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
    return "\n".join(lines + _handling_lines(metrics.get("handling", {})))


def diagnosis_table(diagnosis):
    """Error types, characteristics and classes of a diagnosis, as ``diagnosis.json`` holds it."""
    errors = diagnosis["false_positives"]
    lines = ["", "diagnosis at tIoU %s (DETAD): average mAP_N %.3f, %.1f instances a class"
             % (", ".join(diagnosis["tiou"]), diagnosis["average_mAP_N"], diagnosis["instances_per_class"]), ""]
    names = [SHORT_TYPES[name] for name in errors["types"]]
    lines.append("what the best detections are (G: instances of the class), in percent")
    lines.append(_row("top", names + ["number"]))
    lines += [_row(entry["top"], _percents(entry["share"][name] for name in errors["types"])
                   + ["%.0f" % entry["detections"]]) for entry in errors["profile"] if entry["detections"]]
    lines.append(_row("gain", [""] + ["%+.3f" % errors["gain"][name] for name in errors["types"][1:]]
                      + ["average mAP_N without such detections"]))
    for name, characteristic in diagnosis["characteristics"].items():
        lines += [""] + _characteristic_lines(name, characteristic)
    lines += ["", "classes, worst first: AP_N, missed instances and the best detections in percent"]
    width = max(map(len, diagnosis["per_class"]))
    lines.append(_row("class", ["AP_N", "missed"] + names + ["mostly taken for"], width))
    lines += [_class_line(label, values, errors["types"], width) for label, values in _worst_first(diagnosis)]
    if diagnosis["excluded"]:
        lines.append("left out as in DETAD: %s of no length or longer than the recording"
                     % count(diagnosis["excluded"], "instance"))
    return "\n".join(lines + ["note: " + note for note in diagnosis["notes"]])


def _precision_lines(metrics):
    names = list(metrics["mAP"])
    rows = [(label, [values[name] for name in names]) for label, values in sorted(metrics["AP_per_class"].items())]
    rows.append(("mAP", [metrics["mAP"][name] for name in names]))
    width = max([len(label) for label, _ in rows] + [len("tIoU")])
    lines = ["%-*s  %s  %s" % (width, "tIoU", "  ".join("%6s" % name for name in names), "   avg")]
    lines += ["%-*s  %s  %6.3f" % (width, label, "  ".join("%6.3f" % value for value in values),
                                   sum(values) / len(values)) for label, values in rows]
    lines.insert(-1, "-" * len(lines[0]))
    return lines


def _proposal_lines(proposals):
    return ["proposals: %s; area under the AR-AN curve to %g: %.3f (tIoU %s to %s)"
            % (", ".join("AR@%s %.3f" % pair for pair in proposals["AR"].items()), proposals["most"], proposals["area"],
               proposals["tiou"][0], proposals["tiou"][-1])]


def _snippet_lines(snippets):
    return ["snippets: mAP %.3f over %s, from %s"
            % (snippets["mAP"], count(snippets["snippets"], "snippet"),
               "detections rasterized every %g s" % snippets["step_s"] if snippets["source"] == "detections"
               else "the scores in " + snippets["source"])]


def _segment_lines(segmentation):
    lines = ["segmentation: %s, edit %.3f, accuracy %.3f, of detections from score %g on, every %g s"
             % (", ".join("F1@%s %.3f" % pair for pair in segmentation["F1"].items()), segmentation["edit"],
                segmentation["accuracy"], segmentation["min_score"], segmentation["step_s"])]
    if segmentation["overlapping"]:
        lines.append("segmentation: %s with several actions, of which the later in the file was taken"
                     % count(segmentation["overlapping"], "snippet"))
    return lines


def _handling_lines(handling):
    """What counted otherwise than one might think."""
    lines = []
    if handling.get("blocked_recordings") or handling.get("blocked_detections"):
        lines.append("blocked: %s with annotations, %s" % (count(handling["blocked_recordings"], "recording"),
                                                           count(handling["blocked_detections"], "detection")))
    if handling.get("ignored_labels"):
        lines.append("ignored: %s of %s; detections on them that find nothing else do not count"
                     % (count(handling["ignored_instances"], "instance"), ", ".join(handling["ignored_labels"])))
    if handling.get("detections_of_unknown_labels"):
        lines.append("counted for nothing: %s of labels that the annotations lack: %s"
                     % (count(handling["detections_of_unknown_labels"], "detection"),
                        shortened(handling["unknown_labels"])))
    if handling.get("detections_of_unscored_labels"):
        lines.append("counted for nothing: %s of labels without an instance to find in subset '%s': %s"
                     % (count(handling["detections_of_unscored_labels"], "detection"), handling["subset"],
                        shortened(handling["unscored_labels"])))
    if handling.get("instances_of_no_length"):
        lines.append("not to be found: %s with an end not after the start"
                     % count(handling["instances_of_no_length"], "instance"))
    if handling.get("detections_of_no_length"):
        lines.append("find nothing: %s with an end not after the start, the first: %s"
                     % (count(handling["detections_of_no_length"], "detection"), handling["example_of_no_length"]))
    if handling.get("detections_elsewhere"):
        lines.append("false positives: %s in %s outside subset '%s': %s"
                     % (count(handling["detections_elsewhere"], "detection"),
                        count(handling["recordings_elsewhere"], "recording"), handling["subset"],
                        ", ".join(handling["examples_elsewhere"])))
    return lines


def _characteristic_lines(name, characteristic):
    lines = ["%s, %s" % (CHARACTERISTICS[name], {"file": "from the file", "computed": "from the annotations"}
                         [characteristic["source"]]), _row("", ["mAP_N", "missed", "number", "bucket"])]
    for bucket in characteristic["buckets"]:
        known = bucket["instances"] > 0
        lines.append(_row(bucket["name"], ["%.3f" % bucket["average_mAP_N"] if known else "-",
                                           "%.1f" % (100 * bucket["false_negatives"]) if known else "-",
                                           "%d" % bucket["instances"], _range(bucket)]))
    return lines


def _range(bucket):
    if bucket["up_to"] is None:
        return "above %g" % bucket["above"]
    return "%g to %g" % (max(bucket["above"], 0), bucket["up_to"])


def _worst_first(diagnosis):
    known = [pair for pair in diagnosis["per_class"].items() if pair[1]["AP_N"] is not None]
    return sorted(known, key=lambda pair: pair[1]["AP_N"])


def _class_line(label, values, types, width):
    cells = ["%.3f" % values["AP_N"], "%.1f" % (100 * values["false_negatives"])]
    cells += _percents(values["errors"][name] for name in types) + [next(iter(values["confused_with"]), "-")]
    return _row(label, cells, width)


def _percents(parts):
    return ["%.1f" % (100 * part) for part in parts]


def _row(head, cells, width=5):
    """A line of cells; the last one may be wider than the others."""
    return ("%-*s  %s  %s" % (width, head, "  ".join("%7s" % cell for cell in cells[:-1]),
                              cells[-1] if len(cells[-1]) > 7 else "%7s" % cells[-1])).rstrip()
