"""Reads settings strictly: YAML file, then ``--set`` on top, into the typed records of ``tad.config``."""

import dataclasses
import difflib
import math
import os
import re
import reprlib
from typing import Tuple, Union

import yaml

from tad.config import DETECTORS, Settings
from tad.config.fields import has_effect
from tad.errors import UserError
from tad.files import atomic_write

PATH_KEYS = ("dataset.annotations", "dataset.features", "dataset.external_scores", "evaluation.blocked")
PACKAGE_PREFIX = "package:"
DATA_ROOT = "TAD_DATA"  # the variable that ``tad run --machine`` sets to the data root of a machine
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def load_settings(path=None, assignments=(), variables=os.environ):
    """Settings from a YAML file and ``key=value`` assignments; what neither names keeps its default.

    :param path: YAML file, or None for the defaults. Paths inside are relative to the file's folder.
    :param assignments: strings ``section.key=value``; values are read as YAML, paths from the working folder.
    :param variables: what ``${NAME}`` in a path stands for.
    :returns: :class:`tad.config.Settings`
    :raises UserError: unreadable file, unknown key, wrong type, value out of range, a variable that is not set.
    """
    if path is None:
        return override_settings(Settings(), assignments, variables)
    settings, sources = _read_file(path, variables)
    check_effect(settings, sources)
    return override_settings(settings, assignments, variables)


def load_written(path):
    """The settings that a run has written to its ``config.yaml``, with those that had no effect."""
    return _read_file(path, os.environ)[0]


def _read_file(path, variables):
    """Settings from a YAML file, and the file as the source of each key in it."""
    values = flatten(read_yaml(path), path)
    sources = {key: path for key in values}
    resolve_paths(values, os.path.dirname(os.path.abspath(path)), sources, variables)
    return build(Settings, values, sources), sources


def override_settings(settings, assignments, variables=os.environ):
    """Settings with ``key=value`` assignments on top, as :func:`load_settings` reads them."""
    given = dict(parse_assignment(text) for text in assignments)
    values = flatten(settings_to_dict(settings), "settings")
    if given.get("detector", settings.detector) != settings.detector:  # another one's settings end with it
        values = {key: value for key, value in values.items() if not key.startswith(settings.detector + ".")}
    sources = {key: "settings" for key in values}
    sources.update({key: "--set " + key for key in given})
    resolve_paths(given, os.getcwd(), sources, variables)
    values.update(given)
    settings = build(Settings, values, sources)
    check_effect(settings, {key: sources[key] for key in given})
    return settings


def settings_from_dict(values, source):
    """The inverse of :func:`settings_to_dict`; ``source`` names the file in messages."""
    flat = flatten(values, source)
    return build(Settings, flat, {key: source for key in flat})


def settings_to_dict(settings):
    """Nested plain values, for YAML and for checkpoints, without the sections of detectors that are not chosen."""
    result = _plain(dataclasses.asdict(settings))
    return {key: value for key, value in result.items() if key not in DETECTORS or key == settings.detector}


def write_settings(settings, path):
    """Write the resolved settings as YAML."""
    with atomic_write(path) as stream:
        yaml.safe_dump(settings_to_dict(settings), stream, default_flow_style=False, sort_keys=False)


def replace(settings, **changes):
    """A copy of a settings record with some fields changed; ``section__key=value`` reaches one level down."""
    for key, value in changes.items():
        section, _, name = key.partition("__")
        if name:
            value = dataclasses.replace(getattr(settings, section), **{name: value})
        settings = dataclasses.replace(settings, **{section: value})
    return settings


def read_yaml(path, what="configuration"):
    """The mapping that a YAML file holds; ``what`` it is, for messages."""
    try:
        with open(path, encoding="utf-8") as stream:
            values = yaml.load(stream, Loader=_StrictLoader)
    except OSError as error:
        raise UserError("cannot read the %s %s: %s" % (what, path, error.strerror))
    except UnicodeDecodeError as error:
        raise UserError("the %s %s is not UTF-8 text (byte %d); save it as UTF-8 in your editor"
                        % (what, path, error.start))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else " in line %d, column %d" % (mark.line + 1, mark.column + 1)
        raise UserError("%s is not valid YAML%s: %s" % (path, place, getattr(error, "problem", None) or error))
    except Exception as error:  # a date that no calendar has, nesting without end, !!bool maybe: PyYAML stumbles on
        raise UserError("%s is not valid YAML: %s %.100s" % (path, type(error).__name__, error))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError("%s must hold 'key: value' lines, not a %s" % (path, type(values).__name__))
    return values


def _not_base_60(regexp):
    """The same pattern for numbers, but not for those with colons."""
    return re.compile(r"(?!.*:)(?:%s)" % regexp.pattern, regexp.flags)


