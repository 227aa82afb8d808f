"""Several nodes over one Redis: one order, one roster, and nobody speaks for the dead."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any, cast
from uuid import uuid4

import pytest
import redis.asyncio
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capabilities import Amendment, Revocation
from gateway.broker.protocol import ParticipantRecord
from gateway.broker.redis_broker import RedisBroker
from gateway.broker.redis_frame import Seal
from gateway.broker.redis_limits import RedisBounds, RedisTimes
from gateway.broker.redis_scripts import ENTER, command
from gateway.core import Amended, Draft, Ended, Gone, Joined, Left, Relayed
from gateway.errors import BrokerUnavailable
from schemas import CloseCode
from tests.gateway.broker.conftest import NewNode, started
from tests.gateway.broker.hearing import Hearing, all_until, roster_after
from tests.gateway.seats import NOW
from tests.redis_server import RedisServer
from tests.requirements import spec

pytestmark = pytest.mark.redis

Change = Callable[[ParticipantRecord], Sequence[Amendment]]

SHORT = RedisTimes(lease=0.9, beat=0.3, ping=0.3, answer=1.0, queue=1.0)


async def die(node: Hearing) -> None:
    """Let a node's process end without a word."""
    broker: Any = node.broker
    broker._beating.cancel()
    await broker._chores.stop()
    for connection in broker._shards.connections:
        connection._keeping.cancel()
        connection.session.link.abort("the process died")
        await asyncio.gather(broker._beating, connection._keeping, return_exceptions=True)


@spec("mcpx delivery one order")
async def test_two_nodes_hear_the_same_order_whoever_speaks(new_node: NewNode) -> None:
    n1, n2 = await new_node("n1"), await new_node("n2")
    await n1.enter("ops")
    await n2.enter("ops")
    alice, bob = await n1.join("alice"), await n2.join("bob")
    for number in range(500):
        n1.say(alice, f"alice {number}")
        n2.say(bob, f"bob {number}")
        if number % 7 == 0:
            await asyncio.sleep(0)
    await all_until((n1, n2), lambda node: len(node.said()) == 1000)

    assert n1.said() == n2.said()
    assert n1.heard["ops"][-1000:] == n2.heard["ops"][-1000:]
    assert [text for text in n1.said() if text.startswith("alice")] == [f"alice {n}" for n in range(500)]


async def test_a_node_that_comes_later_starts_from_the_roster_and_goes_on(new_node: NewNode) -> None:
    n1 = await new_node("n1")
    first = await n1.enter("ops")
    alice = await n1.join("alice")
    for number in range(20):
        n1.say(alice, str(number))
    n2 = await new_node("n2")
    snapshot = await n2.enter("ops")
    for number in range(20, 40):
        n1.say(alice, str(number))
    for node in (n1, n2):
        await node.until_said("39")

    assert snapshot.epoch == first.epoch
    assert [joined.record for joined in snapshot.joined] == [alice.record]
    assert [position for position, _ in n2.heard["ops"]] == list(range(snapshot.position + 1, 42))
    assert n1.said()[-len(n2.said()) :] == n2.said()


@spec("mcpx delivery promotion in force")
async def test_once_an_amendment_has_returned_nothing_judged_before_it_is_appended_anywhere(
    new_node: NewNode,
) -> None:
    n1, n2 = await new_node("n1"), await new_node("n2")
    await n1.enter("ops")
    await n2.enter("ops")
    alice = await n2.join("alice")
    judged_at = n2.position()

    def add_all(record: ParticipantRecord) -> list[Amendment]:
        return [Amendment(record.id)]

    async def speak() -> None:
        for number in itertools.count():
            n2.say(alice, str(number), judged_at=judged_at)
            await asyncio.sleep(0)

    async with AsyncExitStack() as stack:
        speaking = asyncio.create_task(speak())
        stack.callback(speaking.cancel)
        await n1.until_said("20")
        await n1.broker.amend("alice", add_all, NOW)
        n1.say(await n1.join("marker"), "the call had returned")
        await n1.until_said("the call had returned")
        await n2.until_said("the call had returned")

    amended = next(place for place, entry in enumerate(n1.entries()) if isinstance(entry, Amended))
    after = [entry.sender for entry in n1.entries()[amended:] if isinstance(entry, Relayed)]
    assert after == ["marker"]
    assert len(n2.handed_back) > 0
    assert not n2.not_taken


