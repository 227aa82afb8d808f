"""What an encoder is shown: names spelled out, schemas flattened, sheets laid out."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_agent.core import Tool
from router_agent.models import Slot, ToolPage, kind_of, words_of
from router_agent.models.layout import choice_text, sentence, slot_text
from router_agent.models.wordpiece import WordPiece

VOCABULARY = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "weather", "##er", "in", "paris",
              "unit", *(
    letter for one in string.printable if not one.isspace() for letter in (one, f"##{one}")
)]  # fmt: skip  # a list of words, not a line for each
PIECES = WordPiece(VOCABULARY)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("getCurrentWeather_v2", "get current weather v 2"),
        ("Movies_3_FindMovies", "movies 3 find movies"),
        ("weather.get_current", "weather get current"),
        ("HTTPServerURL", "http server url"),
        ("start-date", "start date"),
        ("été", "été"),
        ("---", "---"),
    ],
)
def test_a_name_is_spelled_out(name: str, words: str) -> None:
    assert words_of(name) == words


def test_a_schema_is_flattened_to_its_leaves() -> None:
    page = Tool(
        "library",
        "search",
        "Find things",
        {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "What"},
                "filter": {"type": "object", "properties": {"max": {"type": "number"}}, "required": ["max"]},
                "unit": {"enum": ["km", "mi", None]},
                "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
                "broken": 3,
            },
            "required": ["query"],
        },
    ).page

    assert page.slots == (
        Slot("query", "string", "What", required=True),
        Slot("filter.max", "number"),
        Slot("unit", "string", choices=("km", "mi")),
        Slot("tags", "array", choices=("a", "b")),
    )


def test_a_schema_that_nests_for_ever_is_read_to_a_depth() -> None:
    schema: dict[str, object] = {"type": "object"}
    schema["properties"] = {"again": schema}

    assert len(Tool("server", "t", schema=schema).page.slots) == 1


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": ["null", "integer"]}, "integer"),
        ({"anyOf": [{"type": "null"}, {"type": "array"}]}, "array"),
        ({"enum": [True, False]}, "boolean"),
        ({"enum": [1, 2]}, "integer"),
        ({"enum": [0.5]}, "number"),
        ({"type": "dict"}, "string"),
        ({}, "string"),
    ],
)
def test_a_property_has_one_kind(schema: dict[str, object], kind: str) -> None:
    assert kind_of(schema) == kind


@given(st.text(max_size=80))
def test_pieces_lie_in_order_inside_the_text(text: str) -> None:
    at = 0
    for piece in PIECES.pieces(text):
        assert 0 <= piece.start < piece.end <= len(text)
        assert piece.start >= at
        at = piece.start


@given(st.text(alphabet=string.ascii_letters + string.digits + " .,", max_size=60))
def test_pieces_of_plain_text_cover_all_but_its_blanks(text: str) -> None:
    covered = {place for piece in PIECES.pieces(text) for place in range(piece.start, piece.end)}

    assert covered == {place for place, letter in enumerate(text) if letter != " "}


def test_letters_with_accents_are_found_where_they_stand() -> None:
    (first, *_rest) = PIECES.pieces("Ünit in PARIS")

    assert [("Ünit in PARIS")[piece.start : piece.end] for piece in PIECES.pieces("Ünit in PARIS")] == [
        "Ünit",
        "in",
        "PARIS",
    ]
    assert VOCABULARY[first.id] == "unit"


def test_a_parameter_is_shown_with_its_tool_and_a_choice_with_its_parameter() -> None:
    tool = ToolPage("getWeather", "Get the weather", ())
    place = Slot("geo.city", "string", "Name of the city", required=True)
    unit = Slot("unit", "string", choices=("us_customary",))

    assert slot_text(tool, place) == "geo city ( string ) Name of the city , get weather"
    assert slot_text(tool, unit) == "unit ( optional string )  , get weather"
    assert choice_text(unit, unit.choices[0]) == "us customary : unit"


@given(st.text(max_size=400), st.integers(1, 100))
def test_a_text_has_no_more_pieces_than_are_wanted(text: str, most: int) -> None:
    ids = sentence(PIECES, text, most)

    assert (ids[0], ids[-1]) == (PIECES.cls, PIECES.sep)
    assert len(ids) <= most + 2
