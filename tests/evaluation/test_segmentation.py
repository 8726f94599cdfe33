"""Per-snippet mAP, F1@k and edit score against literal versions and by hand."""

import os

import numpy as np
import pytest

from tad.errors import UserError
from tad.evaluation.evaluate import segment_metrics, snippet_metrics
from tad.evaluation.scoring import open_scoring
from tad.evaluation.segmentation import edit_score, runs, segment_counts, snippet_average_precision
from tests.helpers import write_json


def scoring(tmp_path, annotated, found, duration=None):
    """Of one recording, or of several by name: ``(start, end, label)`` and ``(start, end, label, score)``."""
    if not isinstance(annotated, dict):
        annotated, found = {"a": annotated}, {"a": found}
    truth = {name: dict({"subset": "test", "annotations": [{"segment": row[:2], "label": row[2]} for row in rows]},
                        **({} if duration is None else {"duration": duration})) for name, rows in annotated.items()}
    given = {name: [{"segment": row[:2], "label": row[2], "score": row[3]} for row in rows]
             for name, rows in found.items()}
    return open_scoring(write_json(tmp_path / "truth.json", {"database": truth}),
                        write_json(tmp_path / "found.json", {"results": given}))


def slow_snippet_precision(positive, scores):
    """Mean over positives of the precision among all snippets with at least their score."""
    values = [np.mean([positive[other] for other in range(len(scores)) if scores[other] >= scores[place]])
              for place in range(len(scores)) if positive[place]]
    return np.mean(values)


def test_snippet_precision_equals_its_definition(rng):
    for _ in range(20):
        count = rng.randint(1, 40)
        positive = rng.uniform(size=count) < 0.4
        scores = np.where(rng.uniform(size=count) < 0.3, -np.inf, rng.randint(0, 6, count).astype(float))
        if positive.any():
            expected = slow_snippet_precision(positive, scores)
            assert snippet_average_precision(positive, scores) == pytest.approx(expected)
        else:
            assert snippet_average_precision(positive, scores) is None


def slow_edit(given, wanted):
    table = np.zeros((len(given) + 1, len(wanted) + 1))
    table[:, 0], table[0] = np.arange(len(given) + 1), np.arange(len(wanted) + 1)
    for row in range(1, len(given) + 1):
        for column in range(1, len(wanted) + 1):
            table[row, column] = min(table[row - 1, column] + 1, table[row, column - 1] + 1,
                                     table[row - 1, column - 1] + (given[row - 1] != wanted[column - 1]))
    return 1 - table[-1, -1] / max(len(given), len(wanted))


def test_edit_score_equals_the_table(rng):
    for _ in range(30):
        given, wanted = rng.randint(0, 3, rng.randint(1, 12)).tolist(), rng.randint(0, 3, rng.randint(1, 12)).tolist()
        assert edit_score(given, wanted) == pytest.approx(slow_edit(given, wanted))
    assert edit_score([], []) == 1 and edit_score([1], []) == 0 and edit_score([], [1, 2]) == 0


def test_segment_counts_equal_a_loop(rng):
    for _ in range(30):
        wanted, given = (runs(np.repeat(rng.randint(-1, 3, 12), rng.randint(1, 4, 12))) for _ in range(2))
        for overlap in (0.1, 0.25, 0.5):
            taken, right = set(), 0
            for label, first, last in given:
                best = max([(max(0, min(last, e) - max(first, s)) / float(max(last, e) - min(first, s)), -place)
                            for place, (other, s, e) in enumerate(wanted) if other == label] or [(0, 0)])
                if best[0] >= overlap and best[1] not in taken:
                    taken.add(best[1])
                    right += 1
            assert segment_counts(given, wanted, overlap) == (right, len(given) - right, len(wanted) - right)


def test_runs_leave_background_out():
    assert runs(np.array([-1, 2, 2, 0, -1, -1, 0])) == [(2, 1, 3), (0, 3, 4), (0, 6, 7)]
    assert runs(np.array([], int)) == [] and runs(np.array([-1, -1])) == []


