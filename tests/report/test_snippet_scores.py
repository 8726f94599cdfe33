"""Per-snippet scores of a run folder."""

import numpy as np
import pytest

from tad.errors import UserError
from tad.report.snippet_scores import MOST_DRAWN, read_scores


def test_what_was_saved_is_read(tmp_path, rng):
    times, curve = np.arange(9) / 2.0, rng.uniform(size=9)
    np.savez(str(tmp_path / "a_b.npz"), times=times, actionness=curve, other=np.zeros(3))
    found = read_scores(str(tmp_path), "a/b")
    assert set(found) == {"times", "actionness"}
    np.testing.assert_allclose(found["actionness"], curve, atol=1e-6)
    assert read_scores(str(tmp_path), "another") is None


def test_long_curves_keep_their_peaks(tmp_path, rng):
    size = int(rng.randint(MOST_DRAWN + 1, 5 * MOST_DRAWN))
    curve = np.zeros(size)
    curve[rng.randint(size)] = 1.0
    np.savez(str(tmp_path / "a.npz"), times=np.arange(size), startness=curve)
    found = read_scores(str(tmp_path), "a")
    assert len(found["times"]) == len(found["startness"]) == MOST_DRAWN and found["startness"].max() == 1
    assert (np.diff(found["times"]) > 0).all()


@pytest.mark.parametrize("arrays, words", [
    ({"times": np.arange(3)}, "must hold"), ({"actionness": np.arange(3)}, "must hold"),
    ({"times": np.arange(3), "endness": np.zeros(4)}, "one number for each snippet"),
    ({"times": np.arange(3), "endness": np.array([0, np.nan, 0])}, "finite"),
    ({"times": np.array([0, 2, 1]), "endness": np.zeros(3)}, "must rise"),
    ({"times": np.array(["a", "b"]), "endness": np.zeros(2)}, "cannot read"),
    ({"times": np.array([None, {}], dtype=object), "endness": np.zeros(2)}, "cannot read"),
])
def test_what_does_not_fit_is_told(tmp_path, arrays, words):
    np.savez(str(tmp_path / "a.npz"), **arrays)
    with pytest.raises(UserError, match=words) as caught:
        read_scores(str(tmp_path), "a")
    assert "a.npz" in str(caught.value)


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    with pytest.raises(UserError, match="cannot read the snippet scores"):
        read_scores(str(tmp_path), "a")