MOST_NODES = 100000  # values and keys of a configuration; a few short lines of aliases can expand to billions


def _expanded(node, known):
    """How many values a YAML node stands for once its aliases are followed; infinite where it holds itself."""
    if id(node) not in known:
        known[id(node)] = math.inf  # what holds itself meets this before its own count
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        flat = [part for item in parts for part in (item if isinstance(item, tuple) else (item,))]
        known[id(node)] = 1 + sum(_expanded(part, known) for part in flat)
    return known[id(node)]


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key may stand only once; PyYAML would drop the first of two sections without a word.

    ``24:00:00`` is text: YAML 1.1 alone reads it as the number 86400.
    """

    yaml_implicit_resolvers = {
        first: [(tag, _not_base_60(regexp) if tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") else regexp)
                for tag, regexp in resolvers]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}

    def get_single_node(self):
        node = super(_StrictLoader, self).get_single_node()
        if node is not None and _expanded(node, {}) > MOST_NODES:
            raise yaml.constructor.ConstructorError(None, None, "its aliases (*name) expand to more than %d values"
                                                    % MOST_NODES, node.start_mark)
        return node

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, "'%s' stands there twice" % key.value,
                                                        key.start_mark)
            seen.add(key.value)
        return super(_StrictLoader, self).construct_mapping(node, deep)


def parse_assignment(text):
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError("--set takes key=value, for example --set train.steps=500; got '%s'" % text)
    try:
        return key.strip(), yaml.load(value, Loader=_StrictLoader)
    except Exception:  # as in read_yaml
        raise UserError("--set %s: cannot read the value '%s'" % (key, value))


def flatten(values, source, prefix="", record=Settings):
    """``{"train": {"steps": 5}}`` to ``{"train.steps": 5}``; empty sections vanish."""
    flat = {}
    for key, value in values.items():
        name = prefix + str(key)
        if isinstance(value, dict) and (value or name in _sections(record)):
            flat.update(flatten(value, source, name + ".", record))
        elif value is None and name in _sections(record):
            continue
        else:
            flat[name] = value
    return flat


def resolve_paths(values, folder, sources, variables, keys=PATH_KEYS):
    """Make paths absolute, with ``~`` and ``${NAME}`` replaced; a variable that begins one is the shell's own path."""
    for key in keys:
        path = values.get(key)
        if isinstance(path, str) and path and not path.startswith(PACKAGE_PREFIX):
            begins = os.getcwd() if _VARIABLE.match(path) else folder
            path = expand(path, "%s: '%s'" % (sources[key], key), variables)
            values[key] = os.path.normpath(os.path.join(begins, os.path.expanduser(path)))


def expand(text, place, variables=os.environ):
    """``text`` with each ``${NAME}`` replaced by the variable's value.

    :raises UserError: a variable is not set; ``place`` begins the sentence.
    """
    missing = sorted({name for name in _VARIABLE.findall(text) if not variables.get(name)})
    if missing:
        hint = " or 'data' in the machine's entry (docs/machines.md)" if missing == [DATA_ROOT] else ""
        raise UserError("%s needs ${%s}, which is not set; set that environment variable%s"
                        % (place, "} and ${".join(missing), hint))
    return _VARIABLE.sub(lambda match: variables[match.group(1)], text)


def build(record, values, sources, prefix=""):
    """Make a settings record from flat values; ``sources`` says for messages where each key was given."""
    fields = {f.name: f for f in dataclasses.fields(record)}
    if not prefix:
        for key in values:
            check_key(key, sources[key], record)
            check_used(key, sources[key], values.get("detector", Settings.detector))
    arguments = {}
    for name, f in fields.items():
        key = prefix + name
        if dataclasses.is_dataclass(f.type):
            arguments[name] = build(f.type, values, sources, key + ".")
        elif key in values:
            arguments[name] = convert(values[key], f, key, sources[key])
    return record(**arguments)


def check_key(key, source, record=Settings):
    """Refuse a key that ``record`` does not have, with the nearest one that it has."""
    known = _keys(record)
    if key in known:
        return
    if key in _sections(record):
        raise UserError("%s: '%s' is a section; set a key in it: %s"
                        % (source, key, ", ".join(_siblings(key + ".x", record))))
    nearest = [name for name in known if name.split(".")[-1] == key.split(".")[-1]]
    nearest = nearest or difflib.get_close_matches(key, known, n=1, cutoff=0.4)
    hint = "; did you mean '%s'?" % nearest[0] if nearest else ""
    place = _siblings(nearest[0] if nearest and "." not in key else key, record)
    raise UserError("%s: unknown setting '%s'%s Allowed here: %s" % (source, key, hint or ".", ", ".join(place)))