def test_segmentation_by_hand(tmp_path):
    """Ten seconds in steps of 1: one segment right, one too short, one of a wrong label."""
    case = scoring(tmp_path, [(0, 3, "x"), (4, 8, "y")],
                   [(0, 3, "x", 0.9), (4, 5, "y", 0.8), (5, 8, "x", 0.7), (0, 10, "y", 0.1)], duration=10)
    result = segment_metrics(case, 1.0, 0.5)
    assert result["accuracy"] == pytest.approx(7 / 10.0)
    assert result["F1"] == {"10": pytest.approx(4 / 5.0), "25": pytest.approx(4 / 5.0), "50": pytest.approx(2 / 5.0)}
    assert result["edit"] == pytest.approx(1 - 1 / 3.0) and result["snippets"] == 10
    # Without a least score the weak detection fills the gaps
    assert segment_metrics(case, 1.0, 0.0)["accuracy"] == pytest.approx(4 / 10.0)


def test_overlapping_actions_are_counted_and_the_later_is_taken(tmp_path):
    case = scoring(tmp_path, [(0, 4, "x"), (2, 6, "y")], [(0, 2, "x", 1.0), (2, 6, "y", 1.0)])
    result = segment_metrics(case, 0.5, 0.0)
    assert result["overlapping"] == 4 and result["accuracy"] == 1 and result["edit"] == 1


def test_snippets_by_hand(tmp_path):
    """Four snippets of a recording: x in the first two, y in the last two."""
    case = scoring(tmp_path, [(0, 2, "x"), (2, 4, "y")], [(1, 3, "x", 0.9), (2, 4, "y", 0.5), (3, 4, "y", 0.2)])
    result = snippet_metrics(case, 1.0)
    # x: snippets 1 and 2 share the best score, one of them right; then all four
    assert result["AP_per_class"] == {"x": pytest.approx((1 / 2.0 + 2 / 4.0) / 2), "y": 1.0}
    assert (result["snippets"], result["source"]) == (4, "detections")


def test_perfect_detections_are_perfect_everywhere(tmp_path, rng):
    edges = np.unique(rng.randint(0, 60, 12)) / 2.0
    rows = {name: [(float(start), float(end), "xyz"[index % 3]) for index, (start, end)
                   in enumerate(zip(edges[:-1], edges[1:]))] for name in "ab"}
    case = scoring(tmp_path, rows, {name: [row + (0.5,) for row in each] for name, each in rows.items()}, duration=40)
    assert snippet_metrics(case, 0.25)["mAP"] == 1
    result = segment_metrics(case, 0.25, 0.0)
    assert set(result["F1"].values()) == {1.0} and result["edit"] == result["accuracy"] == 1


def test_saved_scores(tmp_path, rng):
    case = scoring(tmp_path, {"a": [(0, 2, "x")], "b": [(0, 1, "y")]}, {}, duration=4)
    folder = tmp_path / "scores"
    folder.mkdir()
    with pytest.raises(UserError, match="classes.txt"):
        snippet_metrics(case, 1.0, str(folder))
    (folder / "classes.txt").write_text("y\nunused\nx\n")
    with pytest.raises(UserError, match="a.npy"):
        snippet_metrics(case, 1.0, str(folder))
    scores = {"a": np.zeros((8, 3)), "b": np.zeros((4, 3))}
    scores["a"][:4, 2] = 1 + rng.uniform(size=4)
    scores["b"][0, 0] = -0.5     # the only y is the least likely
    for name, values in scores.items():
        np.save(str(folder / (name + ".npy")), values.astype(np.float32))
    result = snippet_metrics(case, 1.0, str(folder))
    assert result["AP_per_class"] == {"x": 1.0, "y": pytest.approx(1 / 12.0)} and result["snippets"] == 12
    for broken in (np.zeros((8, 2)), np.zeros(3), np.full((8, 3), np.nan), np.zeros((8, 3), int)):
        np.save(str(folder / "a.npy"), broken)
        with pytest.raises(UserError, match=r"a.npy must hold finite floats of shape \(snippets, 3\)"):
            snippet_metrics(case, 1.0, str(folder))
    np.save(str(folder / "a.npy"), np.array([{}]), allow_pickle=True)
    with pytest.raises(UserError, match="cannot read the per-snippet scores"):
        snippet_metrics(case, 1.0, str(folder))
    os.unlink(str(folder / "classes.txt"))
    (folder / "classes.txt").write_text("x\nx\ny\n")
    with pytest.raises(UserError, match="one line 'x'"):
        snippet_metrics(case, 1.0, str(folder))


def test_steps_that_make_no_sense_are_told(tmp_path):
    case = scoring(tmp_path, [(0.0, 0.1, "x"), (6, 6.1, "x")], [], duration=1000)
    with pytest.raises(UserError, match="no action covers"):
        snippet_metrics(case, 10.0)
    with pytest.raises(UserError, match="longer --step"):
        snippet_metrics(case, 1e-8)
