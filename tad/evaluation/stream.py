"""Reads a JSON file piece by piece, so that a detections file of gigabytes needs the memory of its numbers only."""

import json

from tad.errors import UserError

CHUNK = 1 << 20  # characters; more are read at a time where one value is longer
LONGEST_TOKEN = 16  # characters that are no string and no number, such as false and \ud83d\ude00


class JsonStream:
    """Walks through one JSON document; the caller says at each step whether to enter a value or to take it whole.

    :param stream: open text file.
    :param place: what the messages call it, for example ``the detections found.json``.

    ``inside`` is what the caller is in, for the messages, for example ``recording 'a'``; empty where that says nothing.
    """

    def __init__(self, stream, place):
        self._stream = stream
        self._called, self.inside = place, ""
        self._decode = json.JSONDecoder().raw_decode
        self._text, self._at, self._passed, self._ended = "", 0, 0, False

    def peek(self):
        """The next character that is no white space; empty at the end of the file. It is not consumed."""
        while True:
            text, at = self._text, self._at
            while at < len(text) and text[at] in " \t\n\r":
                at += 1
            self._at = at
            if at < len(text):
                return text[at]
            if not self._more():
                return ""

    def value(self):
        """The next value, whole."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except ValueError as error:
                message, at = getattr(error, "msg", str(error)), getattr(error, "pos", self._at)
                fault = self._fault(message, at)
                # Only what goes on to the end of the text may be right after all
                if (message.startswith("Unterminated") or at + LONGEST_TOKEN > len(self._text)) and self._more():
                    continue
                raise fault
            except RecursionError:
                raise UserError("%s is nested too deeply" % self._called)
            if end == len(self._text) and self._more():
                continue  # the rest of a number may follow
            self._at = end
            return value

    def keys(self):
        """Keys of the object that begins here; before the next one, the caller takes the value of each."""
        for _ in self._elements("{", "}"):
            if self.peek() != '"':
                raise self._fault("Expecting property name enclosed in double quotes", self._at)
            key = self.value()
            if self.peek() != ":":
                raise self._fault("Expecting ':' delimiter", self._at)
            self._at += 1
            yield key

    def values(self):
        """Whole values of the list that begins here."""
        for _ in self._elements("[", "]"):
            yield self.value()

    def end(self):
        """Make sure that nothing follows."""
        if self.peek():
            raise self._fault("Extra data", self._at)

    def _elements(self, opening, closing):
        if self.peek() != opening:
            raise self._fault("Expecting '%s'" % opening, self._at)
        self._at += 1
        if self.peek() == closing:
            self._at += 1
            return
        while True:
            yield
            mark = self.peek()
            if mark not in (",", closing):
                raise self._fault("Expecting ',' delimiter", self._at)
            self._at += 1
            if mark == closing:
                return

    def _more(self):
        """Read on, at least as much as is waiting, so that the work stays linear; False at the end of the file."""
        if self._ended:
            return False
        waiting = self._text[self._at:]
        self._passed += self._at
        try:
            read = self._stream.read(max(CHUNK, len(waiting)))
        except UnicodeDecodeError:
            raise UserError("%s is not UTF-8 text" % self._called)
        self._text, self._at, self._ended = waiting + read, 0, not read
        return bool(read)

    def _fault(self, message, at):
        inside = ", in " + self.inside if self.inside else ""
        return UserError("%s is not valid JSON: %s (character %d%s)"
                         % (self._called, message, self._passed + at, inside))
