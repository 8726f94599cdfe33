"""One HTML file that needs nothing else: the page's style and scripts from ``page/``, and the data of a report."""

import base64
import hashlib
import json
import os

from tad.files import atomic_write

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page")
SCRIPTS = ("data.js", "parts.js", "charts.js", "tables.js", "diagnosis.js", "timeline.js", "recordings.js", "main.js")


def write_page(path, data):
    """Write the page of a report, atomically.

    :param data: from :func:`tad.report.page_data.page_data`.
    :raises UserError: the file cannot be written.
    """
    style = _read("style.css")
    script = '(function () {\n"use strict";\n%s})();\n' % "".join(_read(name) for name in SCRIPTS)
    # Only this style and this script may run, and nothing may be fetched: whatever a label holds
    policy = ("default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
              "style-src 'unsafe-inline'; script-src %s" % _fingerprint(script))
    pieces = {"policy": policy, "style": style, "script": script, "data": safe_json(data)}
    with atomic_write(path) as stream:
        # Each piece once: what a piece holds is never looked through for further names
        for part in _read("page.html").split("@@"):
            stream.write(pieces.get(part, part))


def safe_json(value):
    """JSON that may stand in a ``<script>`` element: nothing in it can end the element, or be a line end of old
    JavaScript. Numbers that are not finite are refused."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _fingerprint(text):
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return "'sha256-%s'" % base64.b64encode(digest).decode("ascii")


def _read(name):
    with open(os.path.join(PAGE, name), encoding="utf-8") as stream:
        return stream.read()
