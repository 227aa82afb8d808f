"""Limits: who asks too often waits, and a model that fails is left alone for a while."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import date

import pytest

from router_agent.core import DEFAULT_POLICY, Answer, Catalogue, Route, Router
from router_agent.core.limits import Allowance, Breaker, State
from router_agent.errors import IntentRefused
from router_agent.thinking import Thinker
from tests.router_agent.core.tools_at_hand import ALL, router

TODAY = date(2026, 3, 4)


def test_a_burst_is_taken_and_then_so_many_a_minute() -> None:
    allowance = Allowance(per_minute=60, burst=2)

    assert [allowance.takes("ann", 0.0) for _ in range(3)] == [True, True, False]
    assert allowance.takes("bob", 0.0)
    assert [allowance.takes("ann", 1.0), allowance.takes("ann", 1.0)] == [True, False]


def test_a_breaker_opens_after_failures_in_a_row_and_tries_again() -> None:
    breaker = Breaker(failures=2, pause=10)
    breaker.failed(0.0)
    assert breaker.admits(0.0)
    breaker.failed(0.0)

    assert breaker.state(5.0) is State.OPEN
    assert breaker.admits(10.0)
    assert not breaker.admits(10.0), "one attempt at a time"
    breaker.failed(10.0)
    assert (breaker.state(29.0), breaker.state(30.0)) == (State.OPEN, State.HALF_OPEN)
    assert breaker.admits(30.0)
    breaker.succeeded()
    assert breaker.state(30.0) is State.CLOSED


def test_attempts_that_were_under_way_when_a_breaker_opened_make_its_pause_no_longer() -> None:
    breaker = Breaker(failures=3, pause=10)
    for _ in range(3):
        breaker.failed(1.0, at_once=True)

    assert (breaker.state(10.9), breaker.state(11.0)) == (State.OPEN, State.HALF_OPEN)
    assert breaker.admits(11.0)
    breaker.failed(12.0)
    breaker.failed(12.0)
    assert (breaker.state(31.9), breaker.state(32.0)) == (State.OPEN, State.HALF_OPEN)


class Stuck(Router):
    """A router whose model does not answer until it is let go."""

    def __init__(self, *, is_whole: bool = True) -> None:
        self.policy = DEFAULT_POLICY
        self.is_whole = is_whole
        self.let_go = threading.Event()
        self.asked = 0

    def route(
        self, said: str, catalogue: Catalogue, today: date | None = None, answers: tuple[Answer, ...] = ()
    ) -> Route:
        self.asked += 1
        self.let_go.wait(5)
        return replace(router().route(said, catalogue, today), is_whole=self.is_whole)


async def test_a_model_that_takes_too_long_is_not_waited_for() -> None:
    stuck = Stuck()
    thinker = Thinker(stuck, deadline=0.01, waiting=1)
    try:
        with pytest.raises(IntentRefused, match="too long"):
            await thinker.route("weather in Oslo", ALL, TODAY)
        with pytest.raises(IntentRefused, match="Too many"):
            await thinker.route("weather in Bergen", ALL, TODAY)
    finally:
        stuck.let_go.set()
        thinker.close()


async def test_the_same_question_is_computed_once() -> None:
    stuck = Stuck()
    stuck.let_go.set()
    thinker = Thinker(stuck)
    async with asyncio.timeout(30):
        first = await thinker.route("weather in Oslo", ALL, TODAY)
        again = await thinker.route("weather in Oslo", ALL, TODAY)
        await thinker.route("weather in Oslo", Catalogue.of(list(ALL)[:2]), TODAY)
    thinker.close()

    assert first is again
    assert stuck.asked == 2


async def test_who_asks_the_same_meanwhile_waits_for_the_same_answer() -> None:
    stuck = Stuck()
    thinker = Thinker(stuck)
    async with asyncio.timeout(30):
        asking = [asyncio.create_task(thinker.route("weather in Oslo", ALL, TODAY)) for _ in range(3)]
        await asyncio.sleep(0)
        stuck.let_go.set()
        routes = await asyncio.gather(*asking)
    thinker.close()

    assert stuck.asked == 1
    assert all(route is routes[0] for route in routes)


async def test_a_route_that_lacks_a_models_answer_is_not_remembered() -> None:
    stuck = Stuck(is_whole=False)
    stuck.let_go.set()
    thinker = Thinker(stuck)
    async with asyncio.timeout(30):
        for _ in range(2):
            await thinker.route("weather in Oslo", ALL, TODAY)
    thinker.close()

    assert stuck.asked == 2


async def test_so_many_routes_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router_agent.thinking.ROUTES_REMEMBERED", 2)
    stuck = Stuck()
    stuck.let_go.set()
    thinker = Thinker(stuck)
    async with asyncio.timeout(30):
        for city in ("Oslo", "Bergen", "Rome", "Oslo"):
            await thinker.route(f"weather in {city}", ALL, TODAY)
    thinker.close()

    assert stuck.asked == 4
    assert len(thinker._known) == 2