async def test_a_join_with_news_of_the_rights_makes_older_drafts_of_the_participant_stale(
    new_node: NewNode,
) -> None:
    n1, n2 = await new_node("n1"), await new_node("n2")
    await n1.enter("ops")
    await n2.enter("ops")
    alice = await n1.join("alice")
    judged_at = n1.position()
    second = n2.member("alice")
    n2.broker.publish("ops", [Draft(Joined(second.record, 3, []), second, n2.position())])
    await n1.until(lambda: len(n1.entries()) == 2)
    n1.say(alice, "judged before", judged_at=judged_at)
    await n1.until(lambda: bool(n1.handed_back))


async def test_an_amendment_is_said_even_where_a_join_brought_it_first(new_node: NewNode) -> None:
    n1, n2 = await new_node("n1"), await new_node("n2")
    await n1.enter("ops")
    await n1.join("alice")
    await n2.enter("ops")
    second = n2.member("alice")
    n2.broker.publish("ops", [Draft(Joined(second.record, 1, []), second, n2.position())])
    await n1.until(lambda: len(n1.entries()) == 2)
    for _ in range(2):
        await n1.broker.amend("alice", lambda record: [Amendment("alice")], NOW)
    n1.say(await n1.join("marker"), "the end")
    await n1.until_said("the end")

    assert [entry.version for entry in n1.entries() if isinstance(entry, Amended)] == [1]


@spec("mcpx identity revocation closes")
async def test_a_revocation_reaches_every_topic_and_says_whom_it_closed(new_node: NewNode) -> None:
    n1, n2 = await new_node("n1"), await new_node("n2")
    for topic in ("ops", "dev"):
        await n1.enter(topic)
        await n2.enter(topic)
    here, there = await n1.join("alice", jti="j-1"), await n2.join("alice", topic="dev", jti="j-1")
    await n2.join("alice", jti="j-2")
    ended = Ended(CloseCode.REVOKED, NOW, jti="j-1")
    ending = await n1.broker.revoke(Revocation.of_token("j-1", by="root", at=NOW, max_lifetime_s=60), ended)

    assert {record.connection for record in ending.closed} == {here.connection, there.connection}
    await all_until((n1, n2), lambda node: ended in node.entries("ops") and ended in node.entries("dev"))


async def test_promotions_and_revocations_are_the_same_seen_from_any_node(new_node: NewNode) -> None:
    n1, n2 = await new_node("n1"), await new_node("n2")
    await n1.broker.remember("alice", ["chat"], NOW)

    def add(topic: str) -> Change:
        return lambda record: [*record.amendments, Amendment("alice", topic)]

    topics = [f"topic{number}" for number in range(10)]
    await asyncio.gather(
        *((n1, n2)[number % 2].broker.amend("alice", add(topic), NOW) for number, topic in enumerate(topics))
    )

    record = await n2.broker.participant("alice")
    assert record is not None
    assert record.version == 10
    assert sorted(str(amendment.topic) for amendment in record.amendments) == topics
    assert await n1.broker.participant("alice") == record


@spec("mcpx delivery node dies")
async def test_a_dead_nodes_members_leave_once_everywhere(
    redis_server: RedisServer, redis_prefix: str
) -> None:
    async with AsyncExitStack() as stack:
        nodes = [
            await started(RedisBroker(redis_server.url, prefix=redis_prefix, times=SHORT), name, stack)
            for name in ("n1", "n2", "n3")
        ]
        snapshots = [await node.enter("ops") for node in nodes]
        for number, node in enumerate(nodes):
            await node.join(f"p{number}")
        await nodes[0].until(lambda: len(nodes[0].entries()) == 3)
        await die(nodes[2])
        living = nodes[:2]
        await all_until(living, lambda node: bool(node.gone()), within_s=60)
        # Three more heartbeats of both nodes, with a marker behind them, prove that it is said once.
        await asyncio.sleep(3 * SHORT.beat)
        nodes[0].say(await nodes[0].join("marker"), "the end")
        for node, snapshot in zip(living, snapshots, strict=False):
            await node.until_said("the end")
            assert node.gone() == ["n3"]
            roster = roster_after(snapshot, node.heard["ops"])
            assert {record.participant for record in roster.values()} == {"p0", "p1", "marker"}


