"""Texts with stars, one piece between colons at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from capabilities.globs import Glob

TEXTS = st.text("aB*", max_size=8)
WITHOUT_STARS = st.text("aB", max_size=8)


@given(TEXTS)
def test_a_glob_survives_a_trip_through_its_text(text: str) -> None:
    assert str(Glob.parse(text)) == text


@given(TEXTS, WITHOUT_STARS)
def test_each_star_is_filled_with_anything(text: str, filling: str) -> None:
    assert Glob.parse(text).matches(text.replace("*", filling))


@given(TEXTS, TEXTS, WITHOUT_STARS)
def test_what_is_included_is_matched(one: str, other: str, text: str) -> None:
    if Glob.parse(one).includes(Glob.parse(other)) and Glob.parse(other).matches(text):
        assert Glob.parse(one).matches(text)


@given(TEXTS, TEXTS, WITHOUT_STARS)
def test_globs_that_match_one_text_meet(one: str, other: str, text: str) -> None:
    if Glob.parse(one).matches(text) and Glob.parse(other).matches(text):
        assert Glob.parse(one).meets(Glob.parse(other))


@given(TEXTS, WITHOUT_STARS)
def test_a_glob_in_lower_case_matches_the_same_texts_in_lower_case(text: str, filling: str) -> None:
    assert Glob.parse(text).lower().matches(text.replace("*", filling).lower())
    assert str(Glob.parse(text).lower()) == text.lower()
