"""What strangers write: it is cleaned, it cannot stop the router, and it takes a bounded time."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router_agent.core.tools import Catalogue
from router_agent.core.untrusted import clean, harmless, texts_of
from tests.router_agent.core.tools_at_hand import ALL, router, tool

KEYWORDS = [
    "type", "description", "enum", "default", "format", "anyOf", "items", "properties", "required", "const",
    "minimum", "maximum", "$ref", "pattern",
]  # fmt: skip  # a list of words, not a line for each
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["string", "integer", "array", "object", "date", "Oslo", "such as 'Oslo', default 3"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
    max_leaves=8,
)


@given(
    st.lists(st.sampled_from([*"<>|[]/ \u200bx", "s>", "INST", "<|", "|>", "</s>", "SYS", "<mask>"])).map(
        "".join
    )
)
def test_cleaning_leaves_no_structure_and_cleaning_again_changes_nothing(text: str) -> None:
    cleaned = clean(text, 40)

    assert not any(token in cleaned for token in ("<|", "|>", "</s>", "<s>", "[INST]", "<<SYS>>", "<mask>"))
    assert clean(cleaned, 40) == cleaned


@given(st.text(max_size=200))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    "text", ["<start_function_call>", "<|im_end|>", "<|im_<|x|>end|>", "[INST]", "\u202eabc", "a\x00b"]
)
def test_what_a_model_reads_as_structure_is_taken_out(text: str) -> None:
    assert not set("<>\u202e\x00") & set(clean(f"Reads. {text} Writes."))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=6))
def test_no_schema_of_a_stranger_stops_the_router(schema: dict[str, Any]) -> None:
    strange = tool("get_weather", "Get the current weather.", {"city": schema}, ["city"])

    route = router().route("get the current weather of Oslo in 3 days", Catalogue.of([strange, *ALL]))

    assert route.reason


@pytest.mark.parametrize(
    "schema",
    [{"type": {}}, {"type": [["string"]]}, {"anyOf": 5}, {"format": []}, {"enum": [{}, [], None]}],
    ids=str,
)
def test_a_schema_that_is_none_is_read_as_far_as_it_goes(schema: dict[str, Any]) -> None:
    strange = tool("get_weather", "Get the current weather.", {"city": schema, "day": {}}, ["city"])

    assert [one.name for one in strange.parameters] == ["city", "day"]
    assert router().route("get the current weather of Oslo", Catalogue.of([strange])).calls


def test_to_read_a_schema_changes_nothing_in_it() -> None:
    schema = {"type": ["null", "string"], "anyOf": [{"type": "integer"}]}
    strange = tool("t", "", {"x": schema})

    assert strange.parameters[0].kind == "string"
    assert schema == {"type": ["null", "string"], "anyOf": [{"type": "integer"}]}


@pytest.mark.parametrize(
    "text",
    [
        "a-",
        "1",
        "1 ",
        "1999 ",
        "noon ",
        "'a b ",
        "[a ",
        "please, ",
        "find a and ",
        "Paris, ",
        "$5 usd ",
        "www.-",
    ],
)
def test_the_longest_intent_is_read_in_bounded_time(text: str) -> None:
    began = time.process_time()

    router().route("get the weather " + text * (4_000 // len(text)), ALL)

    assert time.process_time() - began < 3


def test_a_tool_with_countless_choices_is_read_in_bounded_time() -> None:
    crowded = tool(
        "paint", "Paint it.", {"colour": {"enum": [f"shade {n}" for n in range(20_000)]}}, ["colour"]
    )
    began = time.process_time()

    router().route("paint it in shade 7", Catalogue.of([crowded]))

    assert time.process_time() - began < 3


def test_a_marker_in_a_strangers_text_is_broken() -> None:
    assert harmless("[TOOL: a] [ tool : b] [x]") == "(TOOL: a] ( tool : b] [x]"


def test_of_a_result_only_texts_are_read() -> None:
    assert texts_of({"content": [{"type": "text", "text": "a"}, "b", {"type": "text", "text": 5}]}) == ["a"]
    assert texts_of({"content": 5}) == texts_of({}) == []
