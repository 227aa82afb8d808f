"""Redis as it really behaves: killed, stopped, cut off, full; nothing doubled, reordered or silently lost."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import redis.asyncio

from gateway.broker.redis_broker import RedisBroker
from gateway.broker.redis_keys import Keys
from gateway.broker.redis_limits import RedisBounds, RedisTimes
from gateway.core import Draft, Joined, Member, Relayed
from gateway.errors import BrokerUnavailable
from tests.faults.fault_proxy import Direction, fault_proxy
from tests.gateway.broker.conftest import started
from tests.gateway.broker.hearing import Hearing, all_until
from tests.gateway.seats import NOW
from tests.redis_server import RedisServer, running_redis
from tests.requirements import spec

pytestmark = pytest.mark.redis

EVERY_S = 0.002
"""Each node says something so often while a fault goes on."""

SELDOM_S = 0.02
"""So often while a fault goes on for seconds: Redis keeps a thousand entries."""

BUSY_S: Final = 5.0
"""More than docs/operations.md promises, for a machine that runs other tests; `make faults` adds nothing."""


class Talk:
    """Two nodes that talk without pause, and what must hold of what they heard."""

    def __init__(self, nodes: list[Hearing], members: list[Member], every_s: float) -> None:
        self.nodes, self.members, self._every_s = nodes, members, every_s
        self.sent: list[list[str]] = [[] for _ in nodes]
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        for which in range(len(self.nodes)):
            self._tasks.append(asyncio.create_task(self._speak(which)))

    async def _speak(self, which: int) -> None:
        for number in itertools.count():
            text = f"{self.members[which].id} {number}"
            self.sent[which].append(text)
            self.nodes[which].say(self.members[which], text)
            await asyncio.sleep(self._every_s)

    async def until_flowing(self, within_s: float = 30) -> None:
        """Wait until something that each says from now on is heard by both."""
        marks = [len(sent) for sent in self.sent]

        def flows(node: Hearing) -> bool:
            heard = set(node.said()[-200:])
            return all(heard.intersection(sent[mark:]) for sent, mark in zip(self.sent, marks, strict=True))

        await self.until(flows, within_s)

    async def until(self, holds: Callable[[Hearing], bool], within_s: float = 30) -> None:
        """Wait until something holds of each node."""
        await all_until(self.nodes, holds, within_s)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def end_and_check(self, *, may_refuse: bool = True) -> None:
        """Stop talking, let everything settle, and hold what was heard against what was said."""
        await self.end()
        for node, own in zip(self.nodes, self.sent, strict=True):
            await node.until(partial(_is_settled, node, own), 30)
        refused = {_text(draft.entry) for node in self.nodes for draft in node.not_taken}
        taken = [[text for text in sent if text not in refused] for sent in self.sent]
        assert may_refuse or not refused
        await self.until(lambda node: set().union(*taken) <= set(node.said()), 30)
        for node in self.nodes:
            for member, texts in zip(self.members, taken, strict=True):
                # Each once, in its sender's order, and nothing that was refused.
                assert [text for text in node.said() if text.startswith(f"{member.id} ")] == texts
        first, second = self.nodes
        assert first.heard["ops"][-len(second.heard["ops"]) :] == second.heard["ops"], "one order"
        for node in self.nodes:
            positions = [position for position, _ in node.heard["ops"]]
            assert positions == list(range(positions[0], positions[0] + len(positions))), "without a gap"
            assert not node.lost_topics


def _is_settled(node: Hearing, sent: list[str]) -> bool:
    return set(sent) <= {*node.said(), *(_text(draft.entry) for draft in node.not_taken)}


def _text(entry: Any) -> str:
    assert isinstance(entry, Relayed)
    return entry.data.decode()


@asynccontextmanager
async def talking(
    *urls: str, every_s: float = EVERY_S, times: RedisTimes | None = None
) -> AsyncIterator[Talk]:
    async with AsyncExitStack() as stack:
        nodes = [
            await started(RedisBroker(url, times=times, secret=b"k" * 32), f"n{number}", stack)
            for number, url in enumerate(urls)
        ]
        for node in nodes:
            await node.enter("ops")
        members = [await node.join(f"p{number}") for number, node in enumerate(nodes)]
        for node in nodes:
            await node.until(partial(_shows, node, members[-1]))
        talk = Talk(nodes, members, every_s)
        stack.push_async_callback(talk.end)
        talk.begin()
        await talk.until_flowing()
        yield talk


def _shows(node: Hearing, member: Member) -> bool:
    return member.record in [entry.record for entry in node.entries() if isinstance(entry, Joined)]


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with running_redis(tmp_path, durable=True) as server:
        yield server


@spec("mcpx delivery broker back")
async def test_links_killed_again_and_again_lose_and_double_nothing(server: RedisServer) -> None:
    async with talking(server.url, server.url) as talk:
        async with redis.asyncio.Redis.from_url(server.url) as client:
            for _ in range(15):
                for kind in ("pubsub", "normal"):
                    await client.client_kill_filter(_type=kind, skipme=True)
                await talk.until_flowing()
        await talk.end_and_check(may_refuse=False)


@spec("mcpx delivery broker back")
async def test_resets_while_everything_is_under_way_lose_and_double_nothing(server: RedisServer) -> None:
    async with fault_proxy(server.port) as proxy, talking(proxy.url, server.url) as talk:
        for _ in range(25):
            proxy.reset()
            await asyncio.sleep(0.2)
        await talk.until_flowing()
        await talk.end_and_check(may_refuse=False)


@pytest.mark.slow
@spec("mcpx delivery broker back")
async def test_a_stopped_redis_neither_doubles_nor_reorders(server: RedisServer) -> None:
    async with talking(server.url, server.url) as talk:
        for _ in range(2):
            server.pause()
            await asyncio.sleep(3)
            server.resume()
            await talk.until_flowing()
        await talk.end_and_check()


@spec("mcpx delivery broker back", "mcpx delivery broker dies")
async def test_a_durable_redis_killed_and_started_again_has_lost_nothing_it_accepted(
    server: RedisServer,
) -> None:
    async with talking(server.url, server.url) as talk:
        for _ in range(3):
            server.kill()
            refused = [len(node.not_taken) for node in talk.nodes]
            await talk.until(lambda node: len(node.not_taken) > refused[talk.nodes.index(node)])  # noqa: B023
            assert not any(node.broker.is_available for node in talk.nodes)
            server.start()
            await talk.until_flowing(within_s=2 + BUSY_S)
        await talk.end_and_check()
        assert all(node.broker.is_available for node in talk.nodes)


@spec("mcpx delivery broker back")
async def test_a_redis_that_forgot_everything_closes_the_topic_and_it_begins_anew(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        async with talking(server.url, server.url) as talk:
            server.kill()
            server.start()
            await talk.until(lambda node: node.lost_topics == ["ops"])
            await talk.end()
            for node in talk.nodes:
                await node.enter("ops")
            talk.nodes[0].say(await talk.nodes[0].join("alice"), "anew")
            await talk.nodes[1].until_said("anew")
            assert talk.nodes[1].said() == ["anew"]


@spec("mcpx delivery broker back")
async def test_a_redis_that_went_back_in_time_closes_the_topic(server: RedisServer, tmp_path: Path) -> None:
    """As when a copy that lags becomes the master: the same topic, and less of it."""
    async with talking(server.url, server.url) as talk:
        await talk.end()
        last = [sent[-1] for sent in talk.sent]
        await talk.until(lambda node: set(last) <= set(node.said()))
        async with redis.asyncio.Redis.from_url(server.url) as client:
            await client.config_set("appendonly", "no")
            talk.nodes[0].say(talk.members[0], "accepted, and then forgotten")
            for node in talk.nodes:
                await node.until_said("accepted, and then forgotten")
        server.kill()
        server.start()
        await talk.until(lambda node: node.lost_topics == ["ops"])


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["up", "down", "both"])
@spec("mcpx delivery broker back")
async def test_a_link_that_falls_silent_is_noticed_and_made_whole(
    server: RedisServer, direction: Direction
) -> None:
    async with fault_proxy(server.port) as proxy, talking(proxy.url, server.url, every_s=SELDOM_S) as talk:
        loop = asyncio.get_running_loop()
        connections, began = proxy.connections, loop.time()
        proxy.blackhole(direction)
        async with asyncio.timeout(30):
            while proxy.connections == connections:  # noqa: ASYNC110 - the proxy only counts
                await asyncio.sleep(0.05)
        assert loop.time() - began < 5 + BUSY_S
        proxy.heal()
        await talk.until_flowing()
        await talk.end_and_check()


@spec("mcpx delivery broker back")
async def test_a_node_that_missed_more_than_redis_keeps_is_told_and_the_others_go_on(
    server: RedisServer,
) -> None:
    bounds = RedisBounds(bytes=20_000)
    async with fault_proxy(server.port) as proxy, AsyncExitStack() as stack:
        n1, n2 = [
            await started(RedisBroker(url, bounds=bounds, secret=b"k" * 32), name, stack)
            for name, url in (("n1", proxy.url), ("n2", server.url))
        ]
        for node in (n1, n2):
            await node.enter("ops")
        bob = await n2.join("bob")
        proxy.blackhole("both")
        for number in range(10):
            n2.say(bob, f"{number} " + "x" * 5000)
        await n2.until(lambda: len(n2.said()) == 10)
        proxy.reset()
        proxy.heal()
        await n1.until(lambda: n1.lost_topics == ["ops"])

        async with asyncio.timeout(30):
            while not n1.broker.is_available:  # noqa: ASYNC110 - a property
                await asyncio.sleep(0.01)
        await n1.enter("ops")
        n2.say(bob, "for both")
        for node in (n1, n2):
            await node.until_said("for both")
        assert not n2.lost_topics


@pytest.mark.slow
@spec("mcpx delivery broker back")
async def test_a_link_that_answers_but_hears_no_more_is_noticed_and_made_whole(server: RedisServer) -> None:
    async with talking(server.url, server.url, every_s=SELDOM_S) as talk:
        loop = asyncio.get_running_loop()
        broker: Any = talk.nodes[0].broker
        session, began = broker._shards.store.session, loop.time()
        # As if Redis had forgotten what this link subscribed to.
        for channel in (session.probe, b"mcpx:{t:ops}:order"):
            session.link.call(["SUNSUBSCRIBE", channel], lambda _: None)
        session.link.flush()
        async with asyncio.timeout(30):
            await session.link.ended.wait()
        assert loop.time() - began < 5 + BUSY_S
        await talk.until_flowing()
        await talk.end_and_check(may_refuse=False)


@pytest.mark.slow
@spec("mcpx delivery broker back", "mcpx delivery node dies")
async def test_an_outage_longer_than_a_lease_makes_nobody_dead(server: RedisServer) -> None:
    times = RedisTimes(lease=0.9, beat=0.3, answer=1.0)
    async with talking(server.url, server.url, every_s=SELDOM_S, times=times) as talk:
        server.kill()
        await asyncio.sleep(3 * times.lease)
        server.start()
        await talk.until_flowing()
        await asyncio.sleep(3 * times.lease)
        await talk.end_and_check()
        assert not any(node.gone() for node in talk.nodes)


@spec("mcpx delivery broker dies")
async def test_while_redis_is_away_drafts_are_unavailable_and_calls_fail(server: RedisServer) -> None:
    async with talking(server.url, server.url) as talk:
        await talk.end()
        node = talk.nodes[0]
        server.kill()
        async with asyncio.timeout(30):
            while node.broker.is_available:  # noqa: ASYNC110 - a property
                await asyncio.sleep(0.01)
        node.say(talk.members[0], "too late")
        await node.until(lambda: "too late" in [_text(draft.entry) for draft in node.not_taken])
        for call in (
            node.broker.standing("ops", "alice", "j-1"),
            node.broker.amend("alice", lambda record: [], NOW),
            node.broker.topics(),
            node.broker.enter("dev"),
        ):
            with pytest.raises(BrokerUnavailable):
                await call


@pytest.mark.parametrize("option", [("maxmemory", "1"), ("min-replicas-to-write", "3")])
@spec("mcpx delivery broker dies")
async def test_a_redis_that_takes_no_writes_is_unavailable_until_it_does(
    server: RedisServer, option: tuple[str, str]
) -> None:
    async with talking(server.url, server.url) as talk:
        async with redis.asyncio.Redis.from_url(server.url) as client:
            await client.config_set(*option)
            await talk.until(lambda node: len(node.not_taken) > 20 and not node.broker.is_available)
            await client.config_set(option[0], "0")
        await talk.until_flowing()
        await talk.end_and_check()


@pytest.mark.parametrize("command", ["-evalsha", "-hget", "-xadd", "-hset", "-xtrim"])
@spec("mcpx delivery broker dies")
async def test_a_right_taken_away_is_no_lost_order(server: RedisServer, command: str) -> None:
    async with talking(server.url, server.url) as talk:
        async with redis.asyncio.Redis.from_url(server.url) as untyped:
            client: Any = untyped
            await client.execute_command("ACL", "SETUSER", "default", command)
            await talk.until(lambda node: len(node.not_taken) > 20 and not node.broker.is_available)
            await client.execute_command("ACL", "SETUSER", "default", command.replace("-", "+"))
        await talk.until_flowing()
        await talk.end_and_check()


_ONE_OF_ITS_USERS: Final = (
    *("--user", "gateway", "on", ">secret", "~mcpx:*", "&mcpx:*"),
    *("+@all", "-@dangerous", "+info", "+config|get", "+cluster"),
)


async def _written(client: Any) -> list[Any]:
    """All that an append writes in the topic `ops`."""
    state, stream, sizes, roster, amended, changed, _, taken = Keys("mcpx:").of("ops")
    async with client.pipeline(transaction=True) as pipe:
        pipe.hmget(state, "epoch", "seq", "bytes", "last", "touched").xrange(stream).lrange(sizes, 0, -1)
        for name in (roster, amended, changed, taken):
            pipe.hgetall(name)
        return list(await pipe.execute())


@pytest.mark.parametrize(
    "command", ["xadd", "rpush", "hset", "lrange", "lpop", "xtrim", "hdel", "exists", "del"]
)
@spec("mcpx delivery broker dies")
async def test_a_user_who_may_write_only_half_of_a_batch_writes_none_of_it(
    tmp_path: Path, command: str
) -> None:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(running_redis(tmp_path, options=_ONE_OF_ITS_USERS))
        client: Any = await stack.enter_async_context(redis.asyncio.Redis.from_url(server.url))
        broker = RedisBroker(server.url.replace("//", "//gateway:secret@"), secret=b"k" * 32)
        node = await started(broker, "n1", stack)
        await node.enter("ops")
        alice, bob = await node.join("alice"), node.member("bob")
        node.say(alice, "before")
        await node.until_said("before")
        before = await _written(client)

        await client.execute_command("ACL", "SETUSER", "gateway", f"-{command}")
        node.say(alice, "half")
        node.broker.publish("ops", [Draft(Joined(bob.record, 0, []), bob, node.position())])
        await node.until(lambda: len(node.not_taken) == 2)
        assert await _written(client) == before

        await client.execute_command("ACL", "SETUSER", "gateway", f"+{command}")
        async with asyncio.timeout(30):
            while "after" not in node.said():
                node.say(alice, "after")
                await asyncio.sleep(SELDOM_S)
        assert [text for text in node.said() if text != "after"] == ["before"]
        assert node.lost_topics == []


async def test_a_redis_made_a_replica_is_left_and_found_again(server: RedisServer) -> None:
    async with talking(server.url, server.url) as talk:
        async with redis.asyncio.Redis.from_url(server.url) as client:
            await client.replicaof("127.0.0.1", "1")
            await talk.until(lambda node: len(node.not_taken) > 20 and not node.broker.is_available)
            await client.replicaof("NO", "ONE")
        await talk.until_flowing()
        await talk.end_and_check()


async def test_scripts_that_redis_forgot_are_loaded_again(server: RedisServer) -> None:
    async with talking(server.url, server.url) as talk:
        async with redis.asyncio.Redis.from_url(server.url) as client:
            await client.script_flush()
        await talk.until_flowing()
        await talk.end_and_check(may_refuse=False)


@pytest.mark.parametrize(
    ("credentials", "why"),
    [("", "NOAUTH"), ("x:wrong@", "WRONGPASS"), ("limited:secret@", "NOPERM")],
)
async def test_who_is_not_let_in_is_told_why_at_the_start(tmp_path: Path, credentials: str, why: str) -> None:
    users = (
        "--requirepass",
        "s3cret",
        "--user",
        "limited",
        "on",
        ">secret",
        "~*",
        "&*",
        "+@all",
        "-spublish",
    )
    with running_redis(tmp_path, options=users) as server:
        url = server.url.replace("//", f"//{credentials}")
        broker = RedisBroker(url)
        with pytest.raises(BrokerUnavailable, match=why):
            await broker.start("n1", Hearing("n1", broker))


async def test_a_password_and_a_database_in_the_url_are_used(tmp_path: Path) -> None:
    with running_redis(tmp_path, options=("--requirepass", "s3cret")) as server:
        url = server.url.replace("//", "//:s3cret@").removesuffix("/0") + "/3"
        async with talking(url, url) as talk:
            await talk.end_and_check(may_refuse=False)
            assert "s3cret" not in str(talk.nodes[0].broker.description)
        async with redis.asyncio.Redis.from_url(url) as client:
            assert await client.exists("mcpx:{store}:nodes")
