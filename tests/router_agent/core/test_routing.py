"""From words to calls, without any model: which tool, which values, and what to do with them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router_agent.core.features import FALLING, RISING
from router_agent.core.filling import fill
from router_agent.core.fitting import calibration_error, fit, fit_choice
from router_agent.core.gate import Gate, Logistic
from router_agent.core.intents import Answer, Intent
from router_agent.core.router import Policy
from router_agent.core.routes import Decision
from router_agent.core.selector import select
from router_agent.core.tools import Catalogue, Tool
from tests.router_agent.core.tools_at_hand import (
    ALL,
    DELETE,
    EXCHANGE,
    MEETING,
    READ,
    STRING,
    WEATHER,
    router,
    tool,
)

TODAY = date(2026, 3, 4)


def filled(one: Tool, said: str) -> dict[str, Any]:
    return fill(Intent.of(said, TODAY), one).arguments


def test_the_tool_is_chosen_by_what_it_does() -> None:
    assert select(Intent.of("what is the weather like in Oslo"), ALL)[0].tool is WEATHER
    assert select(Intent.of("schedule a meeting with Bob"), ALL)[0].tool is MEETING


def test_stuffing_a_description_with_keywords_gains_nothing() -> None:
    stuffed = tool(
        "helper", "weather " * 30 + "files money meeting city current get " * 20, participant="mallory"
    )

    ranked = select(Intent.of("get the current weather of Oslo"), Catalogue.of([stuffed, *ALL]))

    assert ranked[0].tool is WEATHER


def test_money_becomes_an_amount_and_two_codes() -> None:
    assert filled(EXCHANGE, "convert 250 US dollars to Japanese yen") == {
        "amount": 250,
        "from_currency": "USD",
        "to_currency": "JPY",
    }


def test_a_meeting_gets_its_day_time_and_length() -> None:
    said = "create a meeting called 'Budget' tomorrow at 2pm for 45 minutes"

    assert filled(MEETING, said) == {"title": "Budget", "date": "2026-03-05", "time": "14:00", "minutes": 45}


def test_a_choice_is_known_by_its_abbreviation() -> None:
    assert filled(WEATHER, "weather in Paris in °F") == {"city": "Paris", "unit": "fahrenheit"}


def test_a_boolean_follows_its_words_and_what_denies_them() -> None:
    listing = tool("list_files", "List files.", {"include_hidden": {"type": "boolean"}})

    assert filled(listing, "list all files with hidden ones") == {"include_hidden": True}
    assert filled(listing, "list files without hidden ones") == {"include_hidden": False}
    assert filled(listing, "list files") == {}


def test_lists_are_taken_apart() -> None:
    mean = tool("mean", "", {"numbers": {"type": "array", "items": {"type": "number"}}}, ["numbers"])

    assert filled(mean, "the mean of 3, 4 and 5.5") == {"numbers": [3, 4, 5.5]}
    assert filled(mean, "the mean of [1, 2]") == {"numbers": [1, 2]}


def test_nested_values_land_where_the_schema_has_them() -> None:
    order = tool(
        "order",
        "",
        {"item": {"type": "object", "properties": {"weight": {"type": "number"}}, "required": ["weight"]}},
        ["item"],
    )

    assert filled(order, "order with a weight of 2.5 kg") == {"item": {"weight": 2.5}}


def test_a_state_and_a_city_are_written_as_asked() -> None:
    where = {
        "type": "string",
        "description": "The location in the format 'City, State', such as 'Austin, TX'",
    }
    find = tool("find", "", {"location": where}, ["location"])

    assert filled(find, "find something in San Francisco") == {"location": "San Francisco, CA"}


def test_a_default_in_the_description_fills_what_must_be_there() -> None:
    gravity = tool(
        "fall", "", {"gravity": {"type": "number", "description": "Gravity. Default is 9.81"}}, ["gravity"]
    )

    assert filled(gravity, "how fast does it fall") == {"gravity": 9.81}


def test_every_argument_says_where_it_comes_from() -> None:
    intent = Intent.of("convert 250 US dollars to Japanese yen")
    evidence = {one.path: intent.text[one.start : one.end] for one in fill(intent, EXCHANGE).evidence}

    assert evidence == {
        ("amount",): "250",
        ("from_currency",): "US dollars",
        ("to_currency",): "Japanese yen",
    }


def test_what_is_clear_is_acted_on() -> None:
    route = router().route("get the current weather of Oslo", ALL)

    assert route.decision is Decision.ACT
    assert [(call.tool.participant, call.tool.name, dict(call.arguments)) for call in route.calls] == [
        ("weather", "weather.get_current", {"city": "Oslo"})
    ]


def test_a_destructive_tool_is_proposed_however_sure_the_router_is() -> None:
    route = router(Policy(act=0.0, propose=0.0)).route("delete the file notes/old.txt for good", ALL)

    assert route.decision is Decision.PROPOSE
    assert route.calls[0].tool is DELETE


def test_a_missing_value_is_asked_for() -> None:
    route = router().route("read a text file", Catalogue.of([READ, WEATHER]))

    assert route.decision is Decision.ASK
    assert route.question == "Which path (path of the file to read)?"


def test_an_answer_is_the_value_that_was_missing() -> None:
    answer = Answer("files", "read_file", ("path",), "notes/today.txt")

    route = router().route("read a text file", Catalogue.of([READ, WEATHER]), answers=(answer,))

    assert route.decision is Decision.ACT
    assert dict(route.calls[0].arguments) == {"path": "notes/today.txt"}
    assert route.intent == "read a text file"


@pytest.mark.parametrize(
    ("parameter", "said", "value"),
    [
        ({"type": "integer"}, "about three", 3),
        ({"type": "string", "format": "date"}, "tomorrow", "2026-03-05"),
        ({"enum": ["celsius", "fahrenheit"]}, "in Celsius please", "celsius"),
        ({"type": "boolean"}, "no", False),
        ({"type": "string"}, "then delete it", "then delete it"),
    ],
)
def test_an_answer_is_read_as_its_parameter_asks(parameter: dict[str, Any], said: str, value: Any) -> None:
    asking = tool("ask", "", {"it": parameter}, ["it"])
    answer = Answer("server", "ask", ("it",), said)

    assert fill(Intent.of("do it", TODAY, (answer,)), asking).arguments == {"it": value}


def test_an_answer_is_for_the_tool_that_asked_and_for_no_other() -> None:
    answer = Answer("mallory", "read_file", ("path",), "notes/today.txt")

    assert fill(Intent.of("read a text file", answers=(answer,)), READ).arguments == {}


def test_what_no_tool_does_is_left_alone() -> None:
    assert router().route("who painted the Mona Lisa", ALL).decision is Decision.NONE
    assert router().route("anything", Catalogue()).decision is Decision.NONE
    assert router().route(" \x00 ", ALL).decision is Decision.NONE


@pytest.mark.parametrize(
    ("said", "calls"),
    [
        ("play rock music and play jazz music", [{"genre": "rock"}, {"genre": "jazz"}]),
        ("play rock music and play music quietly", [{"genre": "rock", "volume": "quiet"}]),
    ],
)
def test_one_tool_is_called_again_only_for_something_else(said: str, calls: list[dict[str, Any]]) -> None:
    choices = {"genre": ["rock", "jazz"], "volume": ["quiet", "loud"]}
    schema = {name: {"type": "string", "enum": values} for name, values in choices.items()}
    music = tool("play_music", "Play music of a genre.", schema, participant="player")

    route = router().route(said, Catalogue.of([music, *ALL]))

    assert [call.arguments for call in route.calls] == calls


def test_two_wishes_become_two_calls_in_order() -> None:
    route = router().route("get the current weather of Oslo and then convert 5 euros to dollars", ALL)

    assert [call.tool.name for call in route.calls] == ["weather.get_current", "convert_currency"]


@pytest.mark.parametrize("said", ["上海现在的天气怎么样", "какая погода в Москве", "서울 날씨 알려줘"])
def test_what_is_said_in_letters_that_nobody_here_reads_is_asked_about_and_not_refused(said: str) -> None:
    route = router().route(said, ALL)

    assert Intent.of(said).unread == 1.0
    assert route.decision is Decision.ASK


def test_letters_with_accents_are_read() -> None:
    assert Intent.of("Où est la Ångströmstraße à Kraków, số 12?").unread == 0.0
    assert 0 < Intent.of("play 東京 by Perfume").unread < 0.5


def test_a_condition_is_asked_back() -> None:
    route = router().route(
        "get the current weather of Oslo, and if it is sunny, create an event 'Picnic' tomorrow", ALL, TODAY
    )

    assert route.decision is Decision.ASK
    assert "if it is sunny" in route.question
    assert [call.tool.name for call in route.calls] == ["weather.get_current", "create_event"]


def test_what_comes_before_a_condition_is_apart_from_what_waits_for_it() -> None:
    route = router().route(
        "get the current weather of Oslo, and if it is sunny, create an event 'Picnic' tomorrow", ALL, TODAY
    )

    assert route.first is not None
    assert route.rest is not None
    assert [call.tool.name for call in route.first.calls] == ["weather.get_current"]
    assert [call.tool.name for call in route.rest.calls] == ["create_event"]
    assert (route.first.decision, route.rest.rest) == (Decision.ACT, None)
    assert "sunny" not in route.rest.intent


def test_what_waits_for_a_condition_keeps_the_care_that_it_needs() -> None:
    route = router().route("get the current weather of Oslo, and if it is sunny, delete the file a.txt", ALL)

    assert route.rest is not None
    assert route.rest.decision is Decision.PROPOSE


def test_a_condition_before_all_else_lets_nothing_be_done_yet() -> None:
    route = router().route("if it is sunny, delete the file notes/a.txt", ALL)

    assert (route.decision, route.first) == (Decision.ASK, None)
    assert route.rest is not None
    assert route.rest.decision is Decision.PROPOSE


def test_a_value_that_is_missing_before_a_condition_is_asked_for_first() -> None:
    route = router().route("read a text file, and if it is sunny, create an event 'Picnic' tomorrow", ALL)

    assert (route.decision, route.rest) == (Decision.ASK, None)
    assert "path" in route.question


@pytest.mark.parametrize(
    ("said", "title"), [("an event 'Picnic' at 2pm", "Picnic"), ("an event at 2pm", None)]
)
def test_a_time_of_the_day_is_no_place_and_no_title(said: str, title: str | None) -> None:
    place = {"type": "string", "description": "Where it is"}
    event = tool("create_event", "Create an event.", {"title": STRING, "location": place})

    (call,) = router().route(f"create {said} tomorrow", Catalogue.of([event]), TODAY).calls

    assert call.arguments.get("title") == title
    assert "location" not in call.arguments


def test_what_follows_where_is_the_condition() -> None:
    table = {"type": "string", "enum": ["users", "orders"]}
    query = tool("query_records", "Query records.", {"table": table, "filter": STRING}, ["table"])

    (call,) = router().route("query the users where their age is more than 25?", Catalogue.of([query])).calls

    assert call.arguments == {"table": "users", "filter": "age is more than 25"}


@pytest.mark.parametrize("text", ["hi", "hi there", "I am late"])
def test_what_follows_saying_is_the_message(text: str) -> None:
    send = tool("send_note", "Send a note.", {"to": STRING, "message": STRING}, ["to", "message"])

    (call,) = router().route(f"send a note to Bob saying {text}", Catalogue.of([send])).calls

    assert call.arguments["message"] == text


def test_a_yes_to_what_was_unsure_is_a_proposal_and_no_more() -> None:
    route = router(Policy(act=1.0, propose=1.0)).route("get the current weather of Oslo", ALL)

    assert (route.decision, route.question) == (Decision.ASK, "Do you mean weather.get_current?")
    assert route.rest is not None
    assert (route.rest.decision, route.rest.calls) == (Decision.PROPOSE, route.calls)


def test_equal_tools_of_two_participants_are_left_to_a_person() -> None:
    twin = tool("read_file", READ.description, dict(READ.schema["properties"]), ["path"], participant="disk")

    route = router(Policy(act=0.0)).route("read the text file notes/a.txt", Catalogue.of([READ, twin]))

    assert route.decision is Decision.PROPOSE
    assert "Several participants" in route.reason


def test_a_catalogue_is_bounded_and_says_what_it_left_out() -> None:
    many = Catalogue.of(tool(f"tool_{number}") for number in range(1_100))

    assert (len(many), many.left_out) == (1_000, 100)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_evidence_always_stands_in_the_intent(text: str) -> None:
    route = router().route(text, ALL, TODAY)

    for call in route.calls:
        for one in call.evidence:
            assert one.start == -1 or 0 <= one.start < one.end <= len(call.clause)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.fixed_dictionaries(
                {name: st.floats(0, 1) for name in ("words", "weakest", "missing", "unspoken")}
            ),
            st.booleans(),
        ),
        min_size=6,
        max_size=20,
    )
)
def test_a_fit_never_says_that_more_evidence_makes_a_call_less_credible(
    rows: list[tuple[dict[str, float], bool]],
) -> None:
    fitted = fit(rows)

    assert all(weight >= 0 for name, weight in fitted.weights.items() if name in RISING)
    assert all(weight <= 0 for name, weight in fitted.weights.items() if name in FALLING)
    assert 0 <= fitted.error <= 1


def test_a_fitted_choice_prefers_what_was_right_before() -> None:
    lists = [
        ([{"said": 0.9, "cosine": 0.2}, {"said": 0.3, "cosine": 0.4}], 0),
        ([{"said": 0.2, "cosine": 0.7}, {"said": 0.4, "cosine": 0.1}], 0),
        ([{"said": 0.5, "missing": 1.0}, {"said": 0.5, "missing": 0.0}], 1),
    ]
    gate = Gate(Logistic({}, 0.0), Logistic({}, 0.0), choice=fit_choice(lists))

    for few, right in lists:
        assert max(range(len(few)), key=lambda number: gate.merit(few[number])) == right
    assert gate.choice["missing"] < 0 < gate.choice["said"]
    assert Gate.read(gate.json()) == gate
    assert Gate.read(gate.json()).choice == gate.choice


def test_what_no_argument_took_counts_against_a_call() -> None:
    said = "read the file a.txt"

    plain, with_more = (
        router().route(one, Catalogue.of([READ])).calls[0].features["unused"]
        for one in (said, f"{said} with 5 lines for Anna Berg")
    )

    assert plain == 0 < with_more <= 1


def test_the_calibration_error_is_the_distance_from_what_was_right() -> None:
    assert calibration_error([(0.75, True), (0.75, True), (0.75, True), (0.75, False)]) == pytest.approx(0.0)
    assert calibration_error([(0.9, False), (0.9, False)]) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("said", "arguments"),
    [
        ("create an event 'Beach' on Sunday at 11am", {"title": "Beach", "start": "Sunday at 11am"}),
        ("list the files in src/", {"folder": "src"}),
    ],
)
def test_folders_and_beginnings_are_said_in_plain_words(said: str, arguments: dict[str, str]) -> None:
    event = tool(
        "create_event",
        "Create a calendar event.",
        {
            "title": {"type": "string", "description": "What the event is called"},
            "start": {"type": "string", "description": "When it starts"},
            "duration_minutes": {"type": "integer", "description": "How long it takes in minutes"},
        },
        ["title", "start"],
    )
    listing = tool("list_files", "List the files in a folder.", {"folder": {"type": "string"}}, ["folder"])

    route = router().route(said, Catalogue.of([event, listing, READ]))

    assert dict(route.calls[0].arguments) == arguments