def check_used(key, source, detector):
    """Refuse a setting of a detector that is not the chosen one: it would have no effect."""
    section = key.partition(".")[0]
    if section in DETECTORS and detector in DETECTORS and section != detector:
        raise UserError("%s: '%s' is a setting of the detector '%s', but '%s' is chosen; leave it out, or set detector "
                        "to %s" % (source, key, section, detector, section))


def check_effect(settings, sources):
    """Refuse settings that would have no effect, because a switch beside them is off; of defaults nobody needs to know.

    :param sources: where each key that somebody has written was given.
    """
    for key, source in sources.items():
        section, _, name = key.rpartition(".")
        record = getattr(settings, section) if section else settings
        f, = [f for f in dataclasses.fields(record) if f.name == name]
        if not has_effect(record, f.metadata["needs"]) and getattr(record, name) != f.default:
            switch, _, choice = f.metadata["needs"].partition("=")
            raise UserError("%s: '%s' has no effect while %s.%s is %s; leave it out, or set %s.%s to %s"
                            % (source, key, section, switch, getattr(record, switch) if choice else "false",
                               section, switch, choice or "true"))


def convert(value, f, key, source):
    """Check one value against its field's type, choices and range."""
    kinds = _kinds(f.type)
    found = _as_kind(value, kinds)
    if found is _WRONG:
        raise UserError("%s: '%s' must be %s, not %s" % (source, key, _describe(kinds), _shown(value)))
    meta = f.metadata
    if meta["choices"] is not None and found not in meta["choices"]:
        raise UserError("%s: '%s' must be one of %s, not %r" % (source, key, ", ".join(meta["choices"]), found))
    for number in found if isinstance(found, tuple) else (found,):
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            low, high = meta["min"], meta["max"]
            if not math.isfinite(number) or (low is not None and number < low) or (high is not None and number > high):
                limits = " and ".join(text for text in (
                    "at least %g" % low if low is not None else "", "at most %g" % high if high is not None else "")
                    if text) or "finite"
                raise UserError("%s: '%s' must be %s, not %r" % (source, key, limits, found))
            if meta["odd"] and number % 2 == 0:
                raise UserError("%s: '%s' must be odd, not %r" % (source, key, found))
    if isinstance(found, tuple) and not found:
        raise UserError("%s: '%s' must not be empty" % (source, key))
    return found


LARGEST = 10 ** 300  # of whole numbers: what a float and a message can hold
_WRONG = object()
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text",
          tuple: "a list of whole numbers", type(None): "null"}


def _kinds(annotation):
    """The plain types that a field's annotation stands for."""
    if getattr(annotation, "__origin__", None) is Union:
        return tuple(kind for part in annotation.__args__ for kind in _kinds(part))
    if getattr(annotation, "__origin__", None) in (tuple, Tuple):
        return (tuple,)
    return (annotation,)


def _as_kind(value, kinds):
    if value is None:
        return None if type(None) in kinds else _WRONG
    if isinstance(value, bool):
        return value if bool in kinds else _WRONG
    if isinstance(value, int) and abs(value) > LARGEST or isinstance(value, str) and "\0" in value:
        return _WRONG
    if int in kinds and isinstance(value, int):
        return value
    if float in kinds:
        # YAML 1.1 reads 1e-3 as text, because it asks for a dot
        try:
            return float(value) if isinstance(value, (int, float, str)) else _WRONG
        except (ValueError, OverflowError):
            return _WRONG
    if str in kinds and isinstance(value, (str, int, float)):
        return str(value)
    if tuple in kinds and isinstance(value, (list, tuple)):
        return tuple(value) if all(type(item) is int for item in value) else _WRONG
    return _WRONG


def _shown(value):
    """A value in a message, of any size."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a number of %d bits" % value.bit_length()
    return reprlib.repr(value)


def _describe(kinds):
    return " or ".join(_WORDS[kind] for kind in kinds)


def _keys(record, prefix=""):
    names = []
    for f in dataclasses.fields(record):
        if dataclasses.is_dataclass(f.type):
            names += _keys(f.type, prefix + f.name + ".")
        else:
            names.append(prefix + f.name)
    return names


def _sections(record):
    return [f.name for f in dataclasses.fields(record) if dataclasses.is_dataclass(f.type)]


def _siblings(key, record):
    """The keys beside ``key``: of its section where that exists, else of the top level."""
    section = key.rpartition(".")[0]
    if section in _sections(record):
        return [name for name in _keys(record) if name.startswith(section + ".")]
    return [name for name in _keys(record) if "." not in name] + [name + "." for name in _sections(record)]


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    return value