@spec("mcpx delivery node dies")
async def test_a_node_whose_loop_is_late_all_the_time_still_sees_who_is_dead(
    redis_server: RedisServer, redis_prefix: str
) -> None:
    """As when a thousand members of the dead node come back to this one."""
    async with AsyncExitStack() as stack:
        times = RedisTimes(lease=2.0, beat=0.5)
        living, dying = [
            await started(RedisBroker(redis_server.url, prefix=redis_prefix, times=times), name, stack)
            for name in ("n1", "n2")
        ]
        for node in (living, dying):
            await node.enter("ops")
        await dying.join("alice")

        async def be_busy() -> None:
            while True:
                time.sleep(0.8)  # noqa: ASYNC251 - what is to be borne
                await asyncio.sleep(0.01)

        await die(dying)
        busy = asyncio.create_task(be_busy())
        try:
            await living.until(lambda: living.gone() == ["n2"], within_s=30)
        finally:
            busy.cancel()


@spec("mcpx delivery node dies")
async def test_a_topic_that_only_the_dead_heard_is_cleared_by_the_living(
    redis_server: RedisServer, redis_prefix: str
) -> None:
    async with AsyncExitStack() as stack:
        n1, n2 = [
            await started(RedisBroker(redis_server.url, prefix=redis_prefix, times=SHORT), name, stack)
            for name in ("n1", "n2")
        ]
        await n1.enter("ops")
        await n1.join("alice")
        assert await n2.broker.topics() == ["ops"]
        await die(n1)
        async with asyncio.timeout(60):
            while await n2.broker.topics():  # noqa: ASYNC110 - another process' work, which nobody announces
                await asyncio.sleep(0.05)
        assert await n2.broker.look("ops") is None

        async with redis.asyncio.Redis.from_url(redis_server.url) as client:
            left = await client.keys(f"{redis_prefix}*{{t:ops}}*")
            assert left == []
            assert await client.hlen(f"{redis_prefix}{{store}}:topics") == 0


@spec("mcpx delivery node dies")
async def test_a_node_taken_for_dead_loses_the_topic_and_can_enter_it_anew(
    redis_server: RedisServer, redis_prefix: str
) -> None:
    async with AsyncExitStack() as stack:
        n1, n2 = [
            await started(RedisBroker(redis_server.url, prefix=redis_prefix, times=SHORT), name, stack)
            for name in ("n1", "n2")
        ]
        await n1.enter("ops")
        await n2.enter("ops")
        await n1.join("alice")
        heartbeat: Any = n1.broker
        heartbeat._beating.cancel()  # as if the process had been stopped for a while
        await n2.until(lambda: n2.gone() == ["n1"], within_s=60)
        stale = n1.member("alice")
        n1.say(stale, "from the grave")
        await n1.until(lambda: n1.lost_topics == ["ops"])
        assert [draft.member for draft in n1.not_taken] == [stale]

        await n1.enter("ops")
        n1.say(await n1.join("alice"), "from this life")
        await n2.until_said("from this life")
        assert n2.said() == ["from this life"]


async def test_a_topic_that_a_late_command_entered_is_left_again(
    redis_server: RedisServer, redis_prefix: str
) -> None:
    async with AsyncExitStack() as stack:
        n1 = await started(RedisBroker(redis_server.url, prefix=redis_prefix, times=SHORT), "n1", stack)
        broker: Any = n1.broker
        keys, leaving = broker._keys.of("ops"), broker._listening.leaving
        leaving["ops"] = 3  # as when an attempt to enter had no answer
        async with asyncio.timeout(30):
            while leaving["ops"] == 3:  # noqa: ASYNC110 - unannounced
                await asyncio.sleep(0.01)
            await broker.ask_all([command(ENTER, keys, "n1", 9000, "epoch")])  # here it comes
            while leaving:  # noqa: ASYNC110 - unannounced
                await asyncio.sleep(0.01)
        assert await broker.ask_all([["EXISTS", key] for key in keys]) == [0] * len(keys)


async def test_who_stops_leaves_what_it_failed_to_enter_too(
    redis_server: RedisServer, redis_prefix: str
) -> None:
    async with AsyncExitStack() as stack:
        n1 = await started(RedisBroker(redis_server.url, prefix=redis_prefix), "n1", stack)
        n2 = await started(RedisBroker(redis_server.url, prefix=redis_prefix), "n2", stack)
        broker, other = cast("Any", n1.broker), cast("Any", n2.broker)
        listed, keys = broker._listening._list, broker._keys.of("ops")

        async def list_once(topic: str) -> None:
            broker._listening._list = refuse
            await listed(topic)

        async def refuse(topic: str) -> None:
            raise BrokerUnavailable("Redis is full")

        broker._listening._list = list_once
        with pytest.raises(BrokerUnavailable, match="full"):
            await n1.enter("ops")
        assert any(await broker.ask_all([["EXISTS", key] for key in keys])), "else there is nothing to leave"
        await broker.stop()

        assert await other.ask_all([["EXISTS", key] for key in keys]) == [0] * len(keys)


