"""ELAN's ``.eaf`` files (XML): time-aligned tiers, and tiers that refer to them."""

import xml.parsers.expat
from xml.etree.ElementTree import TreeBuilder

from tad.data.importers.reading import Reading, Row, recording_name, unite
from tad.data.naming import shortened
from tad.errors import UserError


def recognises(file):
    return file.suffix == ".eaf" or (file.is_text and "<ANNOTATION_DOCUMENT" in file.text[:4096])


def read(files, options):
    """Each annotation of the chosen tiers is an action, its value the label; the medium's name is the recording.

    :raises UserError: there are several tiers and none was chosen with ``--tier``.
    """
    parsed = [(file, parse_xml(file.text, file.path)) for file in files]
    present = _tier_names(parsed)
    chosen = _chosen_tiers(present, options.tiers, files)
    rows, about, left_out, said = [], {}, [], []
    said += _media_notes(parsed)
    for file, root in parsed:
        name = _recording(file, root)
        if name in about:
            raise UserError("%s is about recording '%s', and so is an earlier file; give them to separate imports"
                            % (file.path, name))
        unite(about, name)
        rows += _file_rows(file, root, name, chosen, left_out)
    if len(present) > 1:
        said.insert(0, "tiers taken: %s; not taken: %s" % (
            ", ".join(chosen), ", ".join(tier for tier in present if tier not in chosen) or "none"))
    title = "ELAN: %d tiers in %d file%s" % (len(present), len(files), "" if len(files) == 1 else "s")
    return Reading(title, rows, about, said, left_out)


def parse_xml(text, path):
    """The root element. Document type declarations, and so entities that expand or reach outside, are refused.

    :raises UserError: the text is not well-formed XML, or declares a document type.
    """
    builder = TreeBuilder()
    # The text is decoded already, so what it declares of its encoding no longer holds
    parser = xml.parsers.expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data

    def refuse(*declaration):
        raise UserError("%s declares a document type (line %d), which ELAN never does and which can hide harm; "
                        "save it from ELAN again" % (path, parser.CurrentLineNumber))

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.encode("utf-8"), True)
    except xml.parsers.expat.ExpatError as error:
        raise UserError("%s is not well-formed XML: %s" % (path, error))
    return builder.close()


def _tier_names(parsed):
    """Tiers with annotations, in the order of the files."""
    names = {}
    for _, root in parsed:
        for tier in root.iter("TIER"):
            if tier.find("ANNOTATION") is not None:
                names[tier.get("TIER_ID", "")] = None
    return list(names)


def _chosen_tiers(present, wanted, files):
    unknown = [tier for tier in wanted if tier not in present]
    if unknown:
        raise UserError("there is no tier '%s' with annotations in %s; there are: %s"
                        % (unknown[0], files[0].path, ", ".join(present) or "none"))
    if wanted:
        return list(wanted)
    if len(present) > 1:
        raise UserError("%s has %d tiers (%s); choose those that hold actions with --tier NAME, which may be repeated"
                        % (files[0].path if len(files) == 1 else "the ELAN files", len(present), ", ".join(present)))
    return present


def _media(root):
    media = [descriptor.get("RELATIVE_MEDIA_URL") or descriptor.get("MEDIA_URL") or ""
             for descriptor in root.iter("MEDIA_DESCRIPTOR")]
    return [recording_name(url) for url in media if url.strip()]


def _recording(file, root):
    """The name of the first medium, or of the file where it names none."""
    return (_media(root) or [file.stem])[0]


def _media_notes(parsed):
    """What a user should know of the media of some files, a sentence a kind."""
    several, nameless, shifted = [], [], []
    for file, root in parsed:
        media = _media(root)
        if not media:
            nameless.append(file.stem)
        elif len(set(media)) > 1:
            several.append("%s: %s" % (file.stem, " and ".join(media)))
        origins = [descriptor.get("TIME_ORIGIN") for descriptor in root.iter("MEDIA_DESCRIPTOR")]
        if origins and origins[0] not in (None, "", "0"):
            shifted.append("%s: %s ms" % (file.stem, origins[0]))
    notes = (("files that name no medium, recordings named like the file: %s", nameless),
             ("files with several media, recordings named like the first: %s", several),
             ("files whose medium was shifted against the annotations (TIME_ORIGIN), times taken as they are: %s",
              shifted))
    return [sentence % shortened(names) for sentence, names in notes if names]


def _file_rows(file, root, name, chosen, left_out):
    slots = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
    times = _annotation_times(root, slots)
    rows = []
    for tier in root.iter("TIER"):
        if tier.get("TIER_ID", "") not in chosen:
            continue
        for annotation in tier.findall("ANNOTATION/*"):
            key = annotation.get("ANNOTATION_ID", "?")
            place = "%s, tier '%s', annotation %s" % (file.path, tier.get("TIER_ID", ""), key)
            label = (annotation.findtext("ANNOTATION_VALUE") or "").strip()
            if not label:
                left_out.append(("annotations without a value", place))
            elif times.get(key) is None:
                left_out.append(("annotations without a time of their own (unaligned or subdivided)", place))
            else:
                rows.append(Row(name, times[key][0], times[key][1], "milliseconds", label, place))
    return rows


def _annotation_times(root, slots):
    """Start and end by annotation id; an annotation that refers to another one has that one's times."""
    times, refers, follows = {}, {}, set()
    for annotation in root.iter("ALIGNABLE_ANNOTATION"):
        edges = [slots.get(annotation.get(key)) for key in ("TIME_SLOT_REF1", "TIME_SLOT_REF2")]
        if all(edge is not None and edge.lstrip("-").isdigit() for edge in edges):
            times[annotation.get("ANNOTATION_ID")] = tuple(float(edge) for edge in edges)
    for annotation in root.iter("REF_ANNOTATION"):
        key = annotation.get("ANNOTATION_ID")
        refers[key] = annotation.get("ANNOTATION_REF")
        if annotation.get("PREVIOUS_ANNOTATION"):
            follows |= {key, annotation.get("PREVIOUS_ANNOTATION")}
    for key in refers:
        # Pieces of a symbolic subdivision share their parent's time in an unknown way
        target, seen = key, set()
        while target in refers and target not in seen and target not in follows:
            seen.add(target)
            target = refers[target]
        if target in times:
            times[key] = times[target]
    return times
