"""What an encoder reads is weighed with what the rules know; neither decides alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_agent.core import Catalogue, Evidence, Filled, Gate, Logistic, Router, Tool, select
from router_agent.core.features import UNTOLD, features_of
from router_agent.core.filling import fill
from router_agent.core.filling.weighing import weighed
from router_agent.core.intents import Intent
from router_agent.core.planning import Monolithic
from router_agent.core.strategies import Hierarchical
from router_agent.models.reading import Reading, SlotReading, SpanReading, ToolPage
from tests.router_agent.core.tools_at_hand import ALL, GATE, READ, WEATHER, tool


def reading(*spans: SpanReading, relevance: float = 0.9) -> Reading:
    absent = max(0.0, 1 - sum(one.probability for one in spans))
    return Reading(relevance, (SlotReading(absent, spans, (1.0, 0.0, 0.0), ()),))


class Reader:
    """An encoder that finds one tool near, and points nowhere."""

    def __init__(self, near: str) -> None:
        self.near = near
        self.read_tools: list[str] = []
        self.heard: list[str] = []

    def nearness(self, intent: str, texts: Sequence[str]) -> Sequence[float]:
        self.heard.append(intent)
        return [0.9 if text.startswith(self.near) else 0.1 for text in texts]

    def read(self, intent: str, tools: Sequence[ToolPage]) -> Sequence[Reading]:
        self.read_tools += [one.name for one in tools]
        return [Reading(0.5, tuple(SlotReading(1.0, (), (1, 0, 0), ()) for _ in one.slots)) for one in tools]


def test_a_pointer_finds_what_no_rule_knows() -> None:
    mood = tool("mood", "", {"feeling": {"type": "string"}}, ["feeling"])
    intent = Intent.of("somehow i am so very glad about it")
    at = intent.text.index("glad")

    filled = fill(intent, mood, reading(SpanReading(at, at + 4, 0.95)))

    assert filled.arguments == {"feeling": "glad"}


def test_a_pointer_chooses_between_what_rules_find_alike() -> None:
    intent = Intent.of("Anna likes Berta")
    person = tool("greet", "", {"friend": {"type": "string"}}, ["friend"])
    for name in ("Anna", "Berta"):
        at = intent.text.index(name)

        filled = fill(intent, person, reading(SpanReading(at, at + len(name), 0.9)))

        assert filled.arguments == {"friend": name}


def test_nearness_selects_where_no_word_is_shared() -> None:
    reader = Reader("weather get current")

    plan = Monolithic(GATE, reader).plan(Intent.of("do I need an umbrella"), ALL)

    assert plan.best is not None
    assert plan.best.tool is WEATHER
    assert reader.read_tools[0] == WEATHER.name
    assert READ.name not in reader.read_tools[:1]


def test_a_domain_is_chosen_by_the_encoder_too() -> None:
    intent = Intent.of("how many kronor are these quid worth")

    def domains(encoder: Reader | None) -> set[str]:
        tools = Hierarchical(Monolithic(GATE), carried=0.0, encoder=encoder).within(intent, ALL)
        return {one.participant for one in tools}

    assert domains(Reader("convert currency")) == {"bank"} != domains(None)


def test_a_guess_that_the_encoder_shares_counts_more_than_one_that_it_does_not() -> None:
    here, beside = SpanReading(3, 9, 0.9), SpanReading(0, 9, 0.9)
    nowhere = SlotReading(0.9, (), (1.0, 0.0, 0.0), ())

    shared = weighed(0.6, 3, 9, SlotReading(0.1, (here,), (1.0, 0.0, 0.0), ()))
    overlapping = weighed(0.6, 3, 9, SlotReading(0.1, (beside,), (1.0, 0.0, 0.0), ()))
    doubted = weighed(0.6, 3, 9, nowhere)

    assert 1 > shared > overlapping > doubted > 0


def test_an_encoder_alone_cuts_no_intent_in_two() -> None:
    said = "read the file a.txt and convert 5 euros to dollars"
    sure = Logistic({}, 3.0)
    reader = Reader("nothing of all that")

    def routed(worded: Logistic) -> list[str]:
        gate = Gate(sure, sure, 0.5, worded)
        return [call.tool.name for call in Router(Monolithic(gate, reader), 0.5).route(said, ALL).calls]

    assert len(routed(sure)) == 2
    assert len(routed(Logistic({}, -3.0))) == 1


def test_where_one_part_of_an_intent_is_no_wish_the_others_are_not_read() -> None:
    parts = ["read the file a.txt", "convert 5 euros to dollars", "book a table for two"]
    unsure, reader = Logistic({}, -3.0), Reader("nothing of all that")
    gate = Gate(Logistic({}, 3.0), unsure, 0.5, unsure)

    Router(Monolithic(gate, reader), 0.5).route(" and ".join(parts), ALL)

    assert reader.heard == [parts[0], " and ".join(parts)]


def test_a_reading_says_what_was_left_and_what_is_doubtful() -> None:
    intent = Intent.of("what is the weather in Oslo")
    at = intent.text.index("Oslo")
    heard = SlotReading(0.1, (SpanReading(at, at + 4, 0.9),), (1.0, 0.0, 0.0), ())
    unheard = SlotReading(0.9, (), (1.0, 0.0, 0.0), ())
    city = tool("weather", "The weather", {"city": {"type": "string", "description": "City"}}, ["city"])
    (one,) = select(intent, Catalogue.of([city]))

    def features(slot: SlotReading) -> dict[str, float]:
        reading = Reading(0.5, (slot,))
        return features_of(intent, [one], 0, fill(intent, city, reading), reading)

    assert features(heard)["heard"] > 0.8
    assert features(unheard)["heard"] < 0.2
    assert features(unheard)["doubt"] > features(heard)["doubt"]


def test_a_call_is_trusted_more_where_the_reading_points_at_just_its_words() -> None:
    intent = Intent.of("what is the weather in Oslo")
    at = intent.text.index("Oslo")
    city = tool("weather", "The weather", {"city": {"type": "string", "description": "City"}}, ["city"])
    (one,) = select(intent, Catalogue.of([city]))
    filled = fill(intent, city)

    def pointed(*spans: SpanReading) -> float:
        reading = Reading(0.5, (SlotReading(0.1, spans, (1.0, 0.0, 0.0), ()),))
        return features_of(intent, [one], 0, filled, reading)["pointed"]

    assert pointed(SpanReading(at, at + 4, 0.8)) == pytest.approx(0.8)
    assert pointed(SpanReading(at - 3, at + 4, 0.8)) == 0.0
    assert pointed() == 0.0


@pytest.mark.parametrize(
    ("said", "is_a_guess"),
    [("take a note about the broken gate", True), ('take a note about "the broken gate"', False)],
)
def test_a_value_that_only_its_place_speaks_for_is_a_guess(said: str, is_a_guess: bool) -> None:
    intent = Intent.of(said)
    text = {"type": "string", "description": "What the note is about"}
    note = tool("take_note", "Take a note", {"topic": text}, ["topic"])
    (one,) = select(intent, Catalogue.of([note]))

    assert features_of(intent, [one], 0, fill(intent, note), None)["guessed"] == is_a_guess


def test_of_two_calls_with_values_alike_the_one_with_more_of_them_is_surer_to_have_a_wrong_one() -> None:
    intent = Intent.of("what is the weather in Oslo")
    (one,) = select(intent, Catalogue.of([WEATHER]))

    def together(count: int) -> float:
        evidence = tuple(Evidence((str(number),), 0, 4, "number", 0.8) for number in range(count))
        return features_of(intent, [one], 0, Filled({}, evidence, ()), None)["together"]

    assert [together(count) for count in range(3)] == pytest.approx([1.0, 0.8, 0.64])


def test_a_parameter_that_may_be_left_out_and_was_is_open() -> None:
    intent = Intent.of("what is the weather in Oslo")
    text = {"type": "string"}
    weather = tool("weather", "The weather", {"city": text, "unit": text, "days": text}, ["city", "unit"])
    (one,) = select(intent, Catalogue.of([weather]))
    said = Evidence(("city",), 23, 27, "name", 0.9)

    def features(*evidence: Evidence) -> float:
        return features_of(intent, [one], 0, Filled({}, evidence, ()), None)["open"]

    assert features(said) == pytest.approx(1 / 3)  # the unit is missing, which is something else
    assert features(said, Evidence(("days",), -1, -1, "default", 0.6)) == 0.0


ROI = tool(
    "calculate_ROI",
    "The return on an investment",
    {"net_profit": {"type": "number", "description": "Profit of the year in dollars"}},
    ["net_profit"],
)


def measured(said: str, one: Tool) -> dict[str, float]:
    """Measure the call of the only tool in view, by words alone."""
    intent = Intent.of(said)
    (found,) = select(intent, Catalogue.of([one]))
    return features_of(intent, [found], 0, fill(intent, found.tool), None)


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ("What is the weather in Oslo?", 1.0),
        ("please show me the temperature of Oslo", 1.0),  # which means the same
        ("What is the population of Oslo?", 0.0),
        ("Hello there. Find a bakery selling bread in Oslo", 0.0),
        ("Tell me the big news, and the weather", 0.0),
        ("Oslo, tomorrow", UNTOLD),
        ("Find Oslo", UNTOLD),  # a name is a value
        ("what is in Oslo", UNTOLD),
    ],
)
def test_what_is_asked_for_is_the_tools_or_it_is_not(said: str, share: float) -> None:
    assert measured(said, WEATHER)["sought"] == share


def test_what_is_asked_for_may_be_a_value() -> None:
    shop = tool(
        "shops", "Shops of a town", {"kind": {"type": "string", "enum": ["bakery", "florist"]}}, ["kind"]
    )

    assert measured("find a bakery", shop)["sought"] == 1.0


def test_words_that_stand_with_parameters_alone_are_counted() -> None:
    assert measured("what is the return in dollars this year", ROI)["echoed"] == pytest.approx(2 / 5)
    assert measured("the return on this investment", ROI)["echoed"] == 0.0


@pytest.mark.parametrize(
    ("name", "is_content"),
    [
        ("command", 1.0),
        ("shell_command", 1.0),
        ("sqlQuery", 1.0),
        ("code", 1.0),
        ("state_code", 0.0),
        ("city", 0.0),
    ],
)
def test_a_tool_that_takes_whatever_it_is_given_is_known_by_a_name(name: str, is_content: float) -> None:
    text = {"type": "string"}

    assert measured("list the files", tool("t", "", {name: text}, [name]))["content"] == is_content
    assert measured("list the files", tool("t", "", {name: text}, []))["content"] == 0.0
    assert measured("list the files", tool("t", "", {name: text | {"enum": ["a"]}}, [name]))["content"] == 0.0


@given(
    guess=st.floats(0, 1),
    spans=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9), st.floats(0, 1)), max_size=3),
    absent=st.floats(0, 1),
)
def test_a_weighed_score_stays_a_score(
    guess: float, spans: list[tuple[int, int, float]], absent: float
) -> None:
    read = SlotReading(
        absent, tuple(SpanReading(at, at + long, share) for at, long, share in spans), (1, 0, 0), ()
    )

    assert 0 <= weighed(guess, 3, 9, read) < 1
