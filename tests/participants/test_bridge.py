"""A stdio MCP server as a participant: what peers of the topic see of it."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TextIO, cast

import pytest
import structlog
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ToolsListChanged

from participants.bridge import Backoff, Bridge, ChildCommand, ChildNotMet, ChildNotStarted, child_environment
from participants.bridge import session as bridge_session
from participants.bridge.log import log
from participants.calling import topic_transport
from participants.conversation import Notification
from participants.eras import with_envelope
from participants.errors import RequestFailed
from tests.npm_servers import npm_server
from tests.participants.bridge_processes import until
from tests.participants.serving_topic import MemoryMember, MemoryTopic

SERVER = str(Path(__file__).with_name("bridge_servers.py"))
MODERN_SERVER = str(Path(__file__).with_name("bridge_modern_server.py"))
SOON = 30
NOW = Backoff(first_s=0.0)
LATER = Backoff(first_s=600.0, cap_s=600.0)


def misbehaving(behaviour: str = "") -> tuple[str, ...]:
    return (sys.executable, SERVER, behaviour)


@asynccontextmanager
async def bridged(
    topic: MemoryTopic, *argv: str, backoff: Backoff = NOW, cwd: Path | None = None, **more: Any
) -> AsyncIterator[Bridge]:
    bridge = Bridge(
        ChildCommand(argv, child_environment(os.environ), cwd), backoff=backoff, chance=lambda: 1.0, **more
    )
    member = topic.join("files", "mcp/response:*", "mcp/request:notifications/*", "chat")
    async with bridge.running(), bridge.serving(member):
        yield bridge


async def asks(
    member: MemoryMember, method: str, params: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    async with asyncio.timeout(SOON):
        return (await member.request("files", method, params, **more)).result


def calls(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"name": tool, "arguments": arguments}


def text_of(result: Any) -> str:
    parts = result["content"] if isinstance(result, dict) else result.content
    return "".join(part["text"] if isinstance(part, dict) else part.text for part in parts)


@pytest.fixture(autouse=True)
def _slow_to_start_is_not_of_an_older_era(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that a busy machine starts in more than ten seconds is met like any other."""
    monkeypatch.setattr(bridge_session, "DISCOVER_WITHIN_S", 50.0)


