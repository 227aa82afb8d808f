"""The router over HTTP: the caller's own token and rights, and problems that say what is wrong."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import httpx
import jsonschema_rs
import pytest
import uvicorn

from participants import ConnectionLost, ProposalSeen, Request
from router_agent.callers import Callers
from router_agent.core.limits import Allowance
from router_agent.harness import Turn
from router_agent.openapi import OPENAPI
from router_agent.thinking import Thinker
from router_agent.web import HEARTBEAT_S, LARGEST_BODY, Web
from tests.one_topic import OneTopic
from tests.router_agent.core.tools_at_hand import DELETE, WEATHER, router
from tests.router_agent.routed_topic import Server

SOON = 30


class Scripted:
    """A model that says these turns."""

    def __init__(self, *turns: str) -> None:
        self.turns = list(turns)
        self.system = ""

    async def stream(self, system: str, turns: Sequence[Turn]) -> AsyncGenerator[str]:
        self.system = system
        for word in self.turns.pop(0).split(" "):
            yield word + " "


@asynccontextmanager
async def served(
    topic: OneTopic,
    server: Server,
    model: Scripted | None = None,
    allowance: Allowance | None = None,
    heartbeat: float = HEARTBEAT_S,
) -> AsyncIterator[httpx.AsyncClient]:
    """A topic with a server called `tools`, and the router's HTTP door on a free port."""
    thinker = Thinker(router())
    callers = Callers(topic.gateway.url, thinker, lambda: date(2026, 3, 4))
    web = Web(callers, {"scripted": model} if model else {}, allowance=allowance, heartbeat=heartbeat)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    http = uvicorn.Server(uvicorn.Config(web.app, log_config=None, lifespan="off"))
    async with asyncio.timeout(60), topic.joined("tools") as offering:
        offering.on_request(server.answer)
        serving = asyncio.create_task(http._serve([listening]))
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30
            ) as client:
                yield client
        finally:
            http.should_exit = True
            await serving
            await callers.close()
            thinker.close()


@asynccontextmanager
async def door(model: Scripted | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """The door alone: what it refuses by itself needs no gateway."""
    thinker = Thinker(router())
    callers = Callers("ws://127.0.0.1:1", thinker, lambda: date(2026, 3, 4))
    web = Web(callers, {"scripted": model} if model else {})
    transport = httpx.ASGITransport(web.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client
    thinker.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def asked(intent: str, topic: str = "ops") -> dict[str, Any]:
    return {"topic": topic, "intent": intent, "context": {}}


async def test_an_intent_is_carried_out_with_the_callers_own_rights(topic: OneTopic) -> None:
    server = Server(WEATHER)
    async with served(topic, server) as client:
        body = asked("get the current weather of Oslo", topic.name)
        answer = await client.post("/v2/execute", json=body, headers=bearer(topic.token("ann")))

        assert answer.status_code == 200
        assert server.done == [("weather.get_current", {"city": "Oslo"})]
        told = answer.json()
        assert told["steps"][0]["way"] == "request"
        schemas = OPENAPI["components"]["schemas"]
        assert jsonschema_rs.is_valid(schemas["Executed"], told)


async def test_a_restricted_caller_gets_a_proposal(topic: OneTopic) -> None:
    server = Server(DELETE)
    few = ("mcp/proposal:*", "mcp/request:tools/list", "chat")
    async with served(topic, server) as client, topic.joined("ann") as ann:
        events = ann.events()
        asking = asyncio.create_task(
            client.post(
                "/v2/execute",
                json=asked("delete the file notes/old.txt for good", topic.name),
                headers=bearer(topic.token("agent", *few)),
                timeout=SOON,
            )
        )
        proposal = await anext(event.proposal async for event in events if isinstance(event, ProposalSeen))
        assert proposal.proposer == "agent"
        await ann.fulfill(proposal, timeout=SOON)

        assert (await asking).json()["steps"][0]["fulfilledBy"] == "ann"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_body"),
        (b"[]", 400, "invalid_body"),
        (b'{"topic": "ops"}', 400, "invalid_body"),
        (b'{"topic": "a//b", "intent": "x"}', 400, "invalid_body"),
        (b'{"topic": "ops", "intent": "x"}', 503, "gateway_unavailable"),
        (b'{"topic": "ops", "intent": "' + b"x" * LARGEST_BODY + b'"}', 413, "too_large"),
    ],
)
async def test_a_bad_request_is_a_problem_with_a_code(body: bytes, status: int, code: str) -> None:
    async with door() as client:
        answer = await client.post("/v2/execute", content=body, headers=bearer("a.b.c"))

        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert jsonschema_rs.is_valid(OPENAPI["components"]["schemas"]["Problem"], answer.json())


async def test_who_has_no_good_token_is_told_so(topic: OneTopic) -> None:
    async with served(topic, Server(WEATHER)) as client:
        missing = await client.post("/v2/execute", json=asked("x"))
        refused = await client.post("/v2/execute", json=asked("x"), headers=bearer("not.a.token"))
        token = topic.token("ann")
        forbidden = await client.post("/v2/execute", json=asked("x", topic="secret"), headers=bearer(token))
        elsewhere = await client.post("/v2/execute", json=asked("x"), headers={"Host": "evil.example"})

        assert [one.json()["code"] for one in (missing, refused, forbidden, elsewhere)] == [
            "token_missing",
            "token_refused",
            "topic_forbidden",
            "host_refused",
        ]
        assert missing.headers["www-authenticate"] == "Bearer"


