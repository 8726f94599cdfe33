"""The page in a real browser: it shows the numbers of Python, obeys mouse and keyboard, and nothing breaks out of it.

Needs Playwright's Python package and Debian's ``chromium`` (or another Chromium on the path).
"""

import os
import re
import shutil
from collections import Counter

import numpy as np
import pytest

from tad.evaluation.diagnosis.errors import TRUE
from tad.report.compare import compare
from tad.report.inputs import Asked, read_runs
from tad.report.kinds import KINDS, UNCOUNTED
from tests.evaluation.slow import tiou
from tests.helpers import call, write_json
from tests.report.made import HOSTILE, make_data, write_run

pytestmark = pytest.mark.slow
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("needs a Chromium on the path, for example Debian's package chromium")
    with playwright.sync_playwright() as started:
        # Inside containers the browser's own sandbox cannot be set up
        opened = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Path of a page of two runs with hostile names, curves and a diagnosis; and the comparison it was made of."""
    rng = np.random.RandomState()
    folder = tmp_path_factory.mktemp("report")
    ids = tuple(HOSTILE) + tuple("rec_%02d" % index for index in range(30))
    annotations, detections = make_data(rng, labels=HOSTILE[:6], ids=ids, recordings=len(ids))
    other = make_data(rng, labels=HOSTILE[:6], ids=ids, recordings=len(ids))[1]
    runs = [write_run(folder / name, annotations, found) for name, found in (("a", detections), ("b<i>", other))]
    own = compare(read_runs(runs[:1], Asked())).results[0].diagnosis
    write_json(runs[0] + "/diagnosis.json", dict(own, notes=["<b>no</b> context"]))
    os.makedirs(runs[0] + "/scores")
    times = np.arange(0, 30, 0.5)
    np.savez(runs[0] + "/scores/rec_00.npz", times=times, actionness=np.abs(np.sin(times)), endness=0 * times)
    both = np.abs(np.cos(times))
    np.savez(runs[0] + "/scores/rec_01.npz", times=times, startness=both, endness=both)
    page = str(folder / "page.html")
    assert call(["report", "--output", page] + runs) == 0
    return page, compare(read_runs(runs, Asked()))


@pytest.fixture
def open_page(browser):
    """Open a page in a window of its own; at the end nothing may have been said on the console, or asked for."""
    said, windows = [], []

    def opened(path, width=1200, height=900, scheme="light"):
        window = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        windows.append(window)
        page = window.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda asked: said.append(asked.url) if asked.url != "file://" + path else None)
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto("file://" + path)
        page.wait_for_function("document.getElementById('listed').textContent")
        return page

    yield opened
    for window in windows:
        window.close()
    assert said == []


def show_list(page):
    page.evaluate("document.getElementById('recordings').scrollIntoView()")
    page.wait_for_selector(".card")


def counts(found, result, recording, least, label=None):
    """Instances, found ones and false positives of a recording, counted by Python."""
    truth, rows = found.truth, result.found
    own = truth.recordings == recording
    mine = (rows.recordings == recording) & (rows.scores.astype(np.float32) >= least) & (result.kind != UNCOUNTED)
    if label is not None:
        own, mine = own & (truth.labels == label), mine & (rows.labels == label)
    return (int(own.sum()), int((own & (result.reached.astype(np.float32) >= least)).sum()),
            int((mine & (result.kind != TRUE)).sum()))


def shown_counts(page):
    """Recording -> its counts of each run, as the cards that exist say them."""
    cards = page.eval_on_selector_all(".card", "all => all.map(one => [Number(one.dataset.recording), "
                                               "one.querySelector('.counts').textContent])")
    return {recording: [(int(total), int(right), int(wrong)) for right, total, wrong in
                        re.findall(r"(\d+) of (\d+) instances? found, (\d+) false", text)] for recording, text in cards}


def test_names_are_text_and_the_summary_has_the_numbers(open_page, report):
    path, found = report
    page = open_page(path)
    assert page.title() == "a, b<i> - detections report" and page.query_selector("main img, main b, main i i") is None
    labels = page.eval_on_selector_all("#class-table tbody button", "all => all.map(one => one.textContent)")
    assert sorted(labels) == sorted(label if label else "(empty)" for label in found.labels)
    rows = page.eval_on_selector_all("#summary-table tbody tr", "all => all.map(one => Array.from(one.cells, "
                                                                "cell => cell.textContent))")
    assert [row[0] for row in rows] == ["A: a", "B: b<i>"]
    for row, result in zip(rows, found.results):
        np.testing.assert_allclose([float(cell) for cell in row[1:6]], result.mean_ap, atol=6e-4)
    assert "<b>no</b> context" in page.inner_text("#diagnosis")


def test_score_and_class_change_every_count(open_page, report):
    path, found = report
    page = open_page(path)
    page.select_option("#by", "same")
    for least in (0.0, 0.35, 0.8):
        page.fill("#score", str(least))
        page.press("#score", "Enter")
        show_list(page)
        shown = shown_counts(page)
        assert len(shown) >= 3
        for recording, both in shown.items():
            assert both == [counts(found, result, recording, least) for result in found.results]
    label = int(found.truth.labels[0])
    page.select_option("#class", str(label))
    show_list(page)
    shown = shown_counts(page)
    assert shown
    for recording, both in shown.items():
        assert both == [counts(found, result, recording, 0.8, label) for result in found.results] and both[0][0] > 0


def test_the_slider_moves_by_mouse_and_keyboard(open_page, report):
    page = open_page(report[0])
    page.select_option("#by", "same")
    start = float(page.input_value("#score"))
    page.focus("#slider")
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    assert 0 < float(page.input_value("#score")) < start
    before = page.inner_text("#found")
    page.keyboard.press("Home")
    assert float(page.input_value("#score")) == 0 and page.inner_text("#found") != before
    box = page.query_selector("#slider").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    best = max(result.found.scores.max() for result in report[1].results)
    assert abs(float(page.input_value("#score")) - best / 4) < 0.05


def test_recordings_are_sorted_and_found(open_page, report):
    path, found = report
    page = open_page(path)
    least = float(page.input_value("#score"))
    show_list(page)
    errors = [sum(one[0] - one[1] + one[2] for one in both) for both in shown_counts(page).values()]
    assert errors == sorted(errors, reverse=True)
    assert least > 0
    page.select_option("#sort", "name")
    shown = page.eval_on_selector_all(".card h3", "all => all.map(one => one.title)")
    assert shown == sorted(found.ids)[:len(shown)]
    page.fill("#search", "rec_2")
    assert page.inner_text("#listed") == "10 recordings listed of 40"
    page.fill("#search", "nothing like it")
    assert page.inner_text("#listed") == "0 recordings listed of 40" and page.query_selector(".card") is None


def test_a_timeline_is_read_by_mouse_and_keyboard(open_page, report):
    path, found = report
    page = open_page(path)
    page.fill("#search", "rec_00")
    show_list(page)
    canvas = page.query_selector(".card canvas")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    assert page.is_visible("#tip") and page.inner_text("#spoken")
    first = page.inner_text("#spoken")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#spoken") != first
    before = canvas.screenshot()
    page.keyboard.press("+")
    assert canvas.screenshot() != before
    page.keyboard.press("0")
    page.keyboard.press("Escape")
    assert not page.is_visible("#tip")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 20)
    assert "actionness" in page.inner_text("#tip") and "startness" not in page.inner_text("#tip")
    recording = found.ids.index("rec_00")
    row = np.flatnonzero(found.truth.recordings == recording)[0]
    middle = found.truth.segments[row].mean() / found.durations[recording]
    # Curves 54, margin 4, name of the row 15, then the lane of ground truth
    page.mouse.move(box["x"] + 30 + (box["width"] - 34) * middle, box["y"] + 54 + 4 + 15 + 6)
    words = page.inner_text("#tip")
    assert words.splitlines()[0] == re.sub(r"\s", " ", found.labels[found.truth.labels[row]] or "(empty)")
    assert "annotated" in words and "b<i>: " in words


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curves_that_coincide_are_both_seen(open_page, report, scheme):
    """Startness and endness of rec_01 are equal: the colour of each is on the strip."""
    page = open_page(report[0], scheme=scheme)
    page.fill("#search", "rec_01")
    show_list(page)
    near = page.evaluate("""() => {
      const canvas = document.querySelector(".card canvas"), pen = canvas.getContext("2d");
      const pixels = pen.getImageData(0, 0, canvas.width, 54 * devicePixelRatio).data;
      return Array.from(document.querySelectorAll("#legend .stroke")).slice(1).map(swatch => {
        const wanted = getComputedStyle(swatch).borderTopColor.match(/\\d+/g).map(Number);
        let count = 0;
        for (let i = 0; i < pixels.length; i += 4) {
          if (pixels[i + 3] > 200 && wanted.every((part, k) => Math.abs(part - pixels[i + k]) < 25)) count++;
        }
        return count;
      });
    }""")
    assert len(near) == 2 and min(near) > 100


def test_charts_are_read_by_keyboard_and_classes_chosen_from_the_table(open_page, report):
    path, found = report
    page = open_page(path)
    page.focus("#curve-charts svg")
    for key in ("Home", "PageDown", "PageDown", "ArrowRight"):
        page.keyboard.press(key)
    spoken = page.inner_text("#spoken")
    assert "recall 0.21" in spoken
    at = found.thresholds.index(found.at)
    for result in found.results:
        assert "%.3f" % result.precision[:, at, 21].mean() in spoken
    button = page.query_selector("#class-table tbody button")
    label = int(button.get_attribute("data-label"))
    button.focus()
    page.keyboard.press("Enter")
    assert page.input_value("#class") == str(label)
    assert page.evaluate("document.activeElement.dataset.label") == str(label), "the focus stays"
    assert "AP %.3f" % found.results[0].ap[label, at] in page.inner_text("#curve-charts")
    page.click('#class-table th[data-key="name"] button')
    names = page.eval_on_selector_all("#class-table tbody button", "all => all.map(one => one.textContent)")
    assert names == sorted(names, key=lambda name: name.lower() if name != "(empty)" else "")


def misses(found, result, label, least):
    """How many instances of a class are missed in each way, and under which other classes some are."""
    truth, rows, ways, others = found.truth, result.found, [0, 0, 0, 0], Counter()
    for place in np.flatnonzero(truth.labels == label):
        score = np.float32(result.reached[place])
        if score >= least:
            continue
        near = {row: tiou(rows.segments[row], truth.segments[place])
                for row in np.flatnonzero(rows.recordings == truth.recordings[place])}
        near = {row: value for row, value in near.items() if value >= 0.1}
        way = 0 if score >= 0 else 1 if label in rows.labels[list(near)] else 2 if near else 3
        ways[way] += 1
        if way == 2:
            others[found.labels[rows.labels[max(near, key=near.get)]]] += 1
    return ways, others


def test_a_class_says_why_its_instances_are_missed(open_page, report):
    path, found = report
    page = open_page(path)
    page.select_option("#by", "same")
    page.fill("#score", "0.6")
    page.press("#score", "Enter")
    seen = np.zeros(4, dtype=int)
    for label in range(found.counted):
        page.select_option("#class", str(label))
        for result, words in zip(found.results, page.eval_on_selector_all("#verdict p", "all => all.map(one => "
                                                                          "one.textContent)")):
            expected, others = misses(found, result, label, 0.6)
            said = [re.search(pattern, words) for pattern in (
                r"(\d+) found with a lower", r"(\d+) under a detection of", r"(\d+) only under", r"(\d+) without any")]
            assert [int(one.group(1)) if one else 0 for one in said] == expected
            assert "Of %d missed instance" % sum(expected) in words or not sum(expected)
            if others:
                assert others[re.search("most: \u201c(.*?)\u201d", words, re.DOTALL).group(1)] == max(others.values())
            assert "AP %.3f at tIoU %g" % (result.ap[label, 0], found.thresholds[0]) in words
            seen += expected
    assert seen[0] > 0 and seen[1] > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it_in_both_schemes(open_page, report, scheme):
    page = open_page(report[0], 360, 740, scheme)
    show_list(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(255, 255, 255)") == (scheme == "light")


def test_a_thousand_recordings_stay_usable(open_page, tmp_path):
    rng = np.random.RandomState()
    annotations, detections = make_data(rng, labels=["class %d" % index for index in range(20)], recordings=1000,
                                        detections=200)
    run = write_run(tmp_path / "run", annotations, detections)
    assert call(["report", run]) == 0
    path = os.path.join(run, "report", "index.html")
    assert os.path.getsize(path) < 30e6
    page = open_page(path)
    page.evaluate("window.scrollTo(0, 100000)")
    page.wait_for_timeout(200)
    assert 0 < len(page.query_selector_all(".card")) < 40


def test_a_run_without_detections_stands_beside_one_that_has_some(open_page, tmp_path):
    rng = np.random.RandomState()
    annotations, detections = make_data(rng)
    folders = [write_run(tmp_path / name, annotations, found)
               for name, found in (("none", dict(detections, results={})), ("some", detections))]
    path = str(tmp_path / "page.html")
    assert call(["report", "--output", path] + folders) == 0
    page = open_page(path)
    show_list(page)
    assert page.input_value("#score") == "1" and "recall 0 %, precision -" in page.inner_text("#found")
    assert all(both[0][1:] == (0, 0) for both in shown_counts(page).values())


def test_one_kind_of_error_is_drawn_alone(open_page, report):
    path, found = report
    page = open_page(path)
    kind = int(np.bincount(found.results[0].kind[found.results[0].kind != TRUE]).argmax())
    page.select_option("#kind", str(kind))
    assert page.input_value("#sort") == "shown"
    page.select_option("#by", "same")
    page.fill("#score", "0.25")
    page.press("#score", "Enter")
    show_list(page)
    drawn = [sum(int(((result.found.recordings == recording) & (result.kind == kind)
                      & (result.found.scores >= 0.25)).sum()) for result in found.results)
             for recording in shown_counts(page)]
    assert drawn == sorted(drawn, reverse=True) and drawn[0] > 0
    page.focus(".card canvas")
    for _ in range(12):
        page.keyboard.press("ArrowRight")
        words = page.inner_text("#spoken")
        assert "annotated" in words or found_kind(words) == kind


def found_kind(words):
    """The number of the kind that words on a detection name."""
    return next(number for number, name in enumerate(KINDS) if ", %s" % name in words)


def best_score(found, result):
    """The score at which F1 of a run is highest, found by trying all."""
    rows = result.kind != UNCOUNTED
    scores, right = result.found.scores[rows], result.kind[rows] == TRUE
    f1 = [right[scores >= least].sum() / float((scores >= least).sum() + len(found.truth.labels)) for least in scores]
    return scores[int(np.argmax(f1))]


def test_runs_side_by_side_begin_at_their_own_best_scores(open_page, report):
    path, found = report
    page = open_page(path)
    for factor in (1.0, 0.5):
        page.fill("#score", str(factor))
        page.press("#score", "Enter")
        shown = [float(text) for text in re.findall(r"from ([\d.]+):", page.inner_text("#found"))]
        expected = [factor * best_score(found, result) for result in found.results]
        np.testing.assert_allclose(shown, expected, atol=6e-4)
