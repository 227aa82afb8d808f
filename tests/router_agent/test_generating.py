"""A model of the user's: it may hang, raise or write nonsense, and the router goes on by words."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from typing import Any

import pytest

from router_agent.core import EVERY_CALL, Intent, Monolithic, Router
from router_agent.core.limits import Breaker, State
from router_agent.core.strategies import Cascade
from router_agent.generating import GgufWriter
from router_agent.models.dialects import Call
from router_agent.thinking import Thinker
from tests.router_agent.core.tools_at_hand import ALL, EXCHANGE, GATE, READ, WEATHER

TODAY = date(2026, 3, 4)
SOON = 30.0


class Bank:
    """Adapters by name; remembers which were in use."""

    def __init__(self) -> None:
        self.used: list[dict[str, float]] = []

    def use(self, weights: dict[str, float]) -> bool:
        self.used.append(weights)
        return True


class Model:
    """A model at the border: what it does is decided by the test."""

    def __init__(self, *, raises: Exception | None = None, hangs: bool = False) -> None:
        self.raises, self.adapters = raises, Bank()
        self.asked = 0
        self.began, self.let_go = threading.Event(), threading.Event()
        if not hangs:
            self.let_go.set()

    @property
    def dialect(self) -> Model:
        return self

    def prompt(self, *_: object) -> str:
        return "prompt"

    def tokens(self, text: str) -> list[int]:
        return [len(text)]

    def begin(self, tokens: object) -> None:
        self.asked += 1
        self.began.set()
        self.let_go.wait(SOON)
        if self.raises is not None:
            raise self.raises


def written(monkeypatch: pytest.MonkeyPatch, *calls: Call) -> None:
    """Let every model that answers answer this."""

    def write_calls(model: Any, dialect: Any, *_: object) -> list[Call]:
        model.begin(model.tokens(dialect.prompt()))
        return list(calls)

    monkeypatch.setattr("router_agent.models.decoding.write_calls", write_calls)


@pytest.mark.parametrize("error", [ValueError("x"), MemoryError(), LookupError(), OSError("gone")])
def test_a_model_that_raises_whatever_it_is_opens_the_breaker(error: Exception) -> None:
    model, breaker = Model(raises=error), Breaker(failures=2, pause=100)
    writer = GgufWriter(model, breaker=breaker, clock=lambda: 0.0)

    assert [writer.write(Intent.of("x"), [READ]) for _ in range(5)] == [None] * 5
    assert model.asked == 2
    assert breaker.state(0.0) is State.OPEN


def test_a_model_that_hangs_is_waited_for_once() -> None:
    model, breaker = Model(hangs=True), Breaker(failures=3, pause=10)
    now = 0.0
    writer = GgufWriter(model, breaker=breaker, clock=lambda: now, deadline=0.02)

    while writer._late is None:  # its thread may begin later than it is waited for
        assert writer.write(Intent.of("x"), [READ]) is None
    assert breaker.state(0.0) is State.OPEN
    now = 1_000.0
    assert writer.write(Intent.of("x"), [READ]) is None, "it hangs still: not even an attempt"
    assert model.began.wait(SOON)
    assert model.asked == 1
    model.let_go.set()


def test_a_model_that_came_back_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    written(monkeypatch, Call("read_file", {"path": "a"}))
    model, breaker = Model(hangs=True), Breaker(pause=10)
    now = 0.0
    writer = GgufWriter(model, breaker=breaker, clock=lambda: now, deadline=0.02)
    while (late := writer._late) is None:  # its thread may begin later than it is waited for
        writer.write(Intent.of("x"), [READ])
        now += 1_000.0

    model.let_go.set()
    late.result(SOON)
    writer._deadline = SOON

    assert writer.write(Intent.of("x"), [READ]) == [("read_file", {"path": "a"})]
    assert breaker.state(now) is State.CLOSED


def test_who_only_waits_for_others_says_nothing_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    written(monkeypatch, Call("read_file", {"path": "a"}))
    model, breaker = Model(hangs=True), Breaker(failures=1, pause=100)
    writer = GgufWriter(model, breaker=breaker, clock=lambda: 0.0, deadline=SOON)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(writer.write, Intent.of("x"), [READ])
        assert model.began.wait(SOON)
        writer._deadline = 0.02

        assert writer.write(Intent.of("y"), [READ]) is None
        assert breaker.state(0.0) is State.CLOSED

        model.let_go.set()
        assert first.result(SOON) == [("read_file", {"path": "a"})]


def test_a_trial_that_only_waited_for_others_leaves_the_trial_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written(monkeypatch, Call("read_file", {"path": "a"}))
    model, breaker = Model(), Breaker(failures=1, pause=10)
    now = 100.0
    writer = GgufWriter(model, breaker=breaker, clock=lambda: now, deadline=0.02)
    breaker.failed(0.0)
    busy = threading.Event()
    writer._workers.submit(partial(busy.wait, SOON))

    assert breaker.state(now) is State.HALF_OPEN
    assert writer.write(Intent.of("x"), [READ]) is None
    busy.set()
    writer._deadline = SOON
    assert writer.write(Intent.of("x"), [READ]) == [("read_file", {"path": "a"})]
    assert breaker.state(now) is State.CLOSED


def test_each_domain_is_asked_with_its_own_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    written(monkeypatch)
    model = Model()
    writer = GgufWriter(model, adapters=["weather"])

    for tools in ([WEATHER, READ], [READ, WEATHER], [WEATHER]):
        assert writer.write(Intent.of("x"), tools) == []

    assert model.adapters.used == [{"weather": 1.0}, {}, {"weather": 1.0}]


async def test_the_loop_and_sure_intents_go_on_while_a_model_hangs() -> None:
    model = Model(hangs=True)
    writer = GgufWriter(model, deadline=SOON)
    strategy = Cascade(Monolithic(GATE), writer, act=0.9, wanted=0.0)
    thinker = Thinker(Router(strategy, 0.0, EVERY_CALL))
    async with asyncio.timeout(SOON):
        unsure = asyncio.create_task(thinker.route("please exchange something at the bank", ALL, TODAY))
        await asyncio.to_thread(model.began.wait, SOON)
        sure = await thinker.route("get the current weather of Oslo", ALL, TODAY)
        assert not unsure.done()
        model.let_go.set()
        late = await unsure
    thinker.close()

    assert sure.calls[0].tool is WEATHER
    assert late.calls[0].tool is EXCHANGE