async def test_who_asks_too_often_waits(topic: OneTopic) -> None:
    async with served(topic, Server(WEATHER), allowance=Allowance(per_minute=1, burst=1)) as client:
        headers = bearer(topic.token("ann"))
        await client.post("/v2/execute", json=asked("weather in Oslo", topic.name), headers=headers)
        again = await client.post("/v2/execute", json=asked("weather in Oslo", topic.name), headers=headers)

        assert (again.status_code, again.json()["code"]) == (429, "rate_limited")
        assert "retry-after" in again.headers


async def test_a_model_streams_with_tools_behind_its_brackets(topic: OneTopic) -> None:
    server = Server(WEATHER, answer="sunny")
    model = Scripted("Let me see. [TOOL: get the current weather of Oslo]", "It is sunny.")
    async with served(topic, server, model) as client:
        body = {
            "topic": topic.name,
            "messages": [{"role": "user", "content": "How is Oslo?"}],
            "model": "scripted",
        }
        answer = await client.post("/v2/stream", json=body, headers=bearer(topic.token("ann")), timeout=SOON)

        assert answer.headers["content-type"].startswith("text/event-stream")
        frames = [frame.split("\n") for frame in answer.text.strip().split("\n\n")]
        kinds = [frame[1].removeprefix("event: ") for frame in frames]
        assert [frame[0] for frame in frames] == [f"id: {number + 1}" for number in range(len(frames))]
        assert [kind for kind in kinds if kind != "text"] == ["intent", "route", "result", "done"]
        texts = [json.loads(frame[2].removeprefix("data: ")) for frame in frames if frame[1] == "event: text"]
        assert "It is sunny." in "".join(one["text"] for one in texts)
        assert server.done == [("weather.get_current", {"city": "Oslo"})]
        assert "tools: weather get current" in model.system


async def test_who_waits_for_a_silent_model_hears_that_the_connection_lives(
    topic: OneTopic,
) -> None:
    beaten = asyncio.Event()

    class Silent(Scripted):
        async def stream(self, system: str, turns: Sequence[Turn]) -> AsyncGenerator[str]:
            await beaten.wait()
            yield "At last."

    async with served(topic, Server(WEATHER), Silent(), heartbeat=0.01) as client:
        body = {"topic": topic.name, "messages": [{"role": "user", "content": "?"}], "model": "scripted"}
        headers = bearer(topic.token("ann"))
        lines: list[str] = []
        async with client.stream("POST", "/v2/stream", json=body, headers=headers, timeout=SOON) as answer:
            async for line in answer.aiter_lines():
                lines.append(line)
                if line.startswith(":"):
                    beaten.set()

    assert lines[0] == ": waiting"
    assert [line for line in lines if line.startswith("id: ")] == ["id: 1", "id: 2"]
    assert 'data: {"text":"At last."}' in lines


async def test_a_caller_hears_that_tools_have_changed(topic: OneTopic) -> None:
    asked_again = asyncio.Event()

    class Growing(Server):
        async def answer(self, request: Request) -> dict[str, Any]:
            if self.tools:
                asked_again.set()
            return await super().answer(request)

    often = Allowance(burst=100_000)  # it asks until the news has come over the gateway
    async with served(topic, Server(DELETE), allowance=often) as client, topic.joined("more") as more:
        other = Growing()
        more.on_request(other.answer)
        headers = bearer(topic.token("ann"))

        async def decided() -> str:
            body = asked("get the current weather of Oslo", topic.name)
            answer = await client.post("/v2/execute", json=body, headers=headers)
            return str(answer.json()["route"]["decision"])

        assert await decided() == "none"
        other.tools = [WEATHER]
        await more.notify(None, "notifications/tools/list_changed")
        await asked_again.wait()
        while await decided() != "act":
            pass

        assert other.done


async def test_tokens_that_are_refused_leave_nothing_behind() -> None:
    thinker = Thinker(router())
    callers = Callers("ws://127.0.0.1:1", thinker, lambda: date(2026, 3, 4))
    for number in range(3):
        with pytest.raises(ConnectionLost):
            async with callers.caller(f"a.b.{number}", "ops"):
                pass
    thinker.close()

    assert not callers._known
    assert not callers._entering


async def test_only_models_of_the_operator_are_asked() -> None:
    async with door() as client:
        body = {
            "topic": "ops",
            "messages": [{"role": "user", "content": "x"}],
            "model": "http://evil.example",
        }
        answer = await client.post("/v2/stream", json=body, headers=bearer("a.b.c"))

        assert (answer.status_code, answer.json()["code"]) == (404, "model_unknown")


async def test_the_door_describes_itself() -> None:
    async with door() as client:
        described = (await client.get("/openapi.json")).json()

        assert set(described["paths"]) == {"/v2/execute", "/v2/stream"}
        assert (await client.get("/nothing")).json()["code"] == "not_found"