# Real servers


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_a_modern_server_is_called_in_both_eras(mode: str) -> None:
    topic = MemoryTopic()
    async with (
        bridged(topic, sys.executable, "-m", "mcp_server_time"),
        asyncio.timeout(SOON),
        Client(topic_transport(topic.join("alice"), "files"), mode=mode) as client,
    ):
        tools = {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("get_current_time", {"timezone": "Europe/Berlin"})

    assert tools == {"get_current_time", "convert_time"}
    assert json.loads(text_of(result))["timezone"] == "Europe/Berlin"


async def test_a_bare_call_reaches_a_modern_server(tmp_path: Path) -> None:
    topic = MemoryTopic()
    process = await asyncio.create_subprocess_exec("git", "init", "-q", cwd=tmp_path)
    await process.wait()
    (tmp_path / "new.txt").write_text("new")
    async with bridged(topic, sys.executable, "-m", "mcp_server_git", "--repository", str(tmp_path)):
        result = await asks(topic.join("alice"), "tools/call", calls("git_status", repo_path=str(tmp_path)))

    assert "new.txt" in text_of(result)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_server_of_the_handshake_era_is_called_by_the_official_client(
    mode: str, tmp_path: Path
) -> None:
    topic = MemoryTopic()
    async with (
        bridged(topic, npm_server("mcp-server-filesystem"), str(tmp_path)),
        asyncio.timeout(SOON),
        Client(topic_transport(topic.join("alice"), "files"), mode=mode) as client,
    ):
        target = tmp_path / "note.txt"
        await client.call_tool("write_file", {"path": str(target), "content": "from the topic"})

        assert client.protocol_version == "2025-11-25"
    assert target.read_text() == "from the topic"


async def test_a_modern_only_client_is_told_what_an_old_server_speaks(tmp_path: Path) -> None:
    topic = MemoryTopic()
    async with (
        bridged(topic, npm_server("mcp-server-filesystem"), str(tmp_path)),
        asyncio.timeout(SOON),
        Client(topic_transport(topic.join("alice"), "files"), mode="2026-07-28") as client,
    ):
        with pytest.raises(MCPError) as refused:
            await client.list_tools()

    assert refused.value.code == -32022
    assert refused.value.data["supported"] == ["2025-11-25"]


async def test_progress_of_two_callers_with_one_token_reaches_each_its_own() -> None:
    topic = MemoryTopic()
    heard: dict[str, list[Notification]] = {"alice": [], "bob": []}

    async def work(peer: str, steps: int) -> dict[str, Any]:
        async def hears(notification: Notification) -> None:
            heard[peer].append(notification)

        params = calls("trigger-long-running-operation", duration=0.2, steps=steps)
        params["_meta"] = {"progressToken": 1}
        return await asks(topic.members[peer], "tools/call", params, on_progress=hears)

    async with bridged(topic, npm_server("mcp-server-everything")):
        topic.join("alice"), topic.join("bob")
        done = await asyncio.gather(work("alice", 3), work("bob", 5))

    assert "Steps: 3" in text_of(done[0])
    assert "Steps: 5" in text_of(done[1])
    assert [note.params["progress"] for note in heard["alice"]] == [1, 2, 3]
    assert [note.params["progress"] for note in heard["bob"]] == [1, 2, 3, 4, 5]
    assert {note.params["progressToken"] for note in heard["alice"] + heard["bob"]} == {1}


async def test_what_a_server_logs_during_a_call_reaches_the_caller() -> None:
    topic = MemoryTopic()
    heard: asyncio.Queue[Notification] = asyncio.Queue()
    async with bridged(topic, npm_server("mcp-server-everything")), asyncio.timeout(SOON):
        alice = topic.join("alice")
        await asks(alice, "logging/setLevel", {"level": "debug"})
        await asks(alice, "tools/call", calls("toggle-simulated-logging"), on_notification=heard.put)
        long = asks(
            alice,
            "tools/call",
            calls("trigger-long-running-operation", duration=8, steps=1),
            on_notification=heard.put,
        )
        call = asyncio.create_task(long)
        message = await heard.get()
        call.cancel()

    assert message.method == "notifications/message"
    assert message.correlation_id is not None


# Cancellation, change, restart


async def test_a_cancelled_call_is_cancelled_in_the_server() -> None:
    topic = MemoryTopic()
    hanging: asyncio.Queue[Notification] = asyncio.Queue()
    with structlog.testing.capture_logs() as logs:
        async with bridged(topic, *misbehaving()), asyncio.timeout(SOON):
            hang = asks(topic.join("alice"), "tools/call", calls("hang"), on_notification=hanging.put)
            call = asyncio.create_task(hang)
            await hanging.get()  # the server has it: what was not asked yet is not cancelled there
            call.cancel()
            await until(lambda: any("cancelled" in str(entry.get("line")) for entry in logs))

    said = [entry["line"] for entry in logs if entry["event"] == "child.wrote_stderr"]
    assert len(said) == 1
    assert said[0].removeprefix("cancelled ").isdecimal()


async def test_a_list_that_changed_is_told_to_the_whole_topic() -> None:
    topic = MemoryTopic()
    told: asyncio.Queue[Notification] = asyncio.Queue()
    topic.join("bob").on_notification(told.put)
    async with bridged(topic, npm_server("mcp-server-everything")), asyncio.timeout(SOON):
        notification = await told.get()  # it registers some tools after the handshake

    assert notification.method == "notifications/tools/list_changed"


async def test_a_modern_servers_changes_are_told_to_the_whole_topic_and_to_its_subscribers() -> None:
    topic = MemoryTopic()
    told: asyncio.Queue[Notification] = asyncio.Queue()
    topic.join("bob").on_notification(told.put)
    alice, carol = topic.join("alice"), topic.join("carol")
    async with (
        bridged(topic, sys.executable, MODERN_SERVER),
        asyncio.timeout(SOON),
        Client(topic_transport(alice, "files")) as of_alice,
        Client(topic_transport(carol, "files")) as of_carol,
        of_alice.listen(tools_list_changed=True) as alice_listens,
        of_carol.listen(tools_list_changed=True) as carol_listens,
    ):
        await of_carol.call_tool("grow", {})
        notification = await told.get()

        assert await anext(aiter(alice_listens)) == ToolsListChanged()
        assert await anext(aiter(carol_listens)) == ToolsListChanged()
    assert notification.method == "notifications/tools/list_changed"
    assert notification.params == {}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_progress_of_a_modern_server_reaches_the_official_client(mode: str) -> None:
    topic = MemoryTopic()
    steps: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async with (
        bridged(topic, sys.executable, MODERN_SERVER),
        asyncio.timeout(SOON),
        Client(topic_transport(topic.join("alice"), "files"), mode=mode) as client,
    ):
        await client.call_tool("count", {"to": 3}, progress_callback=on_progress)

    assert steps == [1, 2, 3]


async def test_a_changed_resource_is_told_to_those_who_subscribed() -> None:
    topic = MemoryTopic()
    told: asyncio.Queue[Notification] = asyncio.Queue()
    not_told: asyncio.Queue[Notification] = asyncio.Queue()
    alice, bob = topic.join("alice"), topic.join("bob")
    alice.on_notification(told.put)
    bob.on_notification(not_told.put)
    async with bridged(topic, *misbehaving()), asyncio.timeout(SOON):
        await asks(alice, "resources/subscribe", {"uri": "test://thing"})
        await asks(bob, "tools/call", calls("touch"))
        notification = await told.get()

    assert (notification.method, notification.params) == (
        "notifications/resources/updated",
        {"uri": "test://thing"},
    )
    assert not_told.empty()


async def test_who_left_is_not_told_of_resources_any_more() -> None:
    topic = MemoryTopic()
    alice, bob = topic.join("alice"), topic.join("bob")
    told: asyncio.Queue[Notification] = asyncio.Queue()
    bob.on_notification(told.put)
    async with bridged(topic, *misbehaving()), asyncio.timeout(SOON):
        for member in (alice, bob):
            await asks(member, "resources/subscribe", {"uri": "test://thing"})
        del topic.members["alice"]
        await asks(bob, "tools/call", calls("touch"))
        await told.get()

    assert [target for _, target, method, _, _ in topic.said if method.endswith("updated")] == ["bob"]


async def test_the_server_hears_once_that_nobody_is_subscribed_any_more() -> None:
    topic = MemoryTopic()
    alice, bob = topic.join("alice"), topic.join("bob")
    with structlog.testing.capture_logs() as logs:
        async with bridged(topic, *misbehaving()):
            for member in (alice, bob):
                await asks(member, "resources/subscribe", {"uri": "test://thing"})
            for member in (alice, bob):
                await asks(member, "resources/unsubscribe", {"uri": "test://thing"})

    lines = [entry["line"] for entry in logs if entry["event"] == "child.wrote_stderr"]
    assert lines.count("resources/unsubscribe") == 1


async def test_a_killed_server_is_started_again_and_the_topic_is_told() -> None:
    topic = MemoryTopic()
    told: asyncio.Queue[Notification] = asyncio.Queue()
    alice = topic.join("alice")
    alice.on_notification(told.put)
    async with bridged(topic, *misbehaving()) as bridge, asyncio.timeout(SOON):
        before = json.loads(text_of(await asks(alice, "tools/call", calls("pids"))))[0]
        await asks(alice, "resources/subscribe", {"uri": "test://thing"})
        os.kill(before, signal.SIGKILL)
        restarted = await told.get()
        await until(lambda: bridge.upkeep.session is not None)
        after = json.loads(text_of(await asks(alice, "tools/call", calls("pids"))))[0]
        await until(lambda: told.qsize() >= 1)  # the other list that may be another
        await asks(alice, "tools/call", calls("touch"))
        async with asyncio.timeout(SOON):
            while (await told.get()).method != "notifications/resources/updated":
                pass

    assert restarted.method == "notifications/tools/list_changed"
    assert before != after
    assert bridge.upkeep.restarts == 1


async def test_a_call_that_the_server_did_not_live_to_answer_fails_and_is_not_repeated() -> None:
    topic = MemoryTopic()
    alice = topic.join("alice")
    async with bridged(topic, *misbehaving()):
        with pytest.raises(RequestFailed) as failed:
            await asks(alice, "tools/call", calls("die"))

    assert failed.value.code == -32000
    assert "may have taken effect" in failed.value.message
    assert len(topic.members["files"].asked) == 1


async def test_while_it_restarts_requests_are_answered_with_a_clear_error() -> None:
    topic = MemoryTopic()
    alice = topic.join("alice")
    async with bridged(topic, *misbehaving(), backoff=LATER) as bridge:
        with pytest.raises(RequestFailed):
            await asks(alice, "tools/call", calls("die"))
        async with asyncio.timeout(SOON):
            await until(lambda: bridge.upkeep.retry_in_s > 0)
        with pytest.raises(RequestFailed) as failed:
            await asks(alice, "tools/list")

    assert failed.value.code == -32000
    assert "restarting" in failed.value.message
    assert failed.value.data == {"state": "restarting", "retry_after_ms": 600_000}


async def test_a_command_that_ends_at_once_is_not_tried_again() -> None:
    with pytest.raises(ChildNotStarted, match="status 4") as failed:
        async with bridged(MemoryTopic(), *misbehaving("stops")):
            raise AssertionError("it serves")

    assert "I cannot find my configuration" in str(failed.value)


async def test_a_command_that_is_no_mcp_server_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge_session, "DISCOVER_WITHIN_S", 0.2)
    monkeypatch.setattr(bridge_session, "INITIALIZE_WITHIN_S", 0.2)
    with pytest.raises(ChildNotMet, match="no MCP server"):
        async with bridged(MemoryTopic(), *misbehaving("silent")):
            raise AssertionError("it serves")


