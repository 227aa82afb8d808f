"""Several Redis servers: a master fails over, a shard moves; nothing is doubled or silently lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from capabilities import Amendment, Revocation
from gateway.broker.redis_broker import RedisBroker
from gateway.broker.redis_keys import Keys, slot_of
from gateway.core import Amended, Ended, Member
from gateway.errors import BrokerUnavailable
from schemas import CloseCode
from tests.gateway.broker.conftest import started
from tests.gateway.broker.hearing import Hearing, all_until
from tests.gateway.broker.test_redis_faults import SELDOM_S, Talk, talking
from tests.gateway.seats import NOW
from tests.redis_groups import (
    RedisCluster,
    Sentinels,
    client_of,
    running_cluster,
    running_sentinels,
    wait_until,
)
from tests.redis_server import RedisServer, free_port
from tests.requirements import spec

pytestmark = [pytest.mark.redis, pytest.mark.slow]

RESUMED_S = 30.0
"""After a failover or a move everything flows again within this."""


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    with running_sentinels(tmp_path) as group:
        yield group


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as group:
        yield group


@asynccontextmanager
async def two_nodes(url: str, prefix: str = "mcpx:") -> AsyncIterator[tuple[Hearing, Hearing]]:
    async with AsyncExitStack() as stack:
        brokers = [RedisBroker(url, prefix=prefix, secret=b"k" * 32) for _ in range(2)]
        n1, n2 = [await started(broker, f"n{number}", stack) for number, broker in enumerate(brokers, 1)]
        yield n1, n2


def slot_of_topic(topic: str, prefix: str = "mcpx:") -> int:
    return slot_of(Keys(prefix).channel(topic))


def topic_on(cluster: RedisCluster, server: RedisServer, prefix: str) -> str:
    """A topic that lies on this server, on no slot of the whole store."""
    store = slot_of(Keys(prefix).rights)
    return next(
        topic
        for topic in (f"topic{number}" for number in range(1000))
        if slot_of_topic(topic, prefix) != store
        and cluster.owner_of(slot_of_topic(topic, prefix)).port == server.port
    )


# Sentinels


@spec("mcpx delivery broker back")
async def test_when_a_sentinels_master_dies_everything_flows_again_over_the_next(
    sentinels: Sentinels,
) -> None:
    async with talking(sentinels.url, sentinels.url, every_s=SELDOM_S) as talk:
        sentinels.master.kill()
        async with asyncio.timeout(RESUMED_S):
            await _go_on_at(sentinels.replica, talk)
        assert sentinels.master_port() == sentinels.replica.port
        await _see_nothing_doubled(talk)


@spec("mcpx delivery broker back")
async def test_a_master_that_hands_over_is_left_though_it_still_says_yes(sentinels: Sentinels) -> None:
    async with talking(sentinels.url, sentinels.url, every_s=SELDOM_S) as talk:
        client_of(sentinels.ports[0]).sentinel_failover("ours")
        async with asyncio.timeout(RESUMED_S):
            await _go_on_at(sentinels.replica, talk)
        await _see_nothing_doubled(talk)


@spec("mcpx delivery broker dies")
async def test_what_a_failover_loses_is_told_to_everybody_who_heard_it(sentinels: Sentinels) -> None:
    async with two_nodes(sentinels.url) as nodes:
        first = nodes[0]
        alice = await _kept_by_master_and_replica(nodes, sentinels)
        # Nobody has told the replica of what comes now, and everybody is told yes.
        client_of(sentinels.replica.port).replicaof("127.0.0.1", free_port())
        first.say(alice, "lost")
        for node in nodes:
            await node.until_said("lost")
        sentinels.master.kill()
        for node in nodes:
            await node.until(partial(_has_lost_ops, node), FAILED_OVER_S)

        async with asyncio.timeout(RESUMED_S):
            await _all_on(sentinels.replica, nodes)
        for node in nodes:
            await node.enter("ops")
        alice = await first.join("alice")
        first.say(alice, "after")
        for node in nodes:
            await node.until_said("after")
            assert node.said() == ["after"]
        assert b"lost" not in _stream_of(sentinels.replica), "else nothing was lost"


@spec("mcpx delivery broker dies")
async def test_with_a_replica_that_must_have_it_nothing_is_accepted_without_one(sentinels: Sentinels) -> None:
    client_of(sentinels.master.port).config_set("min-replicas-to-write", 1)
    async with two_nodes(sentinels.url) as nodes:
        first, second = nodes
        alice = await _kept_by_master_and_replica(nodes, sentinels)
        client_of(sentinels.replica.port).replicaof("127.0.0.1", free_port())
        await asyncio.to_thread(_wait_without_replica, sentinels.master)
        first.say(alice, "refused")
        await first.until(lambda: bool(first.not_taken))
        sentinels.master.kill()
        async with asyncio.timeout(FAILED_OVER_S):
            await _all_on(sentinels.replica, nodes)
        client_of(sentinels.replica.port).config_set("min-replicas-to-write", 0)
        async with asyncio.timeout(RESUMED_S):
            while "after" not in second.said():
                first.say(alice, "after")
                await asyncio.sleep(0.05)

        assert first.lost_topics == second.lost_topics == []
        assert "refused" not in second.said()
        assert second.said()[0] == "kept"


FAILED_OVER_S = 60.0
"""From the death of a master to the next, whose replica had lost sight of it."""


async def _kept_by_master_and_replica(nodes: Sequence[Hearing], sentinels: Sentinels) -> Member:
    """Have alice, on the first node, say `kept`, and wait until the replica has it too; return her."""
    first, second = nodes
    for node in nodes:
        await node.enter("ops")
    alice = await first.join("alice")
    first.say(alice, "kept")
    await second.until_said("kept")
    await asyncio.to_thread(client_of(sentinels.master.port).wait, 1, 30_000)
    return alice


def _wait_without_replica(master: RedisServer) -> None:
    wait_until(lambda: client_of(master.port).info("replication")["connected_slaves"] == 0, "no replica")


def _stream_of(server: RedisServer) -> bytes:
    return repr(client_of(server.port).xrange(Keys("mcpx:").of("ops")[1])).encode()


async def _go_on_at(server: RedisServer, talk: Talk) -> None:
    """
    Wait until all talk over this server.

    What the old master had not passed on is gone, and that is told: who hears
    it enters anew, as a node does whose members come back.
    """
    await _all_on(server, talk.nodes)
    for which, node in enumerate(talk.nodes):
        if node.lost_topics:
            await node.enter("ops")
            talk.members[which] = await node.join(f"p{which}")
    await talk.until_flowing()


async def _see_nothing_doubled(talk: Talk) -> None:
    if not any(node.lost_topics for node in talk.nodes):
        await talk.end_and_check()
        return
    await talk.end()
    for node in talk.nodes:
        assert node.lost_topics in ([], ["ops"])
        for number in range(len(talk.nodes)):
            said = [int(text.split()[1]) for text in node.said() if text.startswith(f"p{number} ")]
            assert said == sorted(set(said))


def _has_lost_ops(node: Hearing) -> bool:
    return node.lost_topics == ["ops"]


async def _all_on(server: RedisServer, nodes: Sequence[Hearing]) -> None:
    while not all(_is_on(server, node) for node in nodes):  # noqa: ASYNC110 - unannounced
        await asyncio.sleep(0.05)


def _is_on(server: RedisServer, node: Hearing) -> bool:
    return str(node.broker.description["server"]).endswith(f":{server.port}") and node.broker.is_available


async def test_sentinels_that_know_no_such_master_are_named_at_the_start(sentinels: Sentinels) -> None:
    broker = RedisBroker(sentinels.url.replace("/ours", "/theirs"))
    with pytest.raises(BrokerUnavailable, match="theirs"):
        await broker.start("n1", Hearing("n1", broker))


# Cluster


@spec("mcpx delivery one order", "mcpx delivery promotion in force")
async def test_topics_on_every_shard_have_one_order_and_the_same_rights(
    cluster: RedisCluster, redis_prefix: str
) -> None:
    topics = [topic_on(cluster, server, redis_prefix) for server in cluster.servers]
    async with two_nodes(cluster.url, redis_prefix) as (n1, n2):
        for topic in topics:
            await n1.enter(topic)
            await n2.enter(topic)
            alice, bob = await n1.join("alice", topic=topic), await n2.join("bob", topic=topic)
            for number in range(50):
                n1.say(alice, f"alice {number}")
                n2.say(bob, f"bob {number}")
            await all_until((n1, n2), partial(_has_said_all, topic))
            assert n1.said(topic) == n2.said(topic)
        assert sorted(topics) == await n2.broker.topics()

        await n1.broker.amend("alice", lambda record: [Amendment(record.id)], NOW)
        ended = Ended(CloseCode.REVOKED, NOW, participant="bob")
        ending = await n2.broker.revoke(
            Revocation.of_participant("bob", by="root", at=NOW, max_lifetime_s=60), ended
        )
        assert len(ending.closed) == 3
        for topic in topics:
            await all_until((n1, n2), partial(_has_changed, topic, ended))
        record = await n2.broker.participant("alice")
        assert record is not None
        assert record.version == 1


def _has_said_all(topic: str, node: Hearing) -> bool:
    return len(node.said(topic)) == 100


def _has_changed(topic: str, ended: Ended, node: Hearing) -> bool:
    heard = node.entries(topic)
    return ended in heard and any(isinstance(entry, Amended) for entry in heard)


@spec("mcpx delivery broker back")
async def test_a_topic_whose_slot_moves_is_followed_and_nothing_is_lost(cluster: RedisCluster) -> None:
    slot = slot_of_topic("ops")
    async with talking(cluster.url, cluster.url, every_s=SELDOM_S) as talk:
        before = cluster.owner_of(slot)
        for target in [server for server in cluster.servers if server.port != before.port] + [before]:
            await asyncio.to_thread(cluster.move, slot, target)
            await talk.until_flowing(within_s=RESUMED_S)
        await talk.end_and_check()


@spec("mcpx delivery broker back")
async def test_the_whole_stores_slot_moves_and_joins_and_promotions_go_on(cluster: RedisCluster) -> None:
    slot = slot_of(Keys("mcpx:").rights)
    async with talking(cluster.url, cluster.url, every_s=SELDOM_S) as talk:
        before = cluster.owner_of(slot)
        target = next(server for server in cluster.servers if server.port != before.port)
        await asyncio.to_thread(cluster.move, slot, target)
        node = talk.nodes[0]
        await node.broker.amend("zoe", lambda record: [Amendment(record.id)], NOW)
        await node.join("zoe")
        await talk.until_flowing(within_s=RESUMED_S)
        await talk.end_and_check()
        await asyncio.to_thread(cluster.move, slot, before)


async def test_while_the_whole_stores_slot_is_half_moved_each_key_is_found_where_it_is(
    cluster: RedisCluster, redis_prefix: str
) -> None:
    slot = slot_of(Keys(redis_prefix).rights)
    async with two_nodes(cluster.url, redis_prefix) as (n1, n2):
        await n1.broker.amend("ann", lambda record: [Amendment(record.id)], NOW)
        before = cluster.owner_of(slot)
        target = next(server for server in cluster.servers if server.port != before.port)
        end = await asyncio.to_thread(cluster.begin_move, slot, target)
        await n1.broker.amend("ann", lambda record: [Amendment(record.id, "ops")], NOW)
        await n1.broker.remember("ben", ["chat"], NOW)  # a key that there is on neither side yet
        for node in (n1, n2):
            assert [(each.id, each.version) for each in await node.broker.participants()] == [
                ("ann", 2),
                ("ben", 0),
            ]
        await asyncio.to_thread(end)
        assert len(await n2.broker.participants()) == 2


@spec("mcpx delivery broker back")
async def test_when_a_shards_master_dies_its_replica_goes_on_and_other_topics_never_stop(
    tmp_path: Path,
) -> None:
    with running_cluster(tmp_path, replicas=1) as cluster:
        first, other = cluster.servers[0], cluster.servers[1]
        hit = topic_on(cluster, first, "mcpx:")
        async with two_nodes(cluster.url) as (n1, n2):
            spared = topic_on(cluster, other, "mcpx:")
            for topic in (hit, spared):
                await n1.enter(topic)
                await n2.enter(topic)
            alice, bob = await n1.join("alice", topic=hit), await n1.join("bob", topic=spared)
            n1.say(alice, "before")
            await n2.until_said("before", hit)
            await asyncio.to_thread(client_of(first.port).wait, 1, 30_000)  # else a failover may lose it
            first.kill()
            n1.say(bob, "unharmed")
            await n2.until_said("unharmed", spared)
            for attempt in range(200):
                n1.say(alice, f"again {attempt}")
                await n1.until(lambda: bool(n1.said(hit)[1:]) or len(n1.not_taken) > attempt, 30)  # noqa: B023
                if n1.said(hit)[1:]:
                    break
                await asyncio.sleep(0.05)
            await n2.until(lambda: len(n2.said(hit)) > 1, RESUMED_S)
            assert n1.lost_topics == n2.lost_topics == []
            assert n1.said(hit)[0] == n2.said(hit)[0] == "before"


def test_a_slot_is_that_of_the_first_braces_that_hold_something() -> None:
    # Values of `CLUSTER KEYSLOT`.
    assert slot_of("foo") == 12182
    assert slot_of("{foo}bar") == slot_of("x{foo}{bar}") == 12182
    assert slot_of("foo{}{bar}") == 8363
    assert slot_of("123456789") == 12739
