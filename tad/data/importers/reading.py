"""What every importer takes and gives: input files that are read once, options, and actions with their places."""

import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from tad.data.strict_json import parse_json
from tad.errors import UserError

UNITS = ("seconds", "milliseconds", "frames")
MEDIA_SUFFIXES = frozenset(".mp4 .avi .mov .mkv .webm .mpg .mpeg .m4v .wmv .flv .mts .3gp .ogv .wav .mp3 .m4a .flac "
                           ".ogg .npy .npz .pt .h5 .csv .tsv .txt .json".split())


class Row(NamedTuple):
    """One action: ``start`` and ``end`` in ``unit``; ``place`` is the file and line (or entry) it comes from."""

    recording: str
    start: float
    end: float
    unit: str
    label: str
    place: str


class About(NamedTuple):
    """What is known of a recording; ``frames`` is its number of frames."""

    duration_s: Optional[float] = None
    fps: Optional[float] = None
    subset: Optional[str] = None
    frames: Optional[float] = None


class Reading(NamedTuple):
    """Annotations as a format gives them.

    ``title`` says what was recognised, ``said`` what a user should know of the way it was read; ``left_out`` holds
    ``(reason, place)`` for everything that is no action.
    """

    title: str
    rows: List[Row]
    about: Dict[str, About]
    said: List[str]
    left_out: List[Tuple[str, str]]


class Options(NamedTuple):
    """How annotations are to be read; None stands for what the format itself says.

    ``confirm(sentence)`` returns when the user agrees to what was guessed, and raises a ``UserError`` otherwise.
    """

    confirm: Callable[[str], None]
    unit: Optional[str] = None
    fps: Optional[float] = None
    columns: Optional[Dict[str, str]] = None
    delimiter: Optional[str] = None
    encoding: str = "utf-8-sig"
    tiers: Tuple[str, ...] = ()
    labels: Optional[Dict[str, str]] = None
    background: Tuple[str, ...] = ()
    observations: Tuple[str, ...] = ()
    modifiers: bool = False
    points_s: Optional[float] = None


class InputFile(object):
    """A file to import; its text and JSON are read once, when somebody asks."""

    def __init__(self, path, encoding="utf-8-sig"):
        self.path = path
        self.stem, self.suffix = os.path.splitext(os.path.basename(path))
        self.suffix = self.suffix.lower()
        self._encoding = encoding
        self._text = None
        self._document = None

    @property
    def text(self):
        """The decoded text, whole.

        :raises UserError: the file cannot be read or is not text in this encoding.
        """
        if self._text is None:
            self._text = _decoded(self.path, self._encoding)
        return self._text

    @property
    def is_text(self):
        """Whether there is text in the file, in the encoding that was given."""
        try:
            return bool(self.text.strip())
        except UserError:
            return False

    @property
    def is_json(self):
        """Whether the text begins as a JSON document does."""
        return self.is_text and self.text.lstrip()[:1] in ("{", "[")

    @property
    def document(self) -> Any:
        """The parsed JSON.

        :raises UserError: it is not valid JSON.
        """
        if self._document is None:
            try:
                self._document = parse_json(self.text)
            except ValueError as error:
                raise UserError("%s is not valid JSON: %s" % (self.path, error))
        return self._document


def _decoded(path, encoding):
    try:
        with open(path, "rb") as stream:
            raw = stream.read()
    except OSError as error:
        raise UserError("cannot read %s: %s" % (path, error.strerror))
    # Spreadsheets save "Unicode text" as UTF-16 with a byte order mark
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\0" in raw[:4096]:
        raise UserError("%s holds binary data, where text is needed" % path)
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[:error.start].count(b"\n") + 1
        raise UserError("%s, line %d is not %s text; name its encoding, for example --encoding cp1252"
                        % (path, line, encoding.replace("-sig", "").upper()))
    except LookupError:
        raise UserError("there is no encoding '%s'; use for example utf-8, cp1252 or utf-16" % encoding)


def recording_name(text):
    """The id of a recording from a name, path or URL of its media file: ``C:\\clips\\a.mp4`` -> ``a``."""
    name = text.strip().replace("\\", "/").rstrip("/").split("?")[0].split("/")[-1]
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in MEDIA_SUFFIXES and stem else name


def unite(about, name, **known):
    """Add what is known of a recording to what was known before; a later value wins."""
    old = about.get(name, About())
    about[name] = old._replace(**{key: value for key, value in known.items() if value is not None})


def as_object(value, place):
    """``value`` as the JSON object that it must be.

    :raises UserError: it is something else.
    """
    if not isinstance(value, dict):
        raise UserError("%s must be an object {...}, not %s" % (place, type(value).__name__))
    return value


def as_list(value, place):
    """``value`` as the JSON list that it must be.

    :raises UserError: it is something else.
    """
    if not isinstance(value, list):
        raise UserError("%s must be a list [...], not %s" % (place, type(value).__name__))
    return value
