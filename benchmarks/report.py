"""The report page: how long it takes to write and to load, and how large it is.

    python benchmarks/report.py                    # 1,000 recordings, 200,000 detections
    python benchmarks/report.py --recordings 5000 --detections 400000

Writes a made-up run and its page, and opens the page in a headless Chromium (Playwright's Python package, and a
Chromium on the path), five times in a fresh window each. "load": from asking for the file until the first drawing is
done; "slider": from one movement of the score slider, with the list in view, until the timelines are drawn again;
"class": likewise for choosing a class, which counts, sorts and draws everything anew. Medians.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time

import numpy as np

from tad.files import write_json
from tad.report.inputs import Asked
from tad.report.manifest import machine, versions
from tad.report.write import write_report

CLASSES = 20
REDRAWN = """([id, value, name]) => new Promise(done => {
  const begun = performance.now(), control = document.getElementById(id);
  control.value = value;
  control.dispatchEvent(new Event(name));
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
})"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=1000)
    parser.add_argument("--detections", type=int, default=200000, help="of all recordings together")
    parser.add_argument("--output", default=os.path.join("build", "report.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        truth, found = make_run(folder, options.recordings, options.detections // options.recordings)
        page = os.path.join(folder, "page.html")
        begun = time.perf_counter()
        write_report([found], Asked(ground_truth=truth), page)
        rows = {"write s": time.perf_counter() - begun, "size MB": os.path.getsize(page) / 1e6}
        rows.update(open_in_browser(page))
    for name, value in rows.items():
        print("%-10s %8.2f" % (name, value))
    write_json(options.output, {"versions": versions(), "machine": machine(), "options": vars(options), "rows": rows})


def make_run(folder, recordings, detections):
    """Annotations and detections of a made-up run; returns the paths of both files."""
    rng = np.random.RandomState()
    database, results = {}, {}
    for index in range(recordings):
        name, duration = "video_%05d" % index, rng.uniform(60, 400)
        starts = rng.uniform(0, duration - 10, 9)
        database[name] = {"subset": "test", "duration": duration, "annotations": [
            {"segment": [start, start + rng.uniform(1, 10)], "label": label(rng)} for start in starts]}
        results[name] = [{"segment": [start, start + rng.uniform(1, 10)], "label": label(rng), "score": rng.beta(1, 4)}
                         for start in rng.choice(starts, detections) + rng.normal(0, 3, detections)]
    paths = os.path.join(folder, "truth.json"), os.path.join(folder, "found.json")
    write_json(paths[0], {"version": "1", "database": database})
    write_json(paths[1], {"version": "1", "results": results, "external_data": {}})
    return paths


def label(rng):
    return "class %02d" % rng.randint(CLASSES)


def open_in_browser(page_path):
    """Medians of what a user waits for, in seconds."""
    from playwright.sync_api import sync_playwright
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    rows = {"load s": [], "slider s": [], "class s": []}
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(5):
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            begun = time.perf_counter()
            page.goto("file://" + page_path)
            page.wait_for_function("document.getElementById('listed').textContent")
            rows["load s"].append(time.perf_counter() - begun)
            page.evaluate("document.getElementById('recordings').scrollIntoView()")
            page.wait_for_selector(".card")
            rows["slider s"].append(page.evaluate(REDRAWN, ["slider", "300", "input"]) / 1000)
            rows["class s"].append(page.evaluate(REDRAWN, ["class", "3", "change"]) / 1000)
            page.close()
        browser.close()
    return {name: statistics.median(values) for name, values in rows.items()}


if __name__ == "__main__":
    main()
