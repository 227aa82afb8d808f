"""Calls over a real WebSocket: answers, proposals, and every way not to get one."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from participants import (
    ConnectionLost,
    Notification,
    PeerLeft,
    ProposalRejected,
    Reconnected,
    RequestFailed,
    RequestTimeout,
)
from tests.participants.client_gateway import scripted_gateway
from tests.requirements import spec

FILES = {"files": ["mcp/response:*"], "ann": ["mcp/*"]}


@spec("MCPx 3.1.2 responses carry correlation_id", "mcpx envelope library carries ts")
async def test_a_request_returns_what_its_target_answers() -> None:
    async with scripted_gateway() as gateway, gateway.connect(others=FILES) as (me, visit):
        asking = asyncio.create_task(me.request("files", "tools/call", {"name": "read", "arguments": {}}))
        request = await visit.accepted()
        await visit.answer(request, {"content": []}, sender="files")

        outcome = await asking
        assert (outcome.result, outcome.by, outcome.fulfilled_by) == ({"content": []}, "files", None)
        assert str(request.kind) == "mcp/request:tools/call:read"
        assert request.to == ("files",)
        assert request.ts is not None


async def test_a_json_rpc_error_is_raised_with_code_message_and_data() -> None:
    async with scripted_gateway() as gateway, gateway.connect(others=FILES) as (me, visit):
        asking = asyncio.create_task(me.request("files", "ping"))
        request = await visit.accepted()
        rpc_id = orjson.loads(bytes(request.raw_payload))["id"]
        error = {"code": -32602, "message": "no such tool", "data": {"tool": "x"}}
        payload = {"jsonrpc": "2.0", "id": rpc_id, "error": error}
        await visit.say("mcp/response:ping", payload, sender="files", to=["me"], correlation_id=request.id)

        with pytest.raises(RequestFailed, match="no such tool") as raised:
            await asking
        assert (raised.value.code, raised.value.data) == (-32602, {"tool": "x"})


async def test_progress_reaches_its_caller_before_the_answer_does() -> None:
    heard: list[object] = []

    async def on_progress(notification: Notification) -> None:
        await asyncio.sleep(0)
        heard.append(notification.params["progress"])

    async with scripted_gateway() as gateway, gateway.connect(others=FILES) as (me, visit):
        asking = asyncio.create_task(
            me.request("files", "tools/call", {"name": "slow", "arguments": {}}, on_progress=on_progress)
        )
        request = await visit.accepted()
        token = orjson.loads(bytes(request.raw_payload))["params"]["_meta"]["progressToken"]
        for step in (1, 2, 3):
            await visit.say(
                "mcp/request:notifications/progress",
                {
                    "jsonrpc": "2.0",
                    "method": "notifications/progress",
                    "params": {"progressToken": token, "progress": step},
                },
                sender="files",
                to=["me"],
                correlation_id=request.id,
            )
        await visit.answer(request, {}, sender="files")

        await asking
        assert heard == [1, 2, 3]


@spec("mcpx proposals rejected")
async def test_a_rejection_reaches_the_caller_with_its_reason() -> None:
    async with (
        scripted_gateway() as gateway,
        gateway.connect("agent", "mcp/proposal:*", others=FILES) as (me, visit),
    ):
        asking = asyncio.create_task(me.request("files", "tools/call", {"name": "rm", "arguments": {}}))
        proposal = await visit.accepted()
        assert str(proposal.kind) == "mcp/proposal:tools/call:rm"
        await visit.say(
            "mcp/reject:tools/call:rm",
            {"reason": "policy", "message": "never"},
            sender="ann",
            correlation_id=proposal.id,
        )

        with pytest.raises(ProposalRejected, match="never") as raised:
            await asking
        assert (raised.value.by, raised.value.reason) == ("ann", "policy")


@spec("mcpx proposals withdraws on cancel")
@pytest.mark.parametrize("way", ["cancelled", "timed out"])
async def test_a_proposal_that_nobody_waits_for_is_withdrawn(way: str) -> None:
    async with (
        scripted_gateway() as gateway,
        gateway.connect("agent", "mcp/proposal:*", others=FILES) as (me, visit),
    ):
        timeout = 0.01 if way == "timed out" else None
        asking = asyncio.create_task(
            me.request("files", "tools/call", {"name": "rm", "arguments": {}}, timeout=timeout)
        )
        proposal = await visit.accepted()
        if way == "cancelled":
            asking.cancel()
        with pytest.raises(RequestTimeout if way == "timed out" else asyncio.CancelledError):
            await asking

        withdraw = await visit.heard()
        assert str(withdraw.kind) == "mcp/withdraw:tools/call:rm"
        assert withdraw.correlation_id == proposal.id
        reason = "timeout" if way == "timed out" else "no_longer_needed"
        assert orjson.loads(bytes(withdraw.raw_payload))["reason"] == reason


async def test_a_request_that_nobody_waits_for_is_cancelled() -> None:
    async with scripted_gateway() as gateway, gateway.connect(others=FILES) as (me, visit):
        asking = asyncio.create_task(me.request("files", "tools/call", {"name": "slow", "arguments": {}}))
        request = await visit.accepted()
        asking.cancel()

        notification = await visit.heard()
        assert str(notification.kind) == "mcp/request:notifications/cancelled"
        assert (notification.to, notification.correlation_id) == (("files",), request.id)
        payload = orjson.loads(bytes(notification.raw_payload))
        assert payload["params"]["requestId"] == orjson.loads(bytes(request.raw_payload))["id"]


async def test_a_request_fails_at_once_when_its_target_leaves() -> None:
    async with scripted_gateway() as gateway, gateway.connect(others=FILES) as (me, visit):
        asking = asyncio.create_task(me.request("files", "ping"))
        await visit.accepted()
        await visit.say("system/presence", {"event": "leave", "participant": {"id": "files"}})

        with pytest.raises(PeerLeft, match="files"):
            await asking


async def test_a_request_to_nobody_fails_when_it_has_its_place_in_the_order() -> None:
    async with scripted_gateway() as gateway, gateway.connect() as (me, visit):
        asking = asyncio.create_task(me.request("files", "ping"))
        await visit.accepted()

        with pytest.raises(PeerLeft, match="files"):
            await asking


async def test_what_is_under_way_fails_when_the_connection_is_lost_and_is_not_sent_again() -> None:
    async with scripted_gateway() as gateway, gateway.connect(others=FILES) as (me, visit):
        events = me.events()
        asking = asyncio.create_task(me.request("files", "ping"))
        await visit.accepted()
        await visit.close(1012)

        with pytest.raises(ConnectionLost):
            await asking
        again = await gateway.next_visit()
        await again.welcome("me", "mcp/*", "chat", others=FILES)
        async for event in events:
            if isinstance(event, Reconnected):
                break
        await me.chat("first words")
        assert str((await again.heard()).kind) == "chat"


async def test_a_proposal_of_a_lost_connection_is_withdrawn_after_the_next_welcome() -> None:
    async with (
        scripted_gateway() as gateway,
        gateway.connect("agent", "mcp/proposal:*", others=FILES) as (me, visit),
    ):
        asking = asyncio.create_task(me.request("files", "tools/call", {"name": "rm", "arguments": {}}))
        proposal = await visit.accepted()
        await visit.close(1012)
        with pytest.raises(ConnectionLost):
            await asking

        again = await gateway.next_visit()
        await again.welcome("agent", "mcp/proposal:*")
        withdraw = await again.heard()
        assert str(withdraw.kind) == "mcp/withdraw:tools/call:rm"
        assert withdraw.correlation_id == proposal.id
