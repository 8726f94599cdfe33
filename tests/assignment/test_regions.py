"""Targets of actionness, startness and endness against the paper's words, snippet after snippet in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from tad.assignment.regions import region_targets


def slow(segments, length, valid, part, least):
    targets = np.zeros((3, length))
    for start, end in segments:
        start, end = Fraction(start), Fraction(end)
        reach = max(Fraction(part) * (end - start), Fraction(least))
        regions = (start, end), (start - reach, start + reach), (end - reach, end + reach)
        for row, (low, high) in enumerate(regions):
            for snippet in range(valid):
                half = Fraction(1, 2)
                shared = min(high, snippet + half) - max(low, snippet - half)
                if shared >= half:
                    targets[row, snippet] = 1
    return targets


@pytest.mark.parametrize("part, least", [(0.125, 0.5), (0.25, 1.5), (0.0, 0.5), (0.5, 4.0)])
@pytest.mark.parametrize("actions", [0, 1, 4])
def test_targets_equal_the_definition(rng, part, least, actions):
    """Sixteenths, so that some snippets are covered to one half exactly; actions reach past the clip."""
    segments = np.sort(rng.randint(-80, 480, (actions, 2)), axis=1) / 16.0
    found = region_targets(segments, 25, 20, part, least)
    assert found.dtype == np.float32 and found.shape == (3, 25) and not found[:, 20:].any()
    np.testing.assert_array_equal(found, slow(segments.tolist(), 25, 20, part, least))


def test_worked_out_by_hand():
    """An action over snippets 3 to 12; a tenth of its duration is one snippet to each side, of which halves count."""
    found = region_targets(np.array([[2.5, 12.5]]), 16, 16, 0.1, 0.5)
    assert [np.flatnonzero(row).tolist() for row in found] == [list(range(3, 13)), [2, 3], [12, 13]]
    found = region_targets(np.array([[3.0, 3.4]]), 16, 16, 0.1, 0.5)
    assert [np.flatnonzero(row).tolist() for row in found] == [[], [3], [3]], "too short to be seen itself"


@pytest.mark.parametrize("place", [0.1, 0.3, 7.7, 9.9])
def test_the_narrowest_region_always_holds_a_snippet(place):
    found = region_targets(np.array([[place, place + 0.01]]), 12, 12, 0.0, 0.5)
    assert found[1:].any(axis=1).all()
