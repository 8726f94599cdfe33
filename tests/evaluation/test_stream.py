"""The stream reads what ``json`` reads, wherever the pieces end, and refuses what it refuses."""

import io
import json

import pytest

from tad.errors import UserError
from tad.evaluation import stream as streams
from tad.evaluation.stream import JsonStream

DOCUMENT = {"version": "1 \u00e9 \U0001f600 \\ \" }", "empty": {}, "end": 1234567,
            "results": {"a b": [{"score": 0.25, "segment": [-1.5e-7, 12]}, 7, []], "": [], "c": [True, None, "x,]"]}}


@pytest.fixture(params=[1, 2, 7, 1 << 20])
def chunk(request, monkeypatch):
    monkeypatch.setattr(streams, "CHUNK", request.param)


def walk(text):
    """The document, entered as far as the evaluation enters it."""
    stream = JsonStream(io.StringIO(text), "the file f")
    result = {}
    for key in stream.keys():
        if key == "results":
            result[key] = {name: list(stream.values()) for name in stream.keys()}
        else:
            result[key] = stream.value()
    stream.end()
    return result


@pytest.mark.parametrize("form", [{}, {"indent": 3}, {"indent": 40},
                                  {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_reads_what_json_reads(chunk, form):
    assert walk(json.dumps(DOCUMENT, **form) + " \n\t") == DOCUMENT


def test_every_cut_document_is_refused(chunk):
    text = json.dumps(DOCUMENT)
    for end in range(len(text)):
        with pytest.raises(UserError, match="the file f is not valid JSON: .* \\(character [0-9]+\\)"):
            walk(text[:end])


@pytest.mark.parametrize("text", ["{} x", "{'a': 1}", '{"a" 1}', '{"a": 1,}', '{"results": {"a": [1 2]}}', '{1: 2}',
                                  '{"results": {"a": [1,]}}', '{"a": 01}', "[]"])
def test_what_is_not_json_is_refused(chunk, text):
    with pytest.raises(UserError, match="not valid JSON"):
        walk(text)


def test_a_broken_file_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(streams, "CHUNK", 100)
    text = io.StringIO('{"results": {"a": [1, 2, x' + 10000 * ", 1" + "]}}")
    stream = JsonStream(text, "the file f")
    with pytest.raises(UserError, match="character 25"):
        for _ in stream.keys():
            list(list(stream.values()) for _ in stream.keys())
    assert text.tell() <= 200


def test_the_place_of_a_fault_counts_from_the_beginning(chunk):
    with pytest.raises(UserError, match="character 25"):
        walk('{"results": {"a": [1, 2, x]}}')
