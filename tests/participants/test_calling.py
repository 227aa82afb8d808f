"""The official SDK's client calls a peer over the topic, at any level of trust."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError

from participants.calling import topic_transport
from participants.errors import (
    ConnectionLost,
    NotAllowed,
    ParticipantError,
    PeerLeft,
    ProposalExpired,
    ProposalRejected,
    ProposalWithdrawn,
    Refused,
    RequestFailed,
    RequestTimeout,
)
from participants.mcp_errors import PROPOSAL_REJECTED, as_mcp_error
from participants.serving import serve
from tests.participants.serving_topic import MemoryTopic
from tests.requirements import spec

SOON = 30
PROPOSER = ("mcp/proposal:*", "mcp/response:*", "chat")


def adder() -> MCPServer:
    server = MCPServer("adder")

    @server.tool()
    def add(a: int, b: int) -> str:
        return str(a + b)

    return server


@spec("mcpx proposals any trust level")
@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_a_participant_that_may_only_propose_gets_the_same_result(mode: str) -> None:
    topic = MemoryTopic()
    async with (
        serve(topic.join("adder"), adder()),
        asyncio.timeout(SOON),
        Client(topic_transport(topic.join("novice", *PROPOSER), "adder"), mode=mode) as client,
    ):
        result: Any = await client.call_tool("add", {"a": 1, "b": 2})

    assert result.content[0].text == "3"
    assert "tools/call" in topic.proposed


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_meeting_the_peer_is_never_proposed(mode: str) -> None:
    topic = MemoryTopic()
    async with (
        serve(topic.join("adder"), adder()),
        asyncio.timeout(SOON),
        Client(topic_transport(topic.join("novice", *PROPOSER), "adder"), mode=mode) as client,
    ):
        assert client.server_info is not None
        assert client.server_info.name == "adder"

    assert topic.proposed == []
    assert topic.members["adder"].asked == []


async def test_a_rejected_proposal_is_an_error_that_says_who_and_why() -> None:
    topic = MemoryTopic(reject="policy")
    async with (
        serve(topic.join("adder"), adder()),
        asyncio.timeout(SOON),
        Client(topic_transport(topic.join("novice", *PROPOSER), "adder")) as client,
    ):
        with pytest.raises(MCPError) as rejected:
            await client.call_tool("add", {"a": 1, "b": 2})

    assert rejected.value.code == PROPOSAL_REJECTED
    assert rejected.value.message == "alice rejected the proposal (policy): not today"
    assert rejected.value.data == {"by": "alice", "reason": "policy", "message": "not today"}


async def test_an_error_of_the_peer_arrives_as_it_was_sent() -> None:
    topic = MemoryTopic()

    async def refuse(request: Any) -> dict[str, Any]:
        raise RequestFailed(-32099, "no more", {"n": 1})

    topic.join("peer").on_request(refuse)
    async with (
        asyncio.timeout(SOON),
        Client(topic_transport(topic.join("alice"), "peer"), mode="2026-07-28") as client,
    ):
        with pytest.raises(MCPError) as failed:
            await client.list_tools()

    assert (failed.value.code, failed.value.message, failed.value.data) == (-32099, "no more", {"n": 1})


async def test_the_end_of_the_transport_gives_up_what_is_under_way() -> None:
    topic = MemoryTopic()
    began, given_up = asyncio.Event(), asyncio.Event()

    async def work(request: Any) -> dict[str, Any]:
        began.set()
        await request.cancelled.wait()
        given_up.set()
        raise RequestFailed(-32000, "cancelled")

    topic.join("peer").on_request(work)
    async with asyncio.timeout(SOON):
        async with topic_transport(topic.join("alice"), "peer") as (_, write):
            await write.send(request_message(7, "tools/list"))
            await began.wait()
        await given_up.wait()


def request_message(id: int, method: str) -> Any:
    from mcp.shared.message import SessionMessage
    from mcp.types import JSONRPCRequest

    return SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=id, method=method))


async def test_an_error_in_the_block_leaves_it_as_it_was_raised() -> None:
    topic = MemoryTopic()
    with pytest.raises(ZeroDivisionError):
        async with topic_transport(topic.join("alice"), "peer"):
            raise ZeroDivisionError


async def test_two_transports_of_one_participant_do_not_mix_their_answers() -> None:
    topic = MemoryTopic()
    alice = topic.join("alice")
    async with (
        serve(topic.join("adder"), adder()),
        asyncio.timeout(SOON),
        Client(topic_transport(alice, "adder")) as one,
        Client(topic_transport(alice, "adder")) as other,
    ):
        results: list[Any] = await asyncio.gather(
            *(client.call_tool("add", {"a": n, "b": n}) for n in range(10) for client in (one, other))
        )

    assert [result.content[0].text for result in results] == [str(2 * n) for n in range(10) for _ in "12"]


async def test_a_participant_serves_and_calls_at_once() -> None:
    topic = MemoryTopic()
    alice, bob = topic.join("alice"), topic.join("bob")
    async with (
        serve(alice, adder()),
        serve(bob, adder()),
        asyncio.timeout(SOON),
        Client(topic_transport(alice, "bob"), mode="legacy") as to_bob,
        Client(topic_transport(bob, "alice"), mode="legacy") as to_alice,
    ):
        first: Any = await to_bob.call_tool("add", {"a": 1, "b": 2})
        second: Any = await to_alice.call_tool("add", {"a": 3, "b": 4})

    assert (first.content[0].text, second.content[0].text) == ("3", "7")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RequestFailed(-32602, "bad", None), -32602),
        (ProposalRejected("alice", "denied"), -32003),
        (ProposalExpired("env-1"), -32004),
        (ProposalWithdrawn("superseded"), -32005),
        (NotAllowed("mcp/request:tools/list", None), -32006),
        (PeerLeft("bob"), -32007),
        (Refused("too_large", "An envelope has at most 1 bytes"), -32008),
        (RequestTimeout("tools/call", 1.0), -32001),
        (ConnectionLost("gone"), -32000),
    ],
)
def test_each_way_to_fail_has_a_code_of_its_own(error: ParticipantError, code: int) -> None:
    translated = as_mcp_error(error)

    assert translated.code == code
    assert translated.message
