"""Any MCP server object of the official SDK answers in a topic, whatever the era of the one who asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import pytest
from mcp.client import Client
from mcp.client.session import ClientRequestContext
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ToolsListChanged
from pydantic import BaseModel

from participants.calling import topic_transport
from participants.client import Request
from participants.conversation import Notification
from participants.eras import with_envelope
from participants.errors import RequestFailed
from participants.mcp_errors import NOT_ALLOWED
from participants.serving import serve
from tests.participants.serving_topic import MemoryMember, MemoryTopic
from tests.requirements import spec

SOON = 30


class Workshop:
    """A server with a tool for everything that a tool can do, and what happened to it."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.stopped = asyncio.Event()
        self.asked_by: list[str] = []
        self.server = MCPServer("workshop", version="1", instructions="Ask.")
        self.server.tool()(self.add)
        self.server.tool()(self.count)
        self.server.tool()(self.wait)
        self.server.tool()(self.who)
        self.server.tool()(self.grow)
        self.server.tool()(self.ask)
        self.server.tool()(self.fail)

    async def add(self, a: int, b: int) -> int:
        return a + b

    async def count(self, to: int, ctx: Context[Any]) -> str:
        for step in range(1, to + 1):
            await ctx.report_progress(step, to, f"step {step}")
        return "done"

    async def wait(self) -> str:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()
        return "never"

    async def who(self, ctx: Context[Any]) -> str:
        request = ctx.request_context.request
        assert isinstance(request, Request)
        return request.sender

    async def grow(self, ctx: Context[Any]) -> str:
        self.server.tool(name="grown")(self.add)
        await ctx.notify_tools_changed()
        return "grown"

    async def ask(self, ctx: Context[Any]) -> str:
        answer = await ctx.elicit("Which?", Choice)
        return answer.data.which if answer.action == "accept" else answer.action

    async def fail(self) -> str:
        raise RuntimeError("secret detail")


class Choice(BaseModel):
    which: str


@asynccontextmanager
async def open_workshop(topic: MemoryTopic) -> AsyncIterator[Workshop]:
    workshop = Workshop()
    async with serve(topic.join("workshop"), workshop.server):
        yield workshop


def text_of(result: Any) -> str:
    return "".join(part.text for part in result.content)


