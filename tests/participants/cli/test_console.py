"""What others wrote cannot move the cursor, hide, or turn the reading order round."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from participants.cli.console import one_line, visible


@given(st.text())
def test_no_character_that_shows_nothing_is_left(text: str) -> None:
    assert all(
        character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
        for character in visible(text)
    )


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


def test_escape_sequences_and_direction_marks_are_spelled_out() -> None:
    assert visible("a\x1b[2Kb\u202ec\U000e0041") == "a\\x1b[2Kb\\u202ec\\U000e0041"


def test_ordinary_text_of_any_script_stays_as_it_is() -> None:
    assert visible("Grüße, 世界 ✓") == "Grüße, 世界 ✓"
