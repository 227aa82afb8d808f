"""Strategies are compositions: by domain, by experts, with a second opinion that has to be grounded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from router_agent.core.filling.grounding import ground_of, grounds
from router_agent.core.intents import Intent
from router_agent.core.planning import Monolithic, Plan
from router_agent.core.router import Policy, Router
from router_agent.core.routes import Decision
from router_agent.core.strategies import Cascade, Experts, Hierarchical
from router_agent.core.tools import Catalogue, Tool
from tests.router_agent.core.tools_at_hand import ALL, EXCHANGE, GATE, MEETING, READ, WEATHER, tool

FIRST = Monolithic(GATE)


@dataclass
class Writer:
    """A generative model that answers what it was given."""

    answers: Sequence[tuple[str, Mapping[str, Any]]]
    shown: list[str] = field(default_factory=list)

    def write(self, intent: Intent, tools: Sequence[Tool]) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        self.shown = [one.name for one in tools]
        return self.answers


@dataclass
class Watched:
    """A strategy that remembers what it was asked about."""

    seen: list[set[str]] = field(default_factory=list)

    def plan(self, intent: Intent, catalogue: Catalogue) -> Plan:
        self.seen.append({one.name for one in catalogue})
        return FIRST.plan(intent, catalogue)


def test_a_domain_is_chosen_before_a_tool() -> None:
    inner = Watched()

    plan = Hierarchical(inner, carried=0.0).plan(Intent.of("get the current weather of Oslo"), ALL)

    assert inner.seen == [{"weather.get_current"}]
    assert plan.best is not None
    assert plan.best.tool is WEATHER


def test_two_domains_are_carried_where_they_are_near() -> None:
    inner = Watched()

    Hierarchical(inner, carried=10.0).plan(Intent.of("get the current weather of Oslo"), ALL)

    assert len({one.participant for one in ALL if one.name in inner.seen[0]}) == 2


def test_domains_may_be_configured() -> None:
    domains = {"read_file": "office", "create_event": "office"}
    inner = Watched()
    strategy = Hierarchical(inner, domain_of=lambda one: domains.get(one.name, "other"), carried=0.0)

    strategy.plan(Intent.of("create an event called 'Budget'"), ALL)

    assert inner.seen == [{"read_file", "create_event"}]


def test_only_specialists_above_the_floor_are_asked() -> None:
    weather, bank, general = Watched(), Watched(), Watched()
    strategy = Experts({"weather": weather, "bank": bank}, general, floor=0.3)

    plan = strategy.plan(Intent.of("get the current weather of Oslo"), ALL)

    assert weather.seen == [{"weather.get_current"}]
    assert bank.seen == []
    assert plan.best is not None
    assert plan.best.tool is WEATHER


def test_a_tool_without_a_specialist_is_left_to_the_general_one() -> None:
    general = Watched()

    plan = Experts({"bank": Watched()}, general).plan(Intent.of("create an event called 'Budget'"), ALL)

    assert plan.best is not None
    assert plan.best.tool is MEETING


def test_a_specialist_that_is_late_is_left_out() -> None:
    def only_the_first(asked: Sequence[Callable[[], Plan]]) -> Sequence[Plan | None]:
        return [asked[0](), *[None] * (len(asked) - 1)]

    domains = {"weather": Watched(), "bank": Watched()}
    strategy = Experts(domains, Watched(), floor=0.0, most=2, together=only_the_first)

    plan = strategy.plan(Intent.of("get the current weather of Oslo"), ALL)

    assert plan.best is not None
    assert plan.best.tool is WEATHER
    assert not plan.is_whole
    assert domains["bank"].seen == []


def test_where_no_specialist_is_in_time_the_general_one_sees_all_tools() -> None:
    general = Watched()
    strategy = Experts({"weather": Watched()}, general, most=1, together=lambda asked: [None] * len(asked))

    plan = strategy.plan(Intent.of("get the current weather of Oslo"), ALL)

    assert general.seen == [{one.name for one in ALL}]
    assert plan.best is not None
    assert not plan.is_whole


def test_the_surest_specialist_counts() -> None:
    sure, unsure = Watched(), Watched()
    strategy = Experts({"weather": unsure, "bank": sure}, Watched(), floor=0.0, most=2)

    plan = strategy.plan(Intent.of("convert 250 euros to dollars, not the weather"), ALL)

    assert [len(sure.seen), len(unsure.seen)] == [1, 1]
    assert plan.best is not None
    assert plan.best.tool is EXCHANGE
    confidences = [call.wanted * call.confidence for call in plan.calls]
    assert confidences == sorted(confidences, reverse=True)


def test_equal_tools_of_two_experts_are_left_to_a_person() -> None:
    twin = tool("read_file", READ.description, dict(READ.schema["properties"]), ["path"], participant="disk")
    experts = Experts({"files": FIRST, "disk": FIRST}, FIRST)

    route = Router(experts, GATE.floor, Policy(act=0.0)).route(
        "read the text file notes/a.txt", Catalogue.of([READ, twin])
    )

    assert route.decision is Decision.PROPOSE
    assert "Several participants" in route.reason


def cascade(*answers: tuple[str, Mapping[str, Any]], act: float = 1.1) -> tuple[Cascade, Writer]:
    writer = Writer(answers)
    return Cascade(FIRST, writer, act=act, wanted=0.0), writer


SAID = Intent.of("please exchange 250 euros for dollars at the bank")


def test_who_is_sure_asks_nobody() -> None:
    strategy, writer = cascade(act=0.0)

    strategy.plan(SAID, ALL)

    assert writer.shown == []


def test_a_grounded_second_opinion_counts() -> None:
    arguments = {"amount": 250, "from_currency": "EUR", "to_currency": "USD"}
    strategy, writer = cascade((EXCHANGE.name, arguments))

    best = strategy.plan(SAID, ALL).best

    assert best is not None
    assert (best.tool, dict(best.arguments)) == (EXCHANGE, arguments)
    assert len(writer.shown) <= 5
    assert {one.path[0]: SAID.text[one.start : one.end] for one in best.evidence} == {
        "amount": "250",
        "from_currency": "euros",
        "to_currency": "dollars",
    }


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("transfer_everything", {}),
        (EXCHANGE.name, {"amount": 9000, "from_currency": "EUR", "to_currency": "USD"}),
        (EXCHANGE.name, {"amount": 250, "from_currency": "EUR", "to_currency": "CHF"}),
        (EXCHANGE.name, {"amount": "250", "from_currency": "EUR", "to_currency": "USD"}),
        (EXCHANGE.name, {"amount": 250, "from_currency": "EUR"}),
        (EXCHANGE.name, {"amount": 250, "from_currency": "EUR", "to_currency": "USD", "note": "euros"}),
    ],
)
def test_a_second_opinion_that_is_made_up_counts_for_nothing(name: str, arguments: Mapping[str, Any]) -> None:
    strategy, _ = cascade((name, arguments))

    assert strategy.plan(SAID, ALL) == FIRST.plan(SAID, ALL)


def test_a_plan_without_the_second_opinion_that_was_wanted_says_so() -> None:
    class Away(Writer):
        def write(self, intent: Intent, tools: Sequence[Tool]) -> None:
            return None

    plan = Cascade(FIRST, Away(()), act=1.1, wanted=0.0).plan(SAID, ALL)

    assert plan.calls == FIRST.plan(SAID, ALL).calls
    assert not plan.is_whole


def test_a_second_opinion_does_not_choose_between_tools_of_one_name() -> None:
    twin = tool(
        EXCHANGE.name, EXCHANGE.description, dict(EXCHANGE.schema["properties"]), participant="mallory"
    )
    strategy, _ = cascade((EXCHANGE.name, {"amount": 250, "from_currency": "EUR", "to_currency": "USD"}))
    both = Catalogue.of([*ALL, twin])

    assert strategy.plan(SAID, both) == FIRST.plan(SAID, both)


def test_a_second_that_answers_nothing_or_too_much_changes_nothing() -> None:
    for answers in ((), ((READ.name, {"path": "a"}), (READ.name, {"path": "b"}))):
        strategy, _ = cascade(*answers)

        assert strategy.plan(SAID, ALL) == FIRST.plan(SAID, ALL)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("tomorrow at 2pm", "said"),
        ("Budget", "said"),
        ("budget", "said"),
        ("2026-03-05", None),
        ("Secret", None),
        (["Budget", "Oslo"], "list"),
        (["Budget", "Rome"], None),
        (True, "boolean"),
        (45, "number"),
        (46, None),
    ],
)
def test_a_value_is_grounded_or_made_up(value: Any, rule: str | None) -> None:
    intent = Intent.of("create a meeting called 'Budget' in Oslo tomorrow at 2pm for 45 minutes")
    title = MEETING.parameters[0]

    ground = ground_of(intent, title, value)

    assert (ground.rule if ground else None) == rule


def test_a_choice_and_a_default_need_no_words() -> None:
    intent = Intent.of("weather in Oslo")

    found = dict(grounds(intent, WEATHER, {"city": "Oslo", "unit": "fahrenheit"}))

    assert found[("unit",)] is not None
    assert dict(grounds(intent, tool("t"), {"x": "Oslo"})) == {("x",): None}
