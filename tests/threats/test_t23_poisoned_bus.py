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
            async with asyncio.timeout(5):
                async for message in listener.listen():
                    if message["type"] in {"message", "smessage"}:
                        said.append(message["data"])
                        break
    return said


async def publish(redis: Redis, channel: str, message: bytes) -> None:
    """Publish in both ways that Redis has, whichever the nodes listen to."""
    for command in ("PUBLISH", "SPUBLISH"):
        await redis.execute_command(command, channel, message)  # type: ignore[no-untyped-call]  # redis-py's


def forged(random: Random, said: list[bytes]) -> bytes:
    """One message that no node has signed, or not so, or not now."""
    message = random.choice(said)
    epoch, first, node, number, seal, payload = message.split(b" ", 5)
    ahead = b"%d" % (int(first) + random.randrange(1, 50))
    match random.randrange(9):
        case 0:
            return message
        case 1:
            return b" ".join((epoch, ahead, node, number, seal, payload))
        case 2:
            return b" ".join((epoch, ahead, node, b"%d" % (int(number) + 1), seal, payload))
        case 3:
            return b" ".join((epoch, ahead, b"othernode", number, seal, payload))
        case 4:
            return b" ".join((epoch, ahead, node, number, b"0" * 64, payload.replace(b"genuine", b"forged!")))
        case 5:
            return b" ".join((epoch, ahead, node, number, b"-", payload.replace(b"genuine", b"forged!")))
        case 6:
            at = random.randrange(len(message))
            return message[:at] + bytes((message[at] ^ (1 << random.randrange(8)),)) + message[at + 1 :]
        case 7:
            entries = msgspec.msgpack.encode([["joined", {"connection": "x/1", "participant": "ghost"}]])
            return b" ".join((epoch, ahead, node, b"9999", seal, entries))
        case _:
            return random.randbytes(random.randrange(200))


class Listener:
    """Takes what one participant hears on one node, over as many connections as it needs."""

    def __init__(self, ops: TopicUnderTest, id: str, gateway: GatewayProcess) -> None:
        self.ops, self.id, self.gateway = ops, id, gateway
        self.heard: list[dict[str, Any]] = []
        self.codes: set[int | None] = set()
        self.is_in = asyncio.Event()

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
        channel = f"{redis_prefix}{{t:{ops.name}}}:order"
        listeners = [Listener(ops, "bob", one), Listener(ops, "eve", two)]
        listening_tasks = [asyncio.create_task(one.listen()) for one in listeners]
        async with ops.join("ann", "chat") as ann, listening(ann):
            said = await genuine(redis, channel, ops, ann, 5)
        for _ in range(1_000):
            await publish(redis, channel, forged(random, said))
        async with asyncio.timeout(30):
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
async def test_what_was_forged_into_the_stored_order_is_not_delivered_to_who_reads_it_after_a_gap(
    node: Starting, redis_server: RedisServer, redis_prefix: str
) -> None:
    async with node() as one, node() as two, Redis.from_url(redis_server.url) as redis:
        ops = TopicUnderTest(one)
        tag = f"{redis_prefix}{{t:{ops.name}}}:"
        bob = Listener(ops, "bob", two)
        hearing = asyncio.create_task(bob.listen())
        await bob.is_in.wait()
        async with ops.join("ann", "chat") as ann, listening(ann):
            (said,) = await genuine(redis, f"{tag}order", ops, ann, 1)
            epoch, first, stored = said.split(b" ", 2)
            newest: Any = await redis.xrevrange(f"{tag}stream", count=1)
            fields = {name: value.replace(b"genuine", b"forged!") for name, value in newest[0][1].items()}
            assert fields != newest[0][1]
            await redis.xadd(f"{tag}stream", fields)
            # A batch from far ahead makes every node read the order again.
            await publish(redis, f"{tag}order", b" ".join((epoch, b"%d" % (int(first) + 9), stored)))
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
            Key(None, "HS256", secret.encode()), issuer=ISSUER, audience=AUDIENCE, subject="mallory",
            topics=["*"], capabilities=["chat"], ttl_s=60, now=time.time(), jti="m",
        )  # fmt: skip  # a list of words, not a line for each
        bob = Listener(ops, "bob", one)
        hearing = asyncio.create_task(bob.listen())
        await bob.is_in.wait()
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
