"""What happens to the nodes while members talk: each thing is mended before it returns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Final

from tests.faults.stage import Stage
from tests.faults.talk import Talk


async def links_reset(stage: Stage, talk: Talk, random: Random) -> None:
    """The links to Redis break again and again."""
    for _ in range(random.randint(3, 10)):
        for proxy in stage.proxies:
            proxy.reset()
        await asyncio.sleep(0.2)


async def link_silent(stage: Stage, talk: Talk, random: Random) -> None:
    """One link swallows everything for a while, one way or both."""
    proxy = random.choice(stage.proxies)
    proxy.blackhole(random.choice(("up", "down", "both")))
    await asyncio.sleep(random.uniform(1, 6))
    proxy.heal()


async def link_slow(stage: Stage, talk: Talk, random: Random) -> None:
    """One link is as from another continent."""
    proxy = random.choice(stage.proxies)
    proxy.delay(random.uniform(0.02, 0.15), 0.05)
    await asyncio.sleep(random.uniform(2, 5))
    proxy.heal()


async def redis_stopped(stage: Stage, talk: Talk, random: Random) -> None:
    """Redis stands still, and goes on."""
    stage.redis.pause()
    await asyncio.sleep(random.uniform(0.5, 3))
    stage.redis.resume()


async def redis_killed(stage: Stage, talk: Talk, random: Random) -> None:
    """Redis dies, and comes back with all that it said yes to."""
    stage.redis.kill()
    await asyncio.sleep(random.uniform(0.5, 2))
    stage.redis.start()


async def node_killed(stage: Stage, talk: Talk, random: Random) -> None:
    """The second node dies, and comes back; the first one lives from the beginning to the end."""
    await stage.nodes[1].kill()
    await asyncio.sleep(random.uniform(0.5, 2))
    await stage.nodes[1].start()


async def node_stopped(stage: Stage, talk: Talk, random: Random) -> None:
    """A node stands still, and goes on."""
    node = random.choice(stage.nodes)
    node.pause()
    await asyncio.sleep(random.uniform(0.5, 3))
    node.resume()


async def members_replaced(stage: Stage, talk: Talk, random: Random) -> None:
    """Many leave, and others come."""
    leaving = [member for member in talk.members if member not in talk.talkers]
    for n, member in enumerate(random.sample(leaving, len(leaving) // 3)):
        await talk.leave(member)
        talk.add(f"{member.id}-again{n}", member.topic, n % 2)


async def strangers(stage: Stage, talk: Talk, random: Random) -> None:
    """Some knock without a token, some send what is no request, and some never end one."""

    async def knock(n: int) -> None:
        node = stage.nodes[n % 2]
        if n % 3 == 0:
            answer = await stage.http.get(f"{node.http_url}/ws?topic=x", timeout=10)
            assert answer.status_code == 401
            return
        _, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(random.randbytes(100) if n % 3 == 1 else b"GET /ws HTTP/1.1\r\nX: ")
        await asyncio.sleep(random.uniform(0, 1))
        writer.transport.abort()

    await asyncio.gather(*(knock(n) for n in range(60)))


Mischief = Callable[[Stage, Talk, Random], Awaitable[None]]

MISCHIEF: Final[Mapping[str, Mischief]] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            links_reset,
            link_silent,
            link_slow,
            redis_stopped,
            redis_killed,
            node_killed,
            node_stopped,
            members_replaced,
            strangers,
        )
    }
)