class BrokenStream:
    """A log file on a full disk, until it is mended."""

    def __init__(self) -> None:
        self.is_broken = True
        self.written = ""

    def write(self, text: str) -> None:
        if self.is_broken:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.written += text

    def flush(self) -> None: ...


async def test_a_log_that_cannot_be_written_ends_no_server_and_is_counted() -> None:
    topic, stream = MemoryTopic(), BrokenStream()
    alice = topic.join("alice")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(cast("TextIO", stream)))
    try:
        # It says something that is no message at once, and something on standard error at each of these.
        async with bridged(topic, *misbehaving()) as bridge:
            for method in ("resources/subscribe", "resources/unsubscribe") * 3:
                await asks(alice, method, {"uri": "test://thing"})
            assert bridge.upkeep.child is not None
            words = bridge.upkeep.child.last_words
            async with asyncio.timeout(SOON):
                await until(lambda: len(words) == 6)
            assert bridge.upkeep.restarts == 0
            assert log.dropped >= 6
            stream.is_broken = False
            await asks(alice, "tools/list")  # which has a bad tool to tell of
    finally:
        structlog.reset_defaults()

    assert re.search(r"log.lines_dropped +.*lines=\S*\d", stream.written)
    assert "tool.left_out" in stream.written
    assert log.dropped == 0


