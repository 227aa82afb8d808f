"""A value that nobody gave is no value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_agent.models.grounding import grounded

UNIT = {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"}


@pytest.mark.parametrize(
    ("value", "schema", "intent"),
    [
        ("San Francisco", {}, "weather in san francisco, please"),
        ("Zoë O'Connor", {}, "write to zoe o’connor"),
        ("celsius", UNIT, "how warm is it"),
        (10, {"default": 10}, "list them"),
        (3, {}, "for three days"),
        (1500, {}, "under $1,500"),
        (0.05, {}, "at 5%"),
        (-4.5, {}, "at -4.5 degrees"),
        (True, {}, "whatever"),
        ("", {}, "whatever"),
        (["milk", "eggs"], {}, "buy milk and eggs"),
        ({"unit": "celsius", "city": "Oslo"}, {"properties": {"unit": UNIT}}, "warm in Oslo?"),
    ],
)
def test_what_was_said_or_offered_is_grounded(value: Any, schema: Any, intent: str) -> None:
    assert grounded(value, schema, intent)


@pytest.mark.parametrize(
    ("value", "schema", "intent"),
    [
        ("Paris", {}, "weather in London"),
        ("art", {}, "a cart"),
        ("Francisco San", {}, "San Francisco"),
        (7, {}, "for three days"),
        (12, {}, "room 123"),
        ("!!", {}, "hello !!"),
        (["milk", "bread"], {}, "buy milk"),
        ({"city": "Rome"}, {}, "go to Oslo"),
        ("kelvin", UNIT, "how warm is it"),
        (object(), {}, "object"),
    ],
)
def test_what_was_made_up_is_not(value: Any, schema: Any, intent: str) -> None:
    assert not grounded(value, schema, intent)


@given(st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=1, max_size=6), st.data())
def test_every_run_of_words_of_an_intent_is_grounded_in_it(words: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))

    assert grounded(" ".join(words[start:end]).upper(), {}, ", ".join(words))
