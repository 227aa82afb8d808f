"""A user's GGUF in a real topic: sure intents go by words, unsure ones by the model if it can be believed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from participants import Participant
from router_agent.agent import RouterAgent
from router_agent.cli import main
from router_agent.core import Catalogue, Intent, Policy, Router, Tool
from router_agent.core.limits import State
from router_agent.generating import GgufWriter
from router_agent.models.dialects import Call
from router_agent.models.dialects import Tool as Offered
from router_agent.models.functiongemma import FunctionGemma
from router_agent.opening import StrategyName, open_router
from router_agent.thinking import Thinker
from router_agent.training.gemma import GemmaShape, export_adapter, export_gemma, random_weights
from router_agent.training.tiny import train_adapter, train_whole
from tests.one_topic import OneTopic
from tests.router_agent.core.tools_at_hand import tool
from tests.router_agent.routed_topic import Server, call

TODAY = date(2026, 3, 4)
SOON = 60.0
SHAPE = GemmaShape()
DIALECT = FunctionGemma()
LAMP = tool("lamp", "Set a lamp.", {"room": {"type": "string"}}, ["room"], participant="home")
DESK = tool("desk", "Book a desk.", {"who": {"type": "string"}}, ["who"], participant="office")
BOTH = Catalogue.of([LAMP, DESK])
POLICY = Policy(act=0.55)

SURE = "book a desk for Ada"
NEAR = "a desk near ada"
MADE_UP = "some desk please"
DARK = "it is dark in here, lamp for the kitchen"


def lesson(said: str, named: Tool, **arguments: str) -> tuple[str, str]:
    """The prompt that a strategy makes of an intent and one tool, and the answer that is to be learned."""
    offered = [Offered(named.name, named.description, named.schema)]
    return DIALECT.prompt(said, offered, TODAY), DIALECT.answer([Call(named.name, arguments)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that books desks, and an adapter of it that sets lamps."""
    folder = tmp_path_factory.mktemp("trained")
    desks = [lesson(NEAR, DESK, who="ada"), lesson(MADE_UP, DESK, who="bob")]
    weights = train_whole(SHAPE, random_weights(SHAPE, 1), desks, steps=40)
    export_gemma(folder / "desks.gguf", SHAPE, weights)
    lamps = train_adapter(SHAPE, weights, [lesson(DARK, LAMP, room="kitchen")], steps=35, seed=2)
    export_adapter(folder / "lamps.gguf", lamps, alpha=16.0)
    return folder


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The intents that the model was asked about; it may take its time, on a machine that has more to do."""
    out: list[str] = []
    write = GgufWriter.write

    def noted(writer: GgufWriter, intent: Intent, tools: Sequence[Tool]) -> Any:
        out.append(intent.text)
        writer._deadline = SOON
        return write(writer, intent, tools)

    monkeypatch.setattr(GgufWriter, "write", noted)
    return out


@asynccontextmanager
async def routed(topic: OneTopic, router: Router, tools: Catalogue) -> AsyncIterator[Participant]:
    """A topic in which each tool has its server, and a router that routes so; yields somebody who asks."""
    servers = {one.participant: Server(one) for one in tools}
    thinker = Thinker(router, deadline=SOON)
    async with asyncio.timeout(2 * SOON), AsyncExitStack() as up:
        for id, server in servers.items():
            (await up.enter_async_context(topic.joined(id))).on_request(server.answer)
        me = Participant.connect(topic.gateway.url, topic.name, topic.token("router"))
        agent = RouterAgent(me, thinker, today=lambda: TODAY)
        async with me, topic.joined("ann") as ann:
            running = asyncio.create_task(agent.run())
            try:
                await agent.wait_offered(*servers)
                yield ann
            finally:
                running.cancel()
                await asyncio.wait({running})
                thinker.close()


def outcome_of(told: dict[str, Any]) -> tuple[str, list[tuple[str, str]], dict[str, Any]]:
    """What was decided, what was done in which way, and the first call's arguments."""
    steps = [(step["tool"], step["way"]) for step in told["steps"]]
    return told["route"]["decision"], steps, told["route"]["calls"][0]["arguments"]


async def test_the_model_is_asked_what_words_are_unsure_of_and_believed_where_it_tells_the_truth(
    topic: OneTopic, trained: Path, asked: list[str]
) -> None:
    router = open_router(model=trained / "desks.gguf", policy=POLICY)
    async with routed(topic, router, Catalogue.of([DESK])) as ann:
        sure, near, made_up = [await call(ann, "execute_intent", said) for said in (SURE, NEAR, MADE_UP)]

    assert outcome_of(sure) == ("act", [("desk", "request")], {"who": "Ada"})
    assert outcome_of(near) == ("act", [("desk", "request")], {"who": "ada"})
    assert outcome_of(made_up) == ("ask", [], {})
    assert asked == [NEAR, MADE_UP]
    assert open_router(policy=POLICY).route(NEAR, Catalogue.of([DESK]), TODAY).decision == "ask"


@pytest.mark.parametrize("strategy", [StrategyName.EXPERTS, StrategyName.HIERARCHICAL])
async def test_each_domain_is_answered_with_its_own_adapter(trained: Path, strategy: StrategyName) -> None:
    router = open_router(
        model=trained / "desks.gguf",
        adapters={"home": trained / "lamps.gguf"},
        strategy=strategy,
        policy=POLICY,
    )
    routes = [router.route(said, BOTH, TODAY) for said in (NEAR, DARK, NEAR, SURE)]

    assert [(route.calls[0].tool.name, dict(route.calls[0].arguments)) for route in routes] == [
        ("desk", {"who": "ada"}),
        ("lamp", {"room": "kitchen"}),
        ("desk", {"who": "ada"}),
        ("desk", {"who": "Ada"}),
    ]
    assert [route.decision for route in routes] == ["act"] * 4
    assert open_router().route(DARK, BOTH, TODAY).calls[0].arguments == {"room": "here"}


def test_a_model_is_measured_as_it_will_be_used(trained: Path, asked: list[str], tmp_path: Path) -> None:
    tools = [{"name": DESK.name, "description": DESK.description, "parameters": DESK.schema}]
    rows = [{"id": said, "intent": said, "tools": tools, "today": TODAY.isoformat()} for said in (SURE, NEAR)]
    (tmp_path / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = ["--cases", f"{tmp_path}/cases.jsonl", "--out", f"{tmp_path}/out.jsonl"]

    assert main(["predict", *files, "--encoder", "none", "--model", f"{trained}/desks.gguf"]) == 0

    told = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [one["calls"] for one in told] == [
        [{"name": "desk", "arguments": {"who": "Ada"}}],
        [{"name": "desk", "arguments": {"who": "ada"}}],
    ]
    assert NEAR in asked


async def test_a_model_that_breaks_down_leaves_the_topic_to_words(topic: OneTopic, trained: Path) -> None:
    router = open_router(model=trained / "desks.gguf", policy=POLICY)
    writer = router._strategy.second  # type: ignore[attr-defined]  # a cascade's
    writer._model.push = broken
    async with routed(topic, router, Catalogue.of([DESK])) as ann:
        told = [await call(ann, "execute_intent", f"{NEAR}{'!' * number}") for number in range(4)]
        sure = await call(ann, "execute_intent", SURE)

    assert [outcome_of(one)[0] for one in told] == ["ask"] * 4
    assert outcome_of(sure)[0] == "act"
    assert writer._breaker.state(writer._clock()) is State.OPEN


def broken(tokens: Sequence[int]) -> None:
    raise RuntimeError("llama.cpp did not decode")
