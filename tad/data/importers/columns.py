"""Which column of a table holds what: guessed from the usual names, or told."""

import re
from typing import Dict, NamedTuple

from tad.errors import UserError

# In the order of preference; compared without case, spaces and punctuation
SYNONYMS = {
    "recording": "recording recordingid recordingname video videoid videoname vid youtubeid file fileid filename "
                 "filepath path media mediafile mediafilename audiofilename clip clipid clipname sequence "
                 "sequenceid seq seqid session sessionid trial trialid stem observationid observation source id name",
    "start": "start starttime starts startsec startsecs startseconds tstart begin begintime begins beginning beginsec "
             "onset onsetsec from tinit t0 timestart timebegin segmentstart startms startmillis beginms onsetms "
             "startframe framestart startf fstart finit beginframe firstframe framebegin",
    "end": "end endtime ends endsec endsecs endseconds tend stop stoptime stops stopsec offset offsetsec to until "
           "finish t1 timeend timestop segmentend endms endmillis stopms offsetms endframe frameend endf fend "
           "stopframe lastframe framestop",
    "length": "length len dur duration durationsec durations durationms segmentduration eventduration",
    "label": "label labels labelname class classname category categoryname action actionname activity "
             "activityname behavior behaviour behaviorname event eventname gesture trialtype type annotation tag "
             "phase code value labelid labelidx labelindex classid classidx actionid actionidx typeidx",
    "frame": "frame frameid frameindex frameidx framenumber frameno tstep tstepid timestep step sample sampleid "
             "sampleindex index time timestamp timesec seconds t",
    "duration": "duration recordingduration videoduration videolength recordinglength medialength mediaduration "
                "totallength seconds durationsec durationsecond durationseconds length",
    "fps": "fps framerate framesps frequency samplingrate samplerate hz",
    "subset": "subset split partition set fold usage",
    "frames": "frames numframes numframe videoframes nframes framecount",
}
SYNONYMS = {role: words.split() for role, words in SYNONYMS.items()}
ACTION_ROLES = ("recording", "start", "end", "length", "label", "duration", "fps", "subset", "frame")
_FRAME_WORDS = ("finit", "fend", "fstart", "startf", "endf")


class Columns(NamedTuple):
    """``index``: role -> number of the column from 0; ``names``: its name; ``others``: what it might be instead."""

    index: Dict[str, int]
    names: Dict[str, str]
    others: Dict[str, tuple]

    def cell(self, cells, role):
        """The text of a role in a row; "" where the row is short or the role has no column."""
        place = self.index.get(role)
        return cells[place].strip() if place is not None and place < len(cells) else ""

    def described(self, roles):
        """``recording=video, start=t0 (or t-init)``."""
        return ", ".join("%s=%s%s" % (role, self.names[role], " (or %s)" % ", ".join(self.others[role])
                                      if self.others.get(role) else "") for role in roles if role in self.index)


def guess_columns(names, roles):
    """The columns of some roles, by the usual names without their units (``Start (s)``); none is used twice."""
    plain = [re.sub(r"[^a-z0-9]", "", re.sub(r"\(.*?\)|\[.*?\]", "", name.lower())) for name in names]
    index, others, taken = {}, {}, set()
    for role in roles:
        fitting = [plain.index(word) for word in SYNONYMS[role] if word in plain]
        fitting = [place for place in fitting if place not in taken]
        if fitting:
            index[role] = fitting[0]
            taken.add(fitting[0])
            others[role] = tuple(names[place] for place in dict.fromkeys(fitting[1:]))
    return Columns(index, {role: names[place] for role, place in index.items()}, others)


def told_columns(told, names, path):
    """The columns that a user named (``role -> name``, or its number from 1).

    :raises UserError: a role or a column does not exist.
    """
    index = {}
    for role, name in told.items():
        if role not in ACTION_ROLES:
            raise UserError("--columns knows %s, not '%s'" % (", ".join(ACTION_ROLES), role))
        if name in names:
            index[role] = names.index(name)
        elif name.isdigit() and 1 <= int(name) <= len(names):
            index[role] = int(name) - 1
        else:
            raise UserError("%s has no column '%s'; its columns are: %s" % (path, name, ", ".join(names)))
    return Columns(index, {role: names[place] for role, place in index.items()}, {})


def completed(columns, table):
    """Told columns with those that were not told guessed among the others: recordings, starts, ends and labels.

    A column of numbers that never repeat counts the rows, and names no recordings.

    :param table: :class:`tad.data.importers.delimited.Table`
    """
    free = ["" if place in columns.index.values() else name for place, name in enumerate(table.names)]
    guessed = guess_columns(free, ("recording", "start", "end", "label"))
    needless = set(columns.index) | ({"start", "end"} if "frame" in columns.index else set())
    needless |= {"end"} if "length" in columns.index else set()
    numbers = [guessed.cell(cells, "recording") for _, cells in table.rows]
    if len(set(numbers)) == len(numbers) and all(map(str.isdigit, numbers)):
        needless.add("recording")
    places = {role: place for role, place in guessed.index.items() if role not in needless}
    return Columns(dict(places, **columns.index),
                   dict({role: table.names[place] for role, place in places.items()}, **columns.names), {})


def unit_of(name):
    """The unit that a column's name tells (``startFrame``, ``onset_ms``, ``f-init``), or None."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if "frame" in plain or plain in _FRAME_WORDS or plain.startswith(("tstep", "sample")):
        return "frames"
    if plain.endswith(("ms", "millis", "milliseconds", "msec")):
        return "milliseconds"
    return "seconds" if plain.endswith(("sec", "secs", "seconds")) else None
