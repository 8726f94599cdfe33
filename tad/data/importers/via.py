"""Projects of the VGG Image Annotator 3 (VIA) for video and audio, as saved in JSON."""

from tad.data.importers.reading import Reading, Row, as_list, as_object, recording_name, unite
from tad.data.importers.times import parse_number
from tad.errors import UserError

_CHECKBOX, _WITH_OPTIONS = 2, (2, 3, 4, 5)  # VIA's attribute types: 1 text, 2 checkbox, 3 radio, 4 select, 5 image


def recognises(file):
    return file.is_json and isinstance(file.document, dict) and {"metadata", "file", "attribute"} <= set(file.document)


def read(files, options):
    """Temporal segments (``z`` with two times) whose attribute is the label.

    :raises UserError: segments have values of several attributes and none was chosen with ``--tier``.
    """
    rows, about, left_out = [], {}, []
    for file in files:
        document = file.document
        for key in ("metadata", "file", "attribute", "view"):
            for name, entry in as_object(document.get(key, {}), "%s: '%s'" % (file.path, key)).items():
                as_object(entry, "%s: %s '%s'" % (file.path, key, name))
        names = _recordings(file)
        for name in names.values():
            unite(about, name)
        attributes = _chosen_attributes(file, options.tiers)
        for key, entry in document["metadata"].items():
            rows += _entry_rows(file, key, entry, names, attributes, left_out)
    return Reading("VIA 3 project: %d files annotated" % len(about), rows, about, [], left_out)


def _recordings(file):
    """Name of the recording by view id; views name files, and older projects have none."""
    names = {}
    for key, entry in file.document["file"].items():
        names[key] = recording_name(str(entry.get("fname") or entry.get("src") or key))
    views = file.document.get("view")
    if not views:
        return names
    shown = {}
    for key, view in views.items():
        listed = as_list(view.get("fid_list", []), "%s: the fid_list of view %s" % (file.path, key))
        listed = [str(one) for one in listed]
        if len(listed) != 1 or listed[0] not in names:
            raise UserError("%s: view %s shows %d files; only views of one file can be imported"
                            % (file.path, key, len(listed)))
        shown[key] = names[listed[0]]
    return shown


def _is_segment(entry):
    return isinstance(entry.get("z"), list) and len(entry["z"]) == 2 and not entry.get("xy")


def _segments(file):
    return [entry for entry in file.document["metadata"].values() if _is_segment(entry)]


def _values(entry):
    return entry["av"] if isinstance(entry.get("av"), dict) else {}


def _chosen_attributes(file, wanted):
    """Ids of the attributes that give labels."""
    attributes = file.document["attribute"]
    by_name = {str(entry.get("aname", key)): key for key, entry in attributes.items()}
    unknown = [name for name in wanted if name not in by_name]
    if unknown:
        raise UserError("%s has no attribute '%s'; it has: %s" % (file.path, unknown[0], ", ".join(by_name)))
    if wanted:
        return {by_name[name]: attributes[by_name[name]] for name in wanted}
    used = {key for entry in _segments(file) for key, value in _values(entry).items() if value != ""}
    if len(used & set(attributes)) > 1:
        raise UserError("%s has segments with several attributes (%s); choose those that are labels with --tier NAME"
                        % (file.path, ", ".join(sorted(name for name, key in by_name.items() if key in used))))
    return {key: attributes[key] for key in used if key in attributes}


def _entry_rows(file, key, entry, names, attributes, left_out):
    place = "%s, metadata %s" % (file.path, key)
    if not _is_segment(entry):
        left_out.append(("regions in single frames and notes on whole files", place))
        return []
    if str(entry.get("vid")) not in names:
        raise UserError("%s belongs to view '%s', which the project does not have" % (place, entry.get("vid")))
    labels = [label for attribute, settings in attributes.items()
              for label in _labels(str(_values(entry).get(attribute, "")), settings)]
    if not labels:
        left_out.append(("segments without a label", place))
    start, end = (parse_number(value, place + ": 'z'", wanted="a time in seconds") for value in entry["z"])
    return [Row(names[str(entry["vid"])], start, end, "seconds", label, place) for label in labels]


def _labels(value, attribute):
    """The names of an attribute's value: options are stored by their number, checkboxes as several."""
    if attribute.get("type") not in _WITH_OPTIONS:
        return [value.strip()] if value.strip() else []
    chosen = value.split(",") if attribute.get("type") == _CHECKBOX else [value]
    options = attribute["options"] if isinstance(attribute.get("options"), dict) else {}
    return [str(options.get(one.strip(), one)).strip() for one in chosen if one.strip()]
