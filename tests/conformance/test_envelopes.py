"""What a gateway does with an envelope (MCPx 3, 4.1, 4.2, 6.4; docs/protocol.md, Envelope and refusals)."""

from __future__ import annotations

import json

import pytest

from schemas import ErrorCode
from tests.conformance.topic_under_test import TopicUnderTest
from tests.requirements import spec
from tests.spec_examples import ENVELOPES

EVERYTHING = ("mcp/*", "chat", "x-test/*")


@spec("MCPx 3 example envelopes")
@pytest.mark.parametrize("section", ENVELOPES)
async def test_each_example_of_the_specification_is_relayed_or_refused_as_it_says(
    ops: TopicUnderTest, section: str
) -> None:
    example = dict(ENVELOPES[section])
    is_gateways = example["from"] == "system:gateway"
    sender = "forger" if is_gateways else example["from"]
    async with ops.join(sender, *EVERYTHING) as author, ops.join("witness", "chat") as witness:
        await author.heard()
        await author.send_text(json.dumps({**example, "from": sender}, indent=2))

        if is_gateways:
            error = await author.next_error()
            assert (error["payload"]["error"], error["correlation_id"]) == ("reserved_kind", example["id"])
            assert await witness.heard_nothing()
        else:
            assert await witness.next() == example


@spec("mcpx envelope bytes relayed", "mcpx envelope nothing added", "MCPx 8.1 structure preserved")
async def test_receivers_get_the_bytes_that_were_sent(ops: TopicUnderTest) -> None:
    text = (
        ' { "payload" : {"text" : "\\u00e4 \U0001f600 ä"}, "kind":"chat", "x":[1.0, 1e2],  "id":"odd",'
        '"from":"ann" , "protocol":"mcpx/v0.1"}\n'
    )
    async with ops.join("ann", "chat") as ann, ops.join("bob", "chat") as bob:
        await ann.heard()
        await ann.send_text(text)

        assert await bob.next_text() == text
        assert await ann.next_text() == text


@spec("MCPx 4.1 reserved namespace", "mcpx refusals to sender alone")
async def test_given_full_access_when_presence_is_forged_then_only_the_forger_hears_of_it(
    ops: TopicUnderTest,
) -> None:
    async with ops.join("mallory", "mcp/*", "chat") as mallory, ops.join("alice", "chat") as alice:
        forged = await mallory.send("system/presence", {"event": "leave", "participant": {"id": "alice"}})

        assert (await mallory.next_error())["correlation_id"] == forged.id
        assert await alice.heard_nothing()


@spec("mcpx envelope from", "mcpx refusals to sender alone")
async def test_a_forged_from_reaches_nobody(ops: TopicUnderTest) -> None:
    async with ops.join("mallory", "chat") as mallory, ops.join("alice", "chat") as alice:
        await mallory.send("chat", {"text": "I am Alice"}, from_="alice")

        assert (await mallory.next_error())["payload"]["error"] == "from_mismatch"
        assert await alice.heard_nothing()


@spec("MCPx 4.2 lazy enforcement", "MCPx 6.2 capabilities enforced")
async def test_a_payload_that_disagrees_with_its_kind_is_relayed(ops: TopicUnderTest) -> None:
    async with ops.join("agent", "mcp/request:tools/call:safe") as agent, ops.join("bob") as bob:
        sent = await agent.send("mcp/request:tools/call:safe", {"params": {"name": "dangerous"}})

        assert (await bob.next_of("mcp/request:tools/call:safe"))["id"] == sent.id


@spec("MCPx 3.5.2 capability violation", "MCPx 3 error references trigger", "MCPx 6.4 filtering")
async def test_a_violation_reaches_nobody_but_its_sender_and_says_what_is_held(ops: TopicUnderTest) -> None:
    async with ops.join("agent", "mcp/proposal:*", "chat") as agent, ops.join("bob") as bob:
        sent = await agent.send("mcp/request:tools/call:write_file")

        error = await agent.next_error()
        assert error["correlation_id"] == sent.id
        assert error["to"] == ["agent"]
        assert error["from"] == "system:gateway"
        assert error["payload"]["error"] == "capability_violation"
        assert error["payload"]["attempted_kind"] == "mcp/request:tools/call:write_file"
        assert error["payload"]["your_capabilities"] == ["mcp/proposal:*", "chat"]
        assert await bob.heard_nothing()


@spec("mcpx kinds other families relayed")
async def test_a_family_that_nobody_knows_is_relayed_when_granted(ops: TopicUnderTest) -> None:
    async with ops.join("agent", "x-acme/*") as agent, ops.join("bob") as bob:
        await agent.send("x-acme/telemetry:cpu:core:0", {"load": 0.5})

        assert (await bob.next())["payload"] == {"load": 0.5}


@spec(
    "mcpx refusals connection stays open",
    "mcpx refusals nothing dropped in silence",
    "mcpx envelope no ids kept",
)
async def test_after_every_refusal_the_connection_goes_on(ops: TopicUnderTest) -> None:
    async with ops.join("clumsy", "chat") as clumsy, ops.join("bob") as bob:
        await clumsy.heard()
        await clumsy.send_text("{")
        await clumsy.send("chat", protocol="mcpx/v9")
        await clumsy.send("chat", to="bob")
        await clumsy.send("chat", from_="bob")
        await clumsy.send("system/error")
        await clumsy.send("mcp/request:tools/list")
        for _ in range(2):
            await clumsy.send("chat", {"text": "still here"}, id="same")

        heard = await clumsy.heard()
        assert [one["payload"]["error"] for one in heard if one["kind"] == "system/error"] == [
            ErrorCode.INVALID_JSON,
            ErrorCode.UNSUPPORTED_PROTOCOL,
            ErrorCode.INVALID_ENVELOPE,
            ErrorCode.FROM_MISMATCH,
            ErrorCode.RESERVED_KIND,
            ErrorCode.CAPABILITY_VIOLATION,
        ]
        assert [one["id"] for one in await bob.heard()] == ["same", "same"]


@spec("mcpx envelope text frames")
async def test_a_binary_frame_closes_with_1003(ops: TopicUnderTest) -> None:
    async with ops.join("agent", "chat") as agent:
        await agent.socket.send(b"\x00")

        assert await agent.close_code() == 1003


@spec("mcpx envelope UTF-8")
async def test_a_text_frame_that_is_no_utf8_closes_with_1007(ops: TopicUnderTest) -> None:
    async with ops.join("agent", "chat") as agent, ops.join("bob") as bob:
        await agent.socket.send(b'{"\xff": 1}', text=True)

        assert await agent.close_code() == 1007
        assert [one["payload"]["event"] for one in await bob.heard()] == ["leave"]


@spec("mcpx envelope size")
async def test_a_frame_over_the_limit_gets_too_large_and_then_1009(ops: TopicUnderTest) -> None:
    async with ops.join("agent", "chat") as agent, ops.join("bob") as bob:
        just_fits = json.dumps(
            {"protocol": "mcpx/v0.1", "id": "1", "from": "agent", "kind": "chat", "payload": {"text": ""}}
        )
        room = (1 << 20) - len(just_fits)
        await agent.send_text(just_fits.replace('""', f'"{"x" * room}"'))
        assert (await bob.next_of("chat"))["id"] == "1"

        await agent.send_text(just_fits.replace('""', f'"{"x" * (room + 1)}"'))

        error = await agent.next_error()
        assert (error["payload"]["error"], error.get("correlation_id")) == ("too_large", None)
        assert await agent.close_code() == 1009
