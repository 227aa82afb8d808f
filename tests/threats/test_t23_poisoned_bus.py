"""T23: somebody who can write to Redis, and lacks the key, speaks for a node."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed, InvalidStatus

from capabilities import Key, issue_token
from gateway.broker.redis_keys import Keys
from tests.conformance.topic_under_test import TopicUnderTest, listening
from tests.gateway_process import AUDIENCE, ISSUER, GatewayProcess
from tests.redis_server import RedisServer
from tests.threats.conftest import Starting


async def genuine(redis: Redis, channel: str, ops: TopicUnderTest, sender: Any, count: int) -> list[bytes]:
    """Messages of the bus as they go by while somebody speaks."""
    said: list[bytes] = []
    async with redis.pubsub() as listener:
        await listener.subscribe(channel)
        await listener.ssubscribe(channel)
        while len(said) < count:
            await sender.send("chat", {"text": "genuine"})
            async with asyncio.timeout(30):
                async for message in listener.listen():
                    if message["type"] in {"message", "smessage"}:
                        said.append(message["data"])
                        break
    return said


async def publish(redis: Redis, channel: str, message: bytes) -> None:
    """Publish in both ways that Redis has, whichever the nodes listen to."""
    for command in ("PUBLISH", "SPUBLISH"):
        await redis.execute_command(command, channel, message)  # type: ignore[no-untyped-call]  # redis-py's


def forged(random: Random, said: list[bytes], epoch: bytes, place: int) -> bytes:
    """One message that no node has signed, or not so, or not now; the next belongs to `place`."""
    message = random.choice(said)
    then, _, node, number, seal, payload = message.split(b" ", 5)
    there = b"%d" % (place + random.choice((0, 0, 0, 1, 20)))
    newer = b"%d" % (int(number) + random.randrange(1, 1 << 30))
    lie = payload.replace(b"genuine", b"forged!")
    match random.randrange(9):
        case 0:
            return message
        case 1:
            return b" ".join((then, there, node, number, seal, payload))
        case 2:
            return b" ".join((epoch, there, node, newer, seal, payload))
        case 3:
            return b" ".join((epoch, there, b"othernode", newer, seal, payload))
        case 4:
            return b" ".join((epoch, there, node, newer, b"0" * 64, lie))
        case 5:
            return b" ".join((epoch, there, node, newer, b"-", lie))
        case 6:
            at = random.randrange(len(message))
            return message[:at] + bytes((message[at] ^ (1 << random.randrange(8)),)) + message[at + 1 :]
        case 7:
            entries = msgspec.msgpack.encode([["joined", {"connection": "x/1", "participant": "ghost"}]])
            return b" ".join((epoch, there, node, newer, seal, entries))
        case _:
            return random.randbytes(random.randrange(200))


class Listener:
    """Takes what one participant hears on one node, over as many connections as it needs."""

    def __init__(self, ops: TopicUnderTest, id: str, gateway: GatewayProcess) -> None:
        self.ops, self.id, self.gateway = ops, id, gateway
        self.heard: list[dict[str, Any]] = []
        self.codes: set[int | None] = set()
        self.is_in = asyncio.Event()

    async def wait_in(self) -> None:
        """Return when it has come in, the first time."""
        async with asyncio.timeout(30):
            await self.is_in.wait()

    async def listen(self) -> None:
        while True:
            try:
                async with self.ops.join(self.id, gateway=self.gateway) as seat:
                    self.is_in.set()
                    while True:
                        self.heard.append(await seat.next())
            except TimeoutError:
                continue  # it was silent for a while
            except (InvalidStatus, OSError):
                await asyncio.sleep(0.05)  # before it knocks again
            except ConnectionClosed as closed:
                self.codes.add(closed.rcvd.code if closed.rcvd is not None else None)

    def texts(self) -> list[Any]:
        return [e["payload"].get("text") for e in self.heard if e["kind"] == "chat"]


async def spoken(ops: TopicUnderTest, text: str) -> bool:
    """Join, say something and hear it come back; whether that was possible."""
    try:
        async with ops.join("late", "chat") as late:
            await late.send("chat", {"text": text})
            return bool((await late.next_of("chat"))["payload"]["text"] == text)
    except (ConnectionClosed, InvalidStatus):
        return False


@pytest.mark.redis
async def test_of_a_thousand_forged_bus_messages_none_is_delivered(
    node: Starting, redis_server: RedisServer, redis_prefix: str
) -> None:
    random = Random(23)
    async with node() as one, node() as two, Redis.from_url(redis_server.url) as redis:
        ops = TopicUnderTest(one)
        keys = Keys(redis_prefix)
        channel, state = keys.channel(ops.name), keys.of(ops.name)[0]
        listeners = [Listener(ops, "bob", one), Listener(ops, "eve", two)]
        listening_tasks = [asyncio.create_task(one.listen()) for one in listeners]
        async with ops.join("ann", "chat") as ann, listening(ann):
            said = await genuine(redis, channel, ops, ann, 5)
            for _ in range(1_000):
                facts: Any = await redis.hmget(state, "epoch", "seq")
                epoch, place = facts[0] or b"e", int(facts[1] or 0) + 1
                await publish(redis, channel, forged(random, said, epoch, place))
        async with asyncio.timeout(60):
            while not await spoken(ops, "after"):  # the topic is entered anew
                pass
        for task in listening_tasks:
            task.cancel()
        await asyncio.gather(*listening_tasks, return_exceptions=True)

    for listener in listeners:
        assert listener.codes <= {1012}, "a stranger may break the order, and all are told"
        assert set(listener.texts()) <= {"genuine", "after"}
        ids = Counter(e["id"] for e in listener.heard if e["kind"] == "chat")
        assert set(ids.values()) == {1}, "nothing twice"
        assert "ghost" not in str(listener.heard)
    for gateway in (one, two):
        assert "Traceback" not in gateway.log_text()


@pytest.mark.redis
async def test_what_was_said_in_an_earlier_life_of_a_topic_cannot_be_said_again_in_this_one(
    node: Starting, redis_server: RedisServer, redis_prefix: str
) -> None:
    async with node() as one, node() as two, Redis.from_url(redis_server.url) as redis:
        ops, keys = TopicUnderTest(one), Keys(redis_prefix)
        channel, state = keys.channel(ops.name), keys.of(ops.name)[0]
        async with ops.join("ann", "chat", gateway=two) as ann, listening(ann):
            (said,) = await genuine(redis, channel, ops, ann, 1)
        async with asyncio.timeout(30):
            while await redis.exists(state):  # noqa: ASYNC110 - the topic is left unannounced
                await asyncio.sleep(0.01)
        async with ops.join("bob", "chat") as bob:
            facts: Any = await redis.hmget(state, "epoch", "seq")
            again = said.split(b" ", 2)[2]
            await publish(redis, channel, b" ".join((facts[0], b"%d" % (int(facts[1]) + 1), again)))
            await bob.send("chat", {"text": "after"})
            heard = [(await bob.next_of("chat"))["payload"]["text"]]

    assert heard == ["after"]


@pytest.mark.redis
async def test_what_was_forged_into_the_stored_order_is_not_delivered_to_who_reads_it_after_a_gap(
    node: Starting, redis_server: RedisServer, redis_prefix: str
) -> None:
    async with node() as one, node() as two, Redis.from_url(redis_server.url) as redis:
        ops = TopicUnderTest(one)
        keys = Keys(redis_prefix)
        channel, stream = keys.channel(ops.name), keys.of(ops.name)[1]
        bob = Listener(ops, "bob", two)
        hearing = asyncio.create_task(bob.listen())
        await bob.wait_in()
        async with ops.join("ann", "chat") as ann, listening(ann):
            (said,) = await genuine(redis, channel, ops, ann, 1)
            epoch, _, node_id, number, seal, payload = said.split(b" ", 5)
            lie = payload.replace(b"genuine", b"forged!")
            assert lie != payload
            newest: Any = await redis.xrevrange(stream, count=1)
            place = int(newest[0][0].partition(b"-")[0]) + 1
            stored = b" ".join((node_id, b"%d" % (int(number) + 1), seal, lie))
            await redis.xadd(stream, {b"b": stored}, id=f"{place}-0")
            # A batch from far ahead makes every node read the order again.
            await publish(redis, channel, b" ".join((epoch, b"%d" % (place + 9), stored)))
        await spoken(ops, "after")  # refused while the forged entry stands there, or let in: each is safe
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)

    assert "genuine" in bob.texts()
    assert "forged!" not in bob.texts()


@pytest.mark.redis
async def test_what_a_node_with_another_secret_says_is_heard_by_nobody(
    node: Starting, redis_server: RedisServer, redis_prefix: str
) -> None:
    secret = "another secret of more than 32 bytes, too"
    async with node() as one, node(MCPX_JWT_SECRET=secret) as stranger:
        ops = TopicUnderTest(one)
        token = issue_token(
            Key(None, "HS256", secret.encode()),
            issuer=ISSUER,
            audience=AUDIENCE,
            subject="mallory",
            topics=["*"],
            capabilities=["chat"],
            ttl_s=60,
            now=time.time(),
            jti="m",
        )
        bob = Listener(ops, "bob", one)
        hearing = asyncio.create_task(bob.listen())
        await bob.wait_in()
        assert await spoken(ops, "before")
        with suppress(ConnectionClosed, InvalidStatus, TimeoutError):  # each is safe
            async with ops.connect(token, gateway=stranger) as socket:
                await socket.send(
                    '{"protocol":"mcpx/v0.1","id":"m","from":"mallory","kind":"chat","payload":{"text":"x"}}'
                )
                async with asyncio.timeout(3):
                    while True:
                        await socket.recv()
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)

    assert bob.texts() == ["before"]
    assert "mallory" not in str(bob.heard)
