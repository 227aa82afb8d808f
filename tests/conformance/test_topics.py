"""Joining, hearing and leaving (MCPx 3.4, 3.5.1, 6.2, 6.3; docs/protocol.md, Delivery)."""

from __future__ import annotations

import asyncio

from tests.conformance.topic_under_test import Seat, TopicUnderTest
from tests.requirements import spec


@spec(
    "MCPx 6.2 connect", "MCPx 3.5.1 welcome", "MCPx 3.5.1 welcome content", "mcpx delivery join is an entry"
)
async def test_who_connects_is_welcomed_first_and_then_hears_its_own_join(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("newcomer", topics=[ops.name], capabilities=["mcp/proposal:*", "chat"])
    async with ops.join("agent-1", "mcp/*", "chat"), ops.connect(token) as socket:
        seat = Seat(ops, "newcomer", socket, {})
        welcome, own_join = await seat.next(), await seat.next()

        assert (welcome["kind"], welcome["to"]) == ("system/welcome", ["newcomer"])
        assert welcome["payload"]["you"] == {"id": "newcomer", "capabilities": ["mcp/proposal:*", "chat"]}
        assert {"id": "agent-1", "capabilities": ["mcp/*", "chat"]} in welcome["payload"]["participants"]
        assert own_join["payload"]["participant"] == welcome["payload"]["you"]


@spec("MCPx 3.4 presence", "MCPx 8.2 presence tracked")
async def test_joins_and_leaves_are_told_to_all(ops: TopicUnderTest) -> None:
    async with ops.join("witness") as witness:
        async with ops.join("guest", "chat"):
            join = await witness.next()
        leave = await witness.next_of("system/presence")

        assert join["payload"] == {"event": "join", "participant": {"id": "guest", "capabilities": ["chat"]}}
        assert leave["payload"] == {"event": "leave", "participant": {"id": "guest"}}


@spec("MCPx 6.3 mode all", "mcpx delivery mode", "mcpx delivery own envelope back")
async def test_all_is_the_default_and_hears_what_is_said_to_others(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("quiet", topics=[ops.name], capabilities=["chat"])
    async with ops.join("ann", "chat") as ann, ops.connect(token) as socket:
        quiet = Seat(ops, "quiet", socket, await Seat(ops, "quiet", socket, {}).next())
        sent = await ann.send("chat", to=["bob"])

        assert (await quiet.next_of("chat"))["id"] == sent.id
        assert (await ann.next_of("chat"))["id"] == sent.id


@spec("MCPx 6.3 mode directed", "mcpx delivery directed own and system", "mcpx delivery nobody present")
async def test_directed_hears_broadcasts_its_name_its_own_and_its_system_messages(
    ops: TopicUnderTest,
) -> None:
    async with ops.join("ann", "chat") as ann, ops.join("quiet", "chat", mode="directed") as quiet:
        broadcast = await ann.send("chat")
        named = await ann.send("chat", to=["bob", "quiet"])
        await ann.send("chat", to=["bob"])
        own = await quiet.send("chat", to=["nobody-here"])
        refused = await quiet.send("mcp/request:x")

        heard = await quiet.heard()
        assert [one["id"] for one in heard if one["kind"] == "chat"] == [broadcast.id, named.id, own.id]
        assert [one["correlation_id"] for one in heard if one["kind"] == "system/error"] == [refused.id]


@spec("mcpx delivery leaving keyed by connection", "mcpx delivery first joins last leaves")
async def test_an_old_socket_s_end_does_not_evict_a_newer_one(ops: TopicUnderTest) -> None:
    async with ops.join("witness") as witness, ops.join("ann", "chat") as old:
        async with ops.join("ann", "chat") as new:
            await witness.heard()
            await old.socket.close()
            assert await witness.heard_nothing()

            said = await new.send("chat")
            assert (await witness.next())["id"] == said.id
        assert (await witness.next())["payload"] == {"event": "leave", "participant": {"id": "ann"}}


@spec("mcpx delivery one order", "mcpx delivery from the welcome on")
async def test_everyone_hears_the_same_order_without_a_gap(ops: TopicUnderTest) -> None:
    async with ops.join("ann", "chat") as ann, ops.join("bob", "chat") as bob, ops.join("eve") as eve:
        await asyncio.gather(ann.heard(), bob.heard(), eve.heard())
        sent = [[(await seat.send("chat")).id for _ in range(100)] for seat in (ann, bob)]

        heard = [[(await seat.next_of("chat"))["id"] for _ in range(200)] for seat in (ann, bob, eve)]
        assert heard[0] == heard[1] == heard[2]
        assert [id for id in heard[0] if id in set(sent[0])] == sent[0]
        assert [id for id in heard[0] if id in set(sent[1])] == sent[1]
        assert [await seat.heard_nothing() for seat in (ann, bob, eve)] == [True] * 3


async def test_topics_do_not_hear_each_other(ops: TopicUnderTest) -> None:
    async with TopicUnderTest(ops.gateway).conducted() as elsewhere, elsewhere.join("bob") as bob:
        async with ops.join("ann", "chat") as ann:
            await ann.send("chat")
            await ann.heard()

        assert await bob.heard_nothing()
