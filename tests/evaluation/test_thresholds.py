"""tIoU thresholds as text."""

import pytest

from tad.errors import UserError
from tad.evaluation.thresholds import parse_thresholds, threshold_name


@pytest.mark.parametrize("text, expected", [
    ("0.3:0.1:0.7", (0.3, 0.4, 0.5, 0.6, 0.7)), ("0.5", (0.5,)), ("0.5,0.75, 1", (0.5, 0.75, 1.0)),
    ("0.5:0.05:0.95", tuple(round(0.5 + 0.05 * index, 2) for index in range(10))), ("0.4:0.3:0.4", (0.4,)),
    ("0.3:0.25:0.7", (0.3, 0.55)),
])
def test_ranges_and_lists(text, expected):
    assert parse_thresholds(text) == expected


@pytest.mark.parametrize("text", ["", "x", "0.3:0.7", "0.3:0:0.7", "0.7:0.1:0.3", "0.3:-0.1:0.7", "0:0.1:0.7",
                                  "0.5,", "0.5;0.7", "1.5", "-0.5", "nan", "0.1:nan:0.5", "0.1:0.1:inf", "0.1:1e-12:1",
                                  "0.5,0"])
def test_anything_else_is_one_sentence(text):
    with pytest.raises(UserError, match="tIoU thresholds must"):
        parse_thresholds(text)


def test_names_have_no_noise():
    assert [threshold_name(value) for value in parse_thresholds("0.1:0.1:0.9")] == \
        ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"]
