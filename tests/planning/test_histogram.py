"""The histogram of durations."""

import numpy as np

from tad.planning.histogram import BAR, draw_histogram, duration_bins, text_histogram


def test_every_duration_is_in_one_bin(rng):
    for _ in range(30):
        seconds = np.exp(rng.uniform(-3, 6, rng.randint(1, 500)))
        edges, counts = duration_bins(seconds)
        assert counts.sum() == len(seconds) and len(edges) == len(counts) + 1
        assert edges[0] <= seconds.min() * 1.0001 and edges[-1] >= seconds.max() * 0.9999


def test_equal_durations_are_one_line(tmp_path):
    assert text_histogram(np.full(7, 2.5)) == ["      2.5 to       2.5 s %s 7" % ("#" * BAR)]
    draw_histogram(str(tmp_path / "a.png"), np.full(7, 2.5), [(0.5, "one snippet")])
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_single_action_in_a_bin_can_be_seen(rng):
    lines = text_histogram(np.concatenate([np.full(1000, 1.0), [90.0]]))
    assert lines[-1].split()[-2] == "#" and lines[-1].endswith(" 1")
