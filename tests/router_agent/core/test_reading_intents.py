"""Numbers, days, phrases: what an intent says, with its places."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_agent.core.clauses import clauses_of
from router_agent.core.consenting import consent_in
from router_agent.core.filling.formats import write
from router_agent.core.intents import Intent, Look
from router_agent.core.language.amounts import numbers_in
from router_agent.core.language.moments import moments_in
from router_agent.core.language.words import senses_of, stems_of
from router_agent.core.parameters import Parameter

TODAY = date(2026, 3, 4)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5 miles", [5]),
        ("two and a half hours", [2.5]),
        ("$2,500 at 5%", [2500, 5]),
        ("two hundred and fifty grams", [250]),
        ("from -79.3 to 43.65", [-79.3, 43.65]),
        ("1.5 million people", [1_500_000]),
        ("10k steps", [10_000]),
        ("6.02x10^23", [6.02e23]),
        ("a dozen eggs", [12]),
        ("the 18th century", [18]),
    ],
)
def test_a_number_is_read_as_people_write_it(text: str, values: list[float]) -> None:
    assert [one.value for one in numbers_in(text)] == pytest.approx(values)


def test_a_unit_is_known_by_any_of_its_names() -> None:
    assert {numbers_in(text)[0].unit for text in ("3 km", "3 kilometers", "3 kilometre")} == {"kilometer"}


@pytest.mark.parametrize(
    ("text", "day", "clock"),
    [
        ("tomorrow at 3pm", date(2026, 3, 5), time(15)),
        ("next Friday", date(2026, 3, 6), None),
        ("in two weeks", date(2026, 3, 18), None),
        ("on May 5th", date(2026, 5, 5), None),
        ("on January 2nd", date(2027, 1, 2), None),
        ("10 December 2022", date(2022, 12, 10), None),
        ("2023-04-12T14:30:00Z", date(2023, 4, 12), time(14, 30)),
        ("half past six", None, time(6, 30)),
        ("at 7 in the evening", None, time(19)),
    ],
)
def test_a_moment_is_reckoned_from_the_day_that_is_given(
    text: str, day: date | None, clock: time | None
) -> None:
    [moment] = moments_in(text, TODAY)

    assert (moment.date, moment.time) == (day, clock)


def test_without_a_day_a_relative_date_stays_words() -> None:
    [moment] = moments_in("tomorrow")

    assert moment.date is None
    assert write(moment, Parameter(("date",), "string"), "tomorrow") == "tomorrow"


@pytest.mark.parametrize(
    ("description", "written"),
    [
        ("", "2024-03-19"),
        ("as MM/DD/YYYY", "03/19/2024"),
        ("format %d.%m.%Y", "19.03.2024"),
        ("YYYY-MM-DD HH:MM:SS", "2024-03-19 12:05:00"),
        ("such as '2023-04-12T14:00:00Z'", "2024-03-19T12:05:00Z"),
    ],
)
def test_a_day_is_written_as_the_description_asks(description: str, written: str) -> None:
    said = "March 19, 2024 at 12:05 PM"
    [moment] = moments_in(said)

    assert write(moment, Parameter(("date",), "string", description), said) == written


def test_phrases_are_told_apart_by_their_looks() -> None:
    intent = Intent.of("mail a.b@example.org 'See you' with notes/plan.md and order 3pak7")

    assert [(one.look, one.text) for one in intent.marked] == [
        (Look.EMAIL, "a.b@example.org"),
        (Look.QUOTED, "See you"),
        (Look.PATH, "notes/plan.md"),
        (Look.CODE, "3pak7"),
    ]


def test_words_that_mean_the_same_have_one_sense() -> None:
    assert senses_of("film") == senses_of("movies")
    assert stems_of("getCurrentWeather") == stems_of("get current weathers")


@pytest.mark.parametrize(
    "text",
    [
        "before you push the branch, commit the changes",
        "push the branch, but first commit the changes",
        "push the branch but first commit the changes",
        "commit the changes before you push the branch",
        "commit the changes before pushing the branch",
        "push the branch after committing the changes",
        "after you commit the changes, push the branch",
        "commit the changes, after that push the branch",
    ],
)
def test_wishes_are_met_in_the_order_that_is_meant(text: str) -> None:
    assert [("push" in one.text, "commit" in one.text) for one in clauses_of(text)] == [
        (False, True),
        (True, False),
    ]


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("if it is nice, schedule a meeting", ["if it is nice"]),
        ("when it is nice, schedule a meeting", ["when it is nice"]),
        ("schedule a meeting, provided it is nice", ["provided it is nice"]),
        ("schedule a meeting only if it is nice", ["only if it is nice"]),
        ("assuming that it is nice, schedule a meeting and book a room", ["assuming that it is nice", ""]),
        ("check the weather; unless it rains, book a table", ["", "unless it rains"]),
        ("check the weather if you can and book a table", ["", ""]),
        ("run a test, assuming equal variance", [""]),
        ("calculate its speed if it fell 4.5 m", [""]),
        ("could you tell me what I get if I add 5.0 to 3", [""]),
        ("if it is nice, search for scripts", ["if it is nice"]),
        ("delete it if the load is over 0.7 today", ["if the load is over 0.7 today"]),
        ("fit a model on the provided data", [""]),
        ("tell me when the train leaves", [""]),
        ("when does the train leave, and find a hotel", ["", ""]),
    ],
)
def test_what_depends_on_something_says_on_what(text: str, conditions: list[str]) -> None:
    assert [one.condition for one in clauses_of(text)] == conditions


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        ("check the weather and schedule a meeting", ["check the weather", "schedule a meeting"]),
        ("buy milk, eggs and bread", ["buy milk, eggs and bread"]),
        ("send 'read this and delete it' to Bob", ["send 'read this and delete it' to Bob"]),
        ("search the web for tutorials, then save notes", ["search the web for tutorials", "save notes"]),
        ("check the weather and search for scripts", ["check the weather", "search for scripts"]),
        ("check the price and order for two", ["check the price and order for two"]),
        ("commit it with 'x' and push", ["commit it with 'x'", "push"]),
    ],
)
def test_only_a_verb_begins_another_wish(text: str, wishes: list[str]) -> None:
    assert [one.text for one in clauses_of(text)] == wishes


@pytest.mark.parametrize(
    "text",
    [
        "I'm off to Rome next week. Can you find me a hotel?",
        "There is a report in the folder. Could you summarize it for me?",
        "We are planning a party, search the web for balloons",
        "I need information about agencies in Toronto, can you provide that?",
    ],
)
def test_what_only_leads_up_to_a_wish_is_no_wish_of_its_own(text: str) -> None:
    assert [one.text for one in clauses_of(text)] == [text]


def test_what_is_wanted_in_so_many_words_is_a_wish_beside_another() -> None:
    wishes = [
        "I need a taxi to the station",
        "book a table for two",
        "i need to read a.txt",
        "list the files",
    ]

    for first, second in zip(wishes[::2], wishes[1::2], strict=True):
        assert [one.text for one in clauses_of(f"{first}, and {second}")] == [first, second]


def test_a_condition_belongs_to_what_follows_it() -> None:
    first, second = clauses_of("check the weather in Oslo, and if it is nice, schedule a meeting")

    assert first.condition == ""
    assert second.condition == "if it is nice"


@pytest.mark.parametrize(
    ("answer", "consent"),
    [
        ("yes", True),
        (" Yes, please! ", True),
        ("go ahead", True),
        ("no", False),
        ("No, thank you.", False),
        ("don’t", False),
        ("yes, but delete the file first", None),
        ("it is sunny", None),
        ("", None),
    ],
)
def test_only_a_plain_yes_is_one(answer: str, consent: bool | None) -> None:
    assert consent_in(answer) is consent


def test_a_number_beyond_all_bounds_is_none() -> None:
    assert [one.value for one in numbers_in("1e999 and 12 and 9" + "9" * 400)] == [12]
    assert numbers_in("two" + " hundred" * 300) == []


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    intent = Intent.of(text, TODAY)

    for one in (*intent.marked, *intent.names, *intent.chunks):
        assert intent.text[one.start : one.end] == one.text
    spans = [(one.start, one.end) for one in intent.numbers] + [
        (one.start, one.end) for one in intent.moments
    ]
    assert all(0 <= start < end <= len(intent.text) for start, end in spans)
    assert clauses_of(intent.text)
