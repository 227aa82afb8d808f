"""Routing cases: made from a seed, taken from public data sets, turned into what is trained on."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from random import Random
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router_agent.core import Tool
from router_agent.models.wordpiece import WordPiece
from router_agent.training import Case, generate, read_cases, write_cases
from router_agent.training.align import span_of
from router_agent.training.contents import content_cases
from router_agent.training.corpus import corpus, held_back
from router_agent.training.lessons import MOST_ABSENT, UNKNOWN, lesson_of, smaller_vocabulary
from tests.router_agent.models.test_reading_and_layout import VOCABULARY

PIECES = WordPiece(VOCABULARY)


def test_the_same_seed_makes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("same", 7), ("other", 8)):
        write_cases(tmp_path / name, generate(seed, 60))

    written = {name: (tmp_path / name).read_bytes() for name in ("one", "same", "other")}
    assert written["one"].replace(b"one_", b"same_") == written["same"].replace(b"one_", b"same_")
    assert written["one"] != written["other"]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_generated_call_fits_the_schema_of_its_tool(seed: int) -> None:
    for case in generate(seed, 10):
        for call in case.expected:
            (tool,) = [tool for tool in case.tools if tool["name"] == call["name"]]
            arguments = {key: accepted[0] for key, accepted in call["arguments"].items()}
            schema = {**tool["parameters"], "required": []}  # some are not said, so that asking is learned
            jsonschema_rs.validate({**schema, "additionalProperties": False}, arguments)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_words_of_a_plain_value_stand_where_its_span_says(seed: int) -> None:
    for case in generate(seed, 10):
        for slot, (start, end) in case.spans.items():
            words = case.intent[start:end]
            assert words.strip() == words
            assert words
            value: Any = case.expected[0]["arguments"]
            for part in slot.split("."):
                value = value[part]
                value = value[0] if isinstance(value, list) and part == slot.split(".")[0] else value
            if isinstance(value, str) and len(value) > 4 and not value[:1].isdigit() and "," not in value:
                assert words.lower() in {value.lower(), value.replace("_", " ").lower()}


def test_a_third_of_the_cases_lacks_its_tool() -> None:
    cases = list(generate(3, 600))

    assert 0.3 < sum(not case.expected for case in cases) / len(cases) < 0.4
    assert all(case.tools for case in cases)


def test_tools_differ_in_the_number_of_their_parameters() -> None:
    counts = {
        len(Tool("", "", schema=tool["parameters"]).page.slots)
        for case in generate(4, 400)
        for tool in case.tools
    }

    assert counts >= set(range(9))


@pytest.mark.parametrize(
    ("value", "intent", "words"),
    [
        ("Paris", "weather in PARIS please", "PARIS"),
        ("2024-03-05", "on March 5th, 2024 at noon", "March 5th, 2024"),
        ("2024-03-05", "am 05.03.2024", "05.03.2024"),
        ("2024-13-05", "on the 5th of December 2024", None),
        (5, "for five days", "five"),
        (5.25, "at 5.25% a year", "5.25"),
        (100_000, "worth $100,000.", "100,000"),
        (["milk", "eggs"], "buy milk, fresh eggs", "milk, fresh eggs"),
        ("manta_ray", "of manta rays", None),
        ("manta ray", "of manta rays", "manta rays"),
        (True, "with true colors", None),
        ("art", "a cart", None),
        ("", "nothing", None),
    ],
)
def test_a_value_is_found_in_an_intent(value: Any, intent: str, words: str | None) -> None:
    span = span_of(value, intent)

    assert (intent[span[0] : span[1]] if span else None) == words


@given(
    st.one_of(st.text(max_size=12), st.integers(), st.floats(), st.lists(st.text(max_size=4), max_size=3)),
    st.text(max_size=40),
)
def test_a_value_is_found_inside_the_intent_or_not_at_all(value: Any, intent: str) -> None:
    span = span_of(value, intent)

    assert span is None or 0 <= span[0] < span[1] <= len(intent)


WEATHER = {
    "name": "weather",
    "description": "weather",
    "parameters": {
        "type": "object",
        "properties": {
            "in": {"type": "string"},
            "unit": {"type": "string", "enum": ["c", "f"]},
            "er": {"type": "boolean"},
            "paris": {"type": "string"},
        },
    },
}
MAIL = {"name": "mail", "description": "", "parameters": {}}


def test_a_lesson_says_what_is_right_of_each_parameter() -> None:
    expected = [
        {"name": "weather", "arguments": {"in": ["Paris"], "unit": ["f"], "er": [False]}, "optional": []}
    ]
    case = Case("weather in paris in f", [MAIL, WEATHER], expected, "", {"in": (11, 16)})

    lesson = lesson_of(PIECES, case, Random(1))

    assert lesson.tool is not None
    assert (lesson.tool.purpose, [other.purpose for other in lesson.others]) == ("weather", ["mail"])
    city, unit, flag, absent = lesson.questions
    assert (city.start, city.end) == (3, 3)
    assert (unit.start, unit.choice) == (UNKNOWN, 2)
    assert flag.truth == 2
    assert (absent.start, absent.end, absent.truth, absent.choice) == (0, 0, UNKNOWN, UNKNOWN)


def test_a_case_without_a_call_teaches_only_what_does_not_fit() -> None:
    lesson = lesson_of(PIECES, Case("weather", [MAIL, WEATHER], [], ""), Random(1), most_others=2)

    assert lesson.tool is None
    assert {other.purpose for other in lesson.others} == {"mail", "weather"}
    assert lesson.questions == ()


@given(st.integers(0, 30), st.integers(0, 30))
def test_a_lesson_asks_for_what_was_said_and_for_a_little_that_was_not(said: int, unsaid: int) -> None:
    names = [f"p{number}" for number in range(said + unsaid)]
    properties = {name: {"type": "string", "enum": list("abcdefghijkl")} for name in names}
    tool = {"name": "t", "description": "", "parameters": {"properties": properties}}
    arguments = {name: ["k"] for name in names[:said]}

    lesson = lesson_of(PIECES, Case("k", [tool], [{"name": "t", "arguments": arguments}], ""), Random(1))

    assert len(lesson.questions) == said + min(unsaid, MOST_ABSENT)
    for question in lesson.questions:
        assert question.choice == 0 or question.choices[question.choice - 1].startswith("k :")


def test_a_smaller_vocabulary_keeps_what_is_used_and_can_still_spell_everything() -> None:
    full = [*VOCABULARY[:6], "rare", "common", *VOCABULARY[6:]]

    kept = smaller_vocabulary(full, ["common weather"] * 5, len(VOCABULARY) - 4)

    assert {"common", "[MASK]", "a", "##z"} <= set(kept)
    assert "rare" not in kept
    unknown = WordPiece(kept).unknown
    assert all(piece.id != unknown for piece in WordPiece(kept).pieces("rare weather 42!"))


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """Files of the public data sets' forms, with a line or two of own making."""
    tools = [
        {
            "api_name": name,
            "api_description": f"Retrieve the {thing} of a city",
            "field": "Weather/All",
            "parameters": {
                "city": {"type": "str", "description": "The city (e.g., Paris, Oslo)"},
                "days": {"type": "int"},
            },
            "required": ["city"],
        }
        for name, thing in (("getForecast", "forecast"), ("getTides", "tides"), ("bookTable", "tables"))
    ]
    (tmp_path / "seal_tools_tools.jsonl").write_text("\n".join(map(json.dumps, tools)))
    asked = {
        "id": "a",
        "query": "Give me the forecast for Rome for 3 days. After that, retrieve the tides of Oslo.",
        "calling": [
            {"api": "getForecast", "parameters": {"city": "Rome", "days": 3}},
            {"api": "getTides", "parameters": {"city": "Oslo"}},
        ],
    }
    for part in ("dev", "in_domain", "out_domain"):
        (tmp_path / f"seal_tools_{part}.jsonl").write_text("\n".join([json.dumps(asked)] * 4))
    said = [
        {
            "text": "dim the lights in the kitchen",
            "intent": "iot_hue_lightdim",
            "entities": [{"start": 22, "end": 29, "value": "kitchen", "entity": "house_place"}],
        },
        {"text": "thank you so much", "intent": "general_praise", "entities": []},
    ]
    (tmp_path / "hwu64_utterances.jsonl").write_text("\n".join(json.dumps(line) for line in said * 10))
    plugins = [
        {"name_for_model": name, "description_for_human": f"Does {name}"}
        for name in ("maps", "songs", "taxes")
    ]
    (tmp_path / "metatool_plugins.json").write_text(json.dumps(plugins))
    with (tmp_path / "metatool_queries.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows(
            [["Query", "Tool"], *([["Where is Rome?", "maps"], ["Sing!", "songs"]] * 15)]
        )
    return tmp_path