# What stays as it is, and what does not get through


async def test_results_and_errors_come_back_as_the_server_sent_them() -> None:
    topic = MemoryTopic()
    alice = topic.join("alice")
    async with bridged(topic, *misbehaving()):
        result = await asks(alice, "tools/call", calls("anything", a=[1, None, "ä"]))
        with pytest.raises(RequestFailed) as failed:
            await asks(alice, "fail", {"x": 1})

    assert result["unknown"] == {"kept": True}
    assert json.loads(text_of(result)) == {"name": "anything", "arguments": {"a": [1, None, "ä"]}}
    assert (failed.value.code, failed.value.message) == (-32042, "as it is")
    assert failed.value.data == {"list": [1, None]}


async def test_one_bad_tool_is_left_out_of_the_list_and_said_so() -> None:
    topic = MemoryTopic()
    with structlog.testing.capture_logs() as logs:
        async with bridged(topic, *misbehaving()):
            listed = await asks(topic.join("alice"), "tools/list")

    assert "broken" not in {tool["name"] for tool in listed["tools"]}
    assert len(listed["tools"]) == 8
    assert [entry["tool"] for entry in logs if entry["event"] == "tool.left_out"] == ["broken"]


async def test_a_result_that_fits_no_envelope_is_an_error_that_names_both_sizes() -> None:
    topic = MemoryTopic()
    async with bridged(topic, *misbehaving(), max_result_bytes=1000):
        alice = topic.join("alice")
        fits = await asks(alice, "tools/call", calls("big", bytes=800))
        with pytest.raises(RequestFailed) as failed:
            await asks(alice, "tools/call", calls("big", bytes=1000))

    assert len(text_of(fits)) == 800
    assert failed.value.data["max_bytes"] == 1000
    assert failed.value.data["bytes"] > 1000


async def test_what_a_server_asks_back_is_refused_since_nobody_knows_whom_it_asks() -> None:
    topic = MemoryTopic()
    async with bridged(topic, *misbehaving()):
        result = await asks(topic.join("alice"), "tools/call", calls("ask"))

    answer = json.loads(text_of(result))
    assert answer["id"] == "mine"
    assert answer["error"]["code"] == -32600
    assert topic.members["alice"].asked == []


async def test_many_callers_at_once_get_each_their_own_answer() -> None:
    topic = MemoryTopic()
    members = [topic.join(f"peer-{n}") for n in range(20)]
    async with bridged(topic, *misbehaving()):
        results = await asyncio.gather(
            *(asks(member, "tools/call", calls("echo", who=member.id)) for member in members)
        )

    assert [json.loads(text_of(result))["arguments"]["who"] for result in results] == [m.id for m in members]


async def test_a_modern_caller_keeps_its_own_envelope_at_a_modern_server() -> None:
    topic = MemoryTopic()
    async with bridged(topic, sys.executable, "-m", "mcp_server_time"):
        params = with_envelope(None, client={"name": "alice", "version": "9"}, version="2031-01-01")
        with pytest.raises(RequestFailed) as failed:
            await asks(topic.join("alice"), "tools/list", params)

    assert failed.value.code == -32022
    assert failed.value.data["requested"] == "2031-01-01"