async def test_what_no_node_signed_is_dropped_and_counted(
    new_node: NewNode, redis_server: RedisServer, redis_prefix: str
) -> None:
    n1 = await new_node("n1")
    snapshot = await n1.enter("ops")
    alice = await n1.join("alice")
    channel = f"{redis_prefix}{{t:ops}}:order"
    entry = Relayed(alice.connection, "alice", (), b"forged")
    async with redis.asyncio.Redis.from_url(redis_server.url) as client:
        for key in (b"", b"x" * 32):
            forged = Seal(key).close("ops", snapshot.epoch, "n1", 10**9, [entry])
            await client.spublish(channel, b"%s 2 %s" % (snapshot.epoch.encode(), forged))
        await client.spublish(channel, b"no batch at all")
    n1.say(alice, "true")
    await n1.until_said("true")

    assert n1.said() == ["true"]
    assert n1.broker.description["forged"] == 3


async def test_what_a_node_signed_cannot_be_said_again_by_another(
    new_node: NewNode, redis_server: RedisServer, redis_prefix: str
) -> None:
    n1 = await new_node("n1")
    snapshot = await n1.enter("ops")
    alice = await n1.join("alice")
    n1.say(alice, "once")
    await n1.until_said("once")
    async with redis.asyncio.Redis.from_url(redis_server.url) as client:
        found: Any = await client.xrange(f"{redis_prefix}{{t:ops}}:stream", "2-0", "2-0")
        stored = found[0][1][b"b"]
        again = b"%s 3 %s" % (snapshot.epoch.encode(), stored)
        await client.spublish(f"{redis_prefix}{{t:ops}}:order", again)
    n1.say(alice, "twice")
    await n1.until_said("twice")

    assert n1.said() == ["once", "twice"]


async def test_a_topics_order_is_kept_within_its_bounds(redis_server: RedisServer, redis_prefix: str) -> None:
    bounds = RedisBounds(entries=50, bytes=20_000)
    async with AsyncExitStack() as stack:
        broker = RedisBroker(redis_server.url, prefix=redis_prefix, bounds=bounds, times=SHORT)
        n1 = await started(broker, "n1", stack)
        await n1.enter("ops")
        alice = await n1.join("alice")
        client = await stack.enter_async_context(redis.asyncio.Redis.from_url(redis_server.url))
        stream, sizes = (f"{redis_prefix}{{t:ops}}:{name}" for name in ("stream", "sizes"))

        async def kept() -> int:
            async with client.pipeline(transaction=True) as both:
                both.xlen(stream)
                both.llen(sizes)
                batches, listed = await both.execute()
            assert batches == listed
            return int(batches)

        for number in range(200):
            n1.say(alice, f"{number}")
            await n1.until_said(f"{number}")
        async with asyncio.timeout(30):
            # The next heartbeat says that all have heard the rest.
            while await kept() != 50:  # noqa: ASYNC110 - Redis does not announce it
                await asyncio.sleep(0.02)
        for number in range(10):
            n1.say(alice, f"{number} " + "x" * 5000)
            await n1.until(partial(_has_begun, n1, f"{number} x"))
        assert await kept() == 3


async def test_what_is_old_is_forgotten(redis_server: RedisServer, redis_prefix: str) -> None:
    async with AsyncExitStack() as stack:
        broker = RedisBroker(redis_server.url, prefix=redis_prefix, bounds=RedisBounds(age=0.5), times=SHORT)
        n1 = await started(broker, "n1", stack)
        await n1.enter("ops")
        alice = await n1.join("alice")
        for number in range(20):
            n1.say(alice, str(number))
            await n1.until_said(str(number))
        client = await stack.enter_async_context(redis.asyncio.Redis.from_url(redis_server.url))
        async with asyncio.timeout(30):
            # The newest stays: a node that was away knows the order again by it.
            while await client.xlen(f"{redis_prefix}{{t:ops}}:stream") > 1:  # noqa: ASYNC110 - unannounced
                await asyncio.sleep(0.02)