def test_a_request_for_several_calls_becomes_one_case_each(public: Path) -> None:
    from router_agent.training.seal import seal_cases

    cases = [case for case in seal_cases(public, 1) if case.expected]

    assert {case.expected[0]["name"] for case in cases} == {"getForecast", "getTides"}
    for case in cases:
        city = case.expected[0]["arguments"]["city"][0]
        start, end = case.spans["city"]
        assert case.intent[start:end].lower() == city.lower()
        assert ("oslo" in case.intent.lower()) != ("rome" in case.intent.lower())


def test_an_utterance_becomes_a_call_of_a_tool_that_requires_nothing(public: Path) -> None:
    from router_agent.training.hwu import hwu_cases

    cases = list(hwu_cases(public, 1))

    dimmed = [case for case in cases if case.expected]
    assert dimmed
    for case in dimmed:
        (tool,) = [tool for tool in case.tools if tool["name"] == case.expected[0]["name"]]
        assert tool["parameters"]["required"] == []
        assert [case.intent[at:to] for at, to in case.spans.values()] == ["kitchen"]
    assert all(not case.expected for case in cases if case.intent.startswith("thank"))


def test_what_is_held_back_is_not_trained_on(public: Path) -> None:
    made = corpus(public, 1, 0.01)
    sets = held_back(public, 1, made)

    for name, cases in sets.items():
        others = [one for other, found in sets.items() if other != name for one in found]
        known = {case.id for case in ([*made, *others] if name == "gate" else made)}
        assert cases
        assert not known & {case.id for case in cases}