async def asks(
    member: MemoryMember, method: str, params: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    async with asyncio.timeout(SOON):
        return (await member.request("workshop", method, params, **more)).result


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_the_official_client_calls_a_tool_in_both_eras(mode: str) -> None:
    topic = MemoryTopic()
    async with (
        open_workshop(topic),
        asyncio.timeout(SOON),
        Client(topic_transport(topic.join("alice"), "workshop"), mode=mode) as client,
    ):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        result = await client.call_tool("add", {"a": 1, "b": 2})

    assert "add" in tools
    assert text_of(result) == "3"
    first = {"legacy": "initialize", "auto": "server/discover", "2026-07-28": "tools/list"}
    assert topic.members["workshop"].asked[0].method == first[mode]


async def test_a_bare_call_without_handshake_or_envelope_is_answered() -> None:
    topic = MemoryTopic()
    async with open_workshop(topic):
        alice = topic.join("alice")

        called = await asks(alice, "tools/call", {"name": "add", "arguments": {"a": 20, "b": 3}})
        listed = await asks(alice, "tools/list")
        discovered = await asks(alice, "server/discover")

    assert called["content"][0]["text"] == "23"
    assert len(listed["tools"]) == 7
    assert "2026-07-28" in discovered["supportedVersions"]


async def test_a_handler_learns_who_asks() -> None:
    topic = MemoryTopic()
    async with open_workshop(topic):
        result = await asks(topic.join("alice"), "tools/call", {"name": "who", "arguments": {}})

    assert result["content"][0]["text"] == "alice"


async def test_two_peers_with_the_same_inner_ids_each_hear_only_their_own_progress() -> None:
    topic = MemoryTopic()
    heard: dict[str, list[Notification]] = {"alice": [], "bob": []}

    async def count_to(peer: str, to: int) -> None:
        async def hears(notification: Notification) -> None:
            heard[peer].append(notification)

        params = {"name": "count", "arguments": {"to": to}, "_meta": {"progressToken": 1}}
        await asks(topic.members[peer], "tools/call", params, on_progress=hears)

    async with open_workshop(topic):
        topic.join("alice"), topic.join("bob")
        await asyncio.gather(count_to("alice", 3), count_to("bob", 2))

    assert [note.params["progress"] for note in heard["alice"]] == [1, 2, 3]
    assert [note.params["progress"] for note in heard["bob"]] == [1, 2]
    assert {note.params["progressToken"] for note in heard["alice"] + heard["bob"]} == {1}


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_progress_reaches_the_official_clients_callback(mode: str) -> None:
    topic = MemoryTopic()
    steps: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async with (
        open_workshop(topic),
        asyncio.timeout(SOON),
        Client(topic_transport(topic.join("alice"), "workshop"), mode=mode) as client,
    ):
        await client.call_tool("count", {"to": 4}, progress_callback=on_progress)

    assert steps == [1, 2, 3, 4]


async def test_cancelling_a_call_stops_the_handler() -> None:
    topic = MemoryTopic()
    async with open_workshop(topic) as workshop, asyncio.timeout(SOON):
        call = asyncio.create_task(asks(topic.join("alice"), "tools/call", {"name": "wait"}))
        await workshop.began.wait()
        call.cancel()
        await workshop.stopped.wait()


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_client_that_stops_waiting_stops_the_handler(mode: str) -> None:
    topic = MemoryTopic()
    async with (
        open_workshop(topic) as workshop,
        asyncio.timeout(SOON),
        Client(topic_transport(topic.join("alice"), "workshop"), mode=mode) as client,
    ):
        call = asyncio.create_task(client.call_tool("wait", {}))
        await workshop.began.wait()
        call.cancel()
        await workshop.stopped.wait()


async def test_the_end_of_serving_stops_its_handlers() -> None:
    topic = MemoryTopic()
    alice = topic.join("alice")
    async with asyncio.timeout(SOON):
        async with open_workshop(topic) as workshop:
            call = asyncio.create_task(asks(alice, "tools/call", {"name": "wait"}))
            await workshop.began.wait()
        with pytest.raises(RequestFailed, match="not served any more"):
            await call
        with pytest.raises(RequestFailed, match="does not serve"):
            await asks(alice, "tools/list")


async def test_a_changed_list_is_told_to_the_whole_topic() -> None:
    topic = MemoryTopic()
    told: asyncio.Queue[Notification] = asyncio.Queue()
    bob = topic.join("bob")
    bob.on_notification(told.put)
    async with open_workshop(topic):
        await asks(topic.join("alice"), "tools/call", {"name": "grow", "arguments": {}})
        async with asyncio.timeout(SOON):
            notification = await told.get()

    assert notification.method == "notifications/tools/list_changed"
    assert notification.sender == "workshop"


async def test_subscriptions_of_two_peers_keep_their_own_ids() -> None:
    topic = MemoryTopic()
    async with (
        open_workshop(topic),
        asyncio.timeout(SOON),
        Client(topic_transport(topic.join("alice"), "workshop")) as alice,
        Client(topic_transport(topic.join("bob"), "workshop")) as bob,
        alice.listen(tools_list_changed=True) as of_alice,
        bob.listen(tools_list_changed=True) as of_bob,
    ):
        await bob.call_tool("grow", {})

        assert await anext(aiter(of_alice)) == ToolsListChanged()
        assert await anext(aiter(of_bob)) == ToolsListChanged()


async def test_a_server_asks_back_the_one_that_shook_hands() -> None:
    async def choose(
        context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        return types.ElicitResult(action="accept", content={"which": "the left one"})

    topic = MemoryTopic()
    async with (
        open_workshop(topic),
        asyncio.timeout(SOON),
        Client(
            topic_transport(topic.join("alice"), "workshop"), mode="legacy", elicitation_callback=choose
        ) as client,
    ):
        result = await client.call_tool("ask", {})

    assert text_of(result) == "the left one"
    assert topic.members["alice"].asked[0].sender == "workshop"


async def test_a_server_that_may_not_ask_back_learns_so_and_proposes_nothing() -> None:
    async def choose(
        context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        raise AssertionError("nobody may ask this")

    topic = MemoryTopic()
    server = Server("careful", on_list_tools=no_tools, on_call_tool=ask_by_session)
    workshop = topic.join("workshop", "mcp/response:*", "mcp/proposal:*", "mcp/request:notifications/*")
    async with (
        serve(workshop, server),
        asyncio.timeout(SOON),
        Client(
            topic_transport(topic.join("alice"), "workshop"), mode="legacy", elicitation_callback=choose
        ) as client,
    ):
        with pytest.raises(MCPError) as refused:
            await client.call_tool("ask", {})

    assert refused.value.code == NOT_ALLOWED
    assert topic.proposed == []


async def test_a_server_cannot_ask_back_one_that_just_called() -> None:
    topic = MemoryTopic()
    server = Server("careful", on_list_tools=no_tools, on_call_tool=ask_by_session)
    async with serve(topic.join("workshop"), server):
        with pytest.raises(RequestFailed, match="no back-channel"):
            await asks(topic.join("alice"), "tools/call", {"name": "ask"})


async def no_tools(context: ServerRequestContext[Any], params: Any) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[])


async def ask_by_session(
    context: ServerRequestContext[Any], params: types.CallToolRequestParams
) -> types.CallToolResult:
    answer = await context.session.elicit_form("Which?", {"type": "object", "properties": {}})
    return types.CallToolResult(content=[types.TextContent(type="text", text=answer.action)])


async def test_a_log_message_on_the_connection_belongs_to_the_request_that_is_worked_on() -> None:
    async def talk(
        context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        note = types.LoggingMessageNotificationParams(level="info", data="hello")
        await context.session.send_notification(types.LoggingMessageNotification(params=note))
        return types.CallToolResult(content=[])

    heard: list[Notification] = []

    async def hears(notification: Notification) -> None:
        heard.append(notification)

    topic = MemoryTopic()
    async with serve(topic.join("workshop"), Server("talker", on_call_tool=talk)):
        await asks(topic.join("alice"), "tools/call", {"name": "talk"}, on_notification=hears)

    assert [note.params["data"] for note in heard] == ["hello"]
    assert heard[0].correlation_id == topic.members["workshop"].asked[0].id


async def test_the_detail_of_a_crash_stays_with_the_server() -> None:
    async def crash(context: Any, params: Any) -> types.CallToolResult:
        raise RuntimeError("secret detail")

    topic = MemoryTopic()
    async with serve(topic.join("workshop"), Server("fragile", on_call_tool=crash)):
        with pytest.raises(RequestFailed) as failed:
            await asks(topic.join("alice"), "tools/call", {"name": "x"})

    assert failed.value.code == -32603
    assert "secret" not in str(failed.value)


async def test_a_method_that_the_server_lacks_is_not_found() -> None:
    topic = MemoryTopic()
    async with serve(topic.join("workshop"), Server("bare")):
        with pytest.raises(RequestFailed) as failed:
            await asks(topic.join("alice"), "tools/list")

    assert failed.value.code == -32601


async def test_an_envelope_of_an_unknown_version_is_refused_naming_what_is_spoken() -> None:
    topic = MemoryTopic()
    async with open_workshop(topic):
        params = with_envelope(None, client={"name": "x", "version": ""}, version="2031-01-01")
        with pytest.raises(RequestFailed) as failed:
            await asks(topic.join("alice"), "tools/list", params)

    assert failed.value.code == -32022
    assert failed.value.data == {"supported": ["2026-07-28"], "requested": "2031-01-01"}


async def test_a_peer_speaks_both_eras_at_once() -> None:
    topic = MemoryTopic()
    alice = topic.join("alice")
    async with (
        open_workshop(topic),
        asyncio.timeout(SOON),
        Client(topic_transport(alice, "workshop"), mode="legacy") as old,
        Client(topic_transport(alice, "workshop"), mode="auto") as new,
    ):
        assert text_of(await old.call_tool("add", {"a": 1, "b": 1})) == "2"
        assert text_of(await new.call_tool("add", {"a": 2, "b": 2})) == "4"
        assert text_of(await old.call_tool("add", {"a": 3, "b": 3})) == "6"


@spec("MCPx 8.2 MCP server")
async def test_a_participant_is_a_standard_mcp_server_to_everybody() -> None:
    topic = MemoryTopic()
    async with (
        open_workshop(topic),
        asyncio.timeout(SOON),
        Client(topic_transport(topic.join("alice"), "workshop"), mode="legacy") as client,
    ):
        assert client.server_info is not None
        assert client.server_info.name == "workshop"
        assert client.instructions == "Ask."