def _has_begun(node: Hearing, text: str) -> bool:
    return node.said()[-1].startswith(text)


async def test_what_is_too_much_to_queue_is_unavailable(redis_server: RedisServer, redis_prefix: str) -> None:
    bounds = RedisBounds(queued=10)
    async with AsyncExitStack() as stack:
        n1 = await started(RedisBroker(redis_server.url, prefix=redis_prefix, bounds=bounds), "n1", stack)
        await n1.enter("ops")
        alice = await n1.join("alice")
        drafts = [n1.say(alice, str(number)) for number in range(15)]
        await n1.until(lambda: len(n1.said()) == 10 and len(n1.not_taken) == 5)

        assert n1.not_taken == drafts[10:]
        n1.say(alice, "room again")
        await n1.until_said("room again")


async def test_a_store_that_is_not_there_says_so_at_the_start(redis_prefix: str) -> None:
    broker = RedisBroker("redis://127.0.0.1:1/0", prefix=redis_prefix)
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
        await broker.start("n1", Hearing("n1", broker))
    await broker.stop()


@pytest.mark.parametrize("url", ["http://127.0.0.1", "redis", ""])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        RedisBroker(url)


Step = tuple[str, int]
"""What happens, and to which of the two nodes."""

_WHAT = ("join", "leave", "say", "burst", "amend", "round", "reenter")

steps = st.lists(
    st.tuples(st.sampled_from(_WHAT), st.integers(0, 1)),
    max_size=40,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps, st.sampled_from((asyncio.run, uvloop.run)))
@spec("mcpx delivery one order", "mcpx delivery roster and presence add up")
def test_whatever_two_nodes_do_they_hear_the_same_and_agree_who_is_there(
    redis_server: RedisServer, script: list[Step], run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    run(_play(redis_server.url, script))


async def _play(url: str, script: list[Step]) -> None:
    prefix = f"test-{uuid4().hex[:12]}:"
    async with AsyncExitStack() as stack:
        nodes = [await started(RedisBroker(url, prefix=prefix), name, stack) for name in ("n1", "n2")]
        snapshots = [await node.enter("ops") for node in nodes]
        for node in nodes:
            node.judges_anew = True
        members: list[list[Any]] = [[], []]
        texts = itertools.count()
        said: list[str] = []
        for what, which in script:
            node, mine = nodes[which], members[which]
            if what == "join":
                mine.append(await node.join(f"p{len(mine) % 2}"))
            elif what == "leave" and mine:
                node.leave(mine.pop())
            elif what in ("say", "burst") and mine:
                for _ in range(1 if what == "say" else 5):
                    said.append(str(next(texts)))
                    node.say(mine[-1], said[-1])
            elif what == "amend":
                await node.broker.amend("p0", lambda record: [Amendment("p0", str(record.version))], NOW)
                await node.broker.amend("p0", lambda record: [replace(record.amendments[0], topic=None)], NOW)
            elif what == "round":
                await asyncio.sleep(0)
            elif what == "reenter" and not mine:
                await node.broker.exit("ops")
                snapshots[which] = await node.enter("ops")
        last = [await node.join(f"last{number}") for number, node in enumerate(nodes)]
        await all_until(nodes, lambda node: last[1].connection in _joined(node))
        _agree(nodes, snapshots, {member.connection for member in (*members[0], *members[1], *last)})
        heard = max((node.said() for node in nodes), key=len)
        assert sorted(heard, key=int) == heard or len(set(heard)) == len(heard)
        assert all(not node.not_taken and not node.lost_topics for node in nodes)


def _joined(node: Hearing) -> set[str]:
    return {entry.record.connection for entry in node.entries() if isinstance(entry, Joined)}


def _agree(nodes: list[Hearing], snapshots: list[Any], present: set[str]) -> None:
    shared = min(len(node.heard["ops"]) for node in nodes)
    if shared:
        assert nodes[0].heard["ops"][-shared:] == nodes[1].heard["ops"][-shared:]
    for node, snapshot in zip(nodes, snapshots, strict=True):
        positions = [position for position, _ in node.heard["ops"]]
        assert positions == list(range(snapshot.position + 1, snapshot.position + 1 + len(positions)))
        assert set(roster_after(snapshot, node.heard["ops"])) == present
        assert not [entry for entry in node.entries() if isinstance(entry, Gone)]
        assert all(isinstance(entry, Left | Joined | Relayed | Amended) for entry in node.entries())