def test_a_corpus_without_public_data_is_the_generator_alone() -> None:
    assert {case.source for case in corpus(None, 1, 0.01)} == {"generated (own work)"}


def test_a_corpus_is_the_same_for_the_same_seed(public: Path) -> None:
    assert corpus(public, 5, 0.005) == corpus(public, 5, 0.005)


def test_cases_survive_a_trip_through_a_file(tmp_path: Path, public: Path) -> None:
    cases = corpus(public, 2, 0.005)

    assert write_cases(tmp_path / "cases.jsonl", cases) == len(cases)
    assert [case.intent for case in read_cases(tmp_path / "cases.jsonl")] == [case.intent for case in cases]
    assert [case.spans for case in read_cases(tmp_path / "cases.jsonl")] == [
        dict(case.spans) for case in cases
    ]


def test_contents_are_asked_for_and_shown_to_who_wants_something_else() -> None:
    others = list(generate(3, 40))
    made = list(content_cases(1, others))

    assert made == list(content_cases(1, others)) != list(content_cases(2, others))
    wanted = [case for case in made if case.expected]
    assert 0.7 < len(wanted) / (len(made) - len(wanted)) < 1.4
    for case in wanted:
        (right,) = case.expected
        (tool,) = case.tools
        arguments = {name: accepted[0] for name, accepted in right["arguments"].items()}
        assert jsonschema_rs.is_valid(tool["parameters"], arguments)
        for name, (start, end) in case.spans.items():
            assert case.intent[start:end] == arguments[name]
    assert {case.intent for case in made if not case.expected} <= {case.intent for case in others}
