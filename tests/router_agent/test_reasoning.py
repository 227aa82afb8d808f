"""The real clients of language models, on the wire: what they stream, how they are stopped, how they fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from router_agent.configuring import read_models
from router_agent.errors import ModelUnavailable
from router_agent.harness import ChatEvent, EventType, ReasoningModel, Turn, converse
from router_agent.reasoning import AnthropicModel, OpenAIModel
from tests.router_agent.test_harness import Recorder, text_of
from tests.router_agent.wire_server import WireServer, anthropic_wire, openai_wire

SECRET = "sk-9a8b7c"
WIRES = {"openai": openai_wire, "anthropic": anthropic_wire}


@asynccontextmanager
async def client_of(kind: str, server: WireServer) -> AsyncIterator[ReasoningModel]:
    options: dict[str, Any] = {"api_key": SECRET, "max_retries": 0}
    if kind == "openai":
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", **options) as spoken:
            yield OpenAIModel(spoken, "big", temperature=0)
    else:
        async with anthropic.AsyncAnthropic(base_url=server.url, **options) as asked:
            yield AnthropicModel(asked, "big", max_tokens=99)


async def told(model: ReasoningModel, carrier: Recorder) -> list[ChatEvent]:
    async with asyncio.timeout(30):
        turns = [Turn("user", "Hello."), Turn("user", "How is Oslo?")]
        return [event async for event in converse(model, carrier, "Say it in brackets.", turns)]


@pytest.mark.parametrize("kind", WIRES)
async def test_what_a_client_streams_is_searched_for_intents_and_nothing_else(kind: str) -> None:
    wire, carrier = WIRES[kind], Recorder("sunny")
    first = wire(["Let me ", "see. [TO", "OL: check the wea", "ther]", " and so on"])
    async with (
        WireServer(first, wire(["It is ", "sunny."])).running() as server,
        client_of(kind, server) as model,
    ):
        events = await told(model, carrier)

    assert carrier.carried == ["check the weather"]
    assert text_of(events) == "Let me see. It is sunny."
    assert [event.type for event in events if event.type is not EventType.TEXT] == [
        EventType.INTENT,
        EventType.ROUTE,
        EventType.RESULT,
        EventType.DONE,
    ]


@pytest.mark.parametrize("kind", WIRES)
async def test_a_client_sends_system_turns_and_key_where_they_belong(kind: str) -> None:
    wire = WIRES[kind]
    async with (
        WireServer(wire(["[TOOL: look]", "."]), wire(["Fine."])).running() as server,
        client_of(kind, server) as model,
    ):
        await told(model, Recorder("sunny"))

    first, second = server.asked
    messages = second.body["messages"]
    if kind == "openai":
        assert (first.path, first.headers["authorization"]) == ("/v1/chat/completions", f"Bearer {SECRET}")
        assert messages.pop(0) == {"role": "system", "content": "Say it in brackets."}
        assert first.body["temperature"] == 0
    else:
        keys = {first.headers.get("x-api-key"), first.headers.get("authorization")}  # its versions differ
        assert keys & {SECRET, f"Bearer {SECRET}"}
        assert first.path == "/v1/messages"
        assert (first.body["system"], first.body["max_tokens"]) == ("Say it in brackets.", 99)
    assert (first.body["model"], first.body["stream"]) == ("big", True)
    assert [one["role"] for one in messages] == ["user", "assistant", "user"]
    assert messages[0]["content"] == "Hello.\n\nHow is Oslo?"
    assert messages[1]["content"] == "[TOOL: look]"
    assert "sunny" in messages[2]["content"]


@pytest.mark.parametrize("kind", WIRES)
async def test_who_stops_listening_ends_the_request(kind: str) -> None:
    frames = WIRES[kind](["a", "b", "c"])[:-2]
    async with (
        WireServer(frames, stays_open=True).running() as server,
        client_of(kind, server) as model,
        asyncio.timeout(30),
    ):
        async with aclosing(model.stream("s", [Turn("user", "x")])) as stream:
            assert await anext(stream) == "a"
        await server.left.wait()


@pytest.mark.parametrize("kind", WIRES)
async def test_a_refused_key_is_an_error_that_does_not_show_it(kind: str) -> None:
    refusal = b'{"error": {"type": "authentication_error", "message": "wrong key ' + SECRET.encode() + b'"}}'
    async with WireServer([refusal], status=401).running() as server, client_of(kind, server) as model:
        events = await told(model, Recorder())

    assert [event.type for event in events] == [EventType.ERROR, EventType.DONE]
    assert events[0].data == {"type": "model", "message": "The model failed: AuthenticationError"}
    assert SECRET not in str(events)


@pytest.mark.parametrize("kind", WIRES)
async def test_an_error_amid_a_stream_ends_the_conversation_aloud(kind: str) -> None:
    error = b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'
    failure = {"openai": b"data: %b\n\n" % error, "anthropic": b"event: error\ndata: %b\n\n" % error}[kind]
    frames = [*WIRES[kind](["so "])[:-3], failure]
    async with WireServer(frames).running() as server, client_of(kind, server) as model:
        events = await told(model, Recorder())

    assert text_of(events) == "so "
    assert [event.type for event in events[-2:]] == [EventType.ERROR, EventType.DONE]


@pytest.mark.parametrize("kind", WIRES)
async def test_an_operators_file_names_client_server_and_key(kind: str, tmp_path: Path) -> None:
    async with WireServer(WIRES[kind](["Good."])).running() as server:
        path = tmp_path / "models.toml"
        base = f"{server.url}/v1" if kind == "openai" else server.url
        path.write_text(
            f'[models.big]\nkind = "{kind}"\nmodel = "m"\nbase_url = "{base}"\nkey_env = "BIG_KEY"\n'
        )
        model = read_models(path, {"BIG_KEY": SECRET})["big"]
        events = await told(model, Recorder())
        await model._client.close()  # type: ignore[attr-defined]  # its client is the model's own affair

    assert text_of(events) == "Good."
    assert SECRET in str(server.asked[0].headers)
    with pytest.raises(ModelUnavailable, match="BIG_KEY, which is to hold its key, is not set"):
        read_models(path, {})
