"""What other libraries say becomes part of one sentence."""

import pytest

from tad.errors import LONGEST_REASON, reason


@pytest.mark.parametrize("error, told", [
    (EOFError(), "EOFError"), (ValueError("  \n"), "ValueError"), (OSError("one\ntwo"), "one"),
    (KeyError("a"), "'a'"), (ValueError("x" * LONGEST_REASON), "x" * LONGEST_REASON),
    (ValueError("x" * (LONGEST_REASON + 1)), "x" * LONGEST_REASON + "...")])
def test_a_reason_is_one_line_not_too_long_and_never_empty(error, told):
    assert reason(error) == told
