"""
Promotions, demotions and revocations while everybody talks, on two nodes over one Redis.

`python -m tests.linearising TRIALS` counts what was relayed under rights that
had ended when the admin's call returned. A topic has one order, so no clock is
needed: a marker sent after the answer stands behind all that was appended
before it, and whatever stands behind the marker was appended after the answer.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect

from tests.faults.fault_proxy import fault_proxy
from tests.gateway_process import GatewayProcess, running_gateway
from tests.redis_server import RedisServer, running_redis

PROTECTED: Final = "mcp/request:tools/call:write_file"
TOPIC: Final = "ops"
_WINDOW: Final = 8
"""Envelopes of one who floods that are under way at a time."""
_WITHIN_S: Final = 60.0
_AGAIN_S: Final = 5.0
"""Said again when not heard for so long: a slow machine's queue may have answered `topic_unavailable`."""
_LATE_S: Final = (0.0, 0.03)
"""
How late what a node says reaches Redis, at least and by how much more: what it judged by the old rights is
still under way when the admin has the answer. On a quick link nothing ever is, and nothing is proved.
"""
_REVOKED_EVERY: Final = 10
"""Of so many trials one is a revocation, for each needs somebody who joins first."""


class Watch:
    """One who hears the topic on one node, and what it heard that should not have been."""

    def __init__(self) -> None:
        self.forbidden: dict[str, str] = {}
        """Participant -> what it may not say any more: a kind, or an empty text for anything."""
        self.violations: list[str] = []
        self.heard: Counter[str] = Counter()
        """Envelopes by participant."""
        self.relayed = 0
        self.seen: set[str] = set()
        """Ids of markers, and of envelopes that had to come."""
        self._changed = asyncio.Event()

    def hear(self, envelope: dict[str, Any]) -> None:
        sender, kind = envelope["from"], envelope["kind"]
        if sender == "system:gateway":
            return
        self.relayed += 1
        self.heard[sender] += 1
        ended = self.forbidden.get(sender)
        if ended is not None and kind.startswith(ended):
            self.violations.append(f"{sender} {kind} {envelope['id']}")
        if sender == "conductor" and envelope["id"] not in self.seen:
            verb, participant, what = envelope["payload"]["marker"]
            if verb == "ended":
                self.forbidden[participant] = what
            else:
                self.forbidden.pop(participant, None)
        if envelope["id"].startswith("seen-"):
            self.seen.add(envelope["id"])
        self._changed.set()

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(_WITHIN_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


class Flooder:
    """Says what it may and what it may not, as fast as its own echo comes back."""

    def __init__(self, name: str, socket: ClientConnection) -> None:
        self.name, self.socket = name, socket
        self.refused = 0
        """Of what it had been promoted to say."""
        self._room = asyncio.Semaphore(_WINDOW)
        self._numbers = itertools.count()

    async def flood(self) -> None:
        """Until cancelled, or closed."""
        for number in self._numbers:
            await self._room.acquire()
            await self.say(PROTECTED, f"{self.name}-w{number}")
            await self.say("chat", f"{self.name}-c{number}")

    async def say(self, kind: str, id: str, payload: Any = None) -> None:
        envelope = {
            "protocol": "mcpx/v0.1",
            "id": id,
            "from": self.name,
            "kind": kind,
            "payload": payload
            or {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "write_file"}},
        }
        await self.socket.send(orjson.dumps(envelope), text=True)

    async def listen(self) -> None:
        """Make room for more with each echo, or refusal, of what it may say."""
        mine = f'"{self.name}-c'
        async for frame in self.socket:
            text = frame if isinstance(frame, str) else frame.decode()
            if mine in text:
                self._room.release()
            elif '"capability_violation"' in text and '"seen-' in text:
                self.refused += 1


class Stage:
    """Two nodes, who watches and floods on each, and the trials so far."""

    def __init__(self, nodes: list[GatewayProcess], admins: list[httpx.AsyncClient]) -> None:
        self.nodes, self.admins = nodes, admins
        self.watches: list[Watch] = []
        self.conductor: Flooder
        self.trials: Counter[str] = Counter()
        self.refused = 0
        """
        Envelopes refused after the answer that promoted their sender: by a node
        that had yet to hear of it, which is allowed, for nothing was relayed.
        """
        self._left = 0
        self._ids = itertools.count()

    @property
    def violations(self) -> list[str]:
        return [each for watch in self.watches for each in watch.violations]

    async def run(self, trials: int) -> None:
        self._left = trials + 8  # each of those who count ends with less than it could take
        async with asyncio.TaskGroup() as group:
            for which in range(len(self.nodes)):
                for number in range(2):
                    group.create_task(self._promote_and_demote(which, f"agent{which}{number}"))
            group.create_task(self._revoke())

    def _takes_one(self, share: int = 1) -> bool:
        self._left -= share
        return self._left >= 0

    async def _promote_and_demote(self, which: int, name: str) -> None:
        async with self._flooding(which, name) as flooder:
            # The admin is always at the other node.
            admin, path = self.admins[1 - which], f"/admin/participants/{name}/capabilities"
            await self._mark("ended", name, PROTECTED)
            while self._takes_one(2):
                await self._mark("begins", name, PROTECTED)
                await self._act(admin, path, {"add": [PROTECTED]})
                await self._say_and_hear(flooder, PROTECTED)
                self.trials["promotions"] += 1
                await self._act(admin, path, {"remove": [PROTECTED]})
                await self._mark("ended", name, PROTECTED)
                await self._until_more_of(name)
                self.trials["demotions"] += 1

    async def _revoke(self) -> None:
        for number in itertools.count():
            if self._left < _REVOKED_EVERY or not self._takes_one():
                return
            which, name, jti = number % 2, f"guest{number}", uuid4().hex
            async with self._flooding(which, name, jti):
                await self._until_more_of(name)
                body = {"jti": jti} if number % 4 < 2 else {"participant": name}
                await self._act(self.admins[1 - which], "/admin/revocations", body)
                await self._mark("ended", name, "")
            self.trials["revocations"] += 1
            paced = sum(self.trials.values())
            await self._until_trials(paced + _REVOKED_EVERY)

    async def _until_trials(self, count: int) -> None:
        while sum(self.trials.values()) < count and self._left > 0:  # noqa: ASYNC110 - only paces
            await asyncio.sleep(0.01)

    async def _act(self, admin: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
        answer = await admin.post(path, json=body)
        assert answer.status_code == 200, answer.text

    async def _mark(self, verb: str, participant: str, what: str) -> None:
        """Send a marker and wait until it was heard on both nodes."""
        await self._say_and_hear(self.conductor, "chat", {"marker": [verb, participant, what]})

    async def _say_and_hear(self, who: Flooder, kind: str, payload: Any = None) -> None:
        id = f"seen-{next(self._ids)}"
        async with asyncio.timeout(_WITHIN_S):
            while not all(_has_seen(id, watch) for watch in self.watches):
                await who.say(kind, id, payload)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_AGAIN_S):
                        for watch in self.watches:
                            await watch.until(partial(_has_seen, id, watch))

    async def _until_more_of(self, name: str) -> None:
        """Wait until more was heard of one who floods: it did not fall silent just now."""
        marks = [watch.heard[name] + _WINDOW for watch in self.watches]
        for watch, mark in zip(self.watches, marks, strict=True):
            await watch.until(partial(_has_heard, watch, name, mark))

    @asynccontextmanager
    async def _flooding(self, which: int, name: str, jti: str | None = None) -> AsyncIterator[Flooder]:
        node = self.nodes[which]
        token = node.token(name, capabilities=["chat"], jti=jti)
        async with joined(node, token) as socket:
            flooder = Flooder(name, socket)
            tasks = [asyncio.create_task(work) for work in (flooder.flood(), flooder.listen())]
            try:
                yield flooder
            finally:
                self.refused += flooder.refused
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def _has_heard(watch: Watch, name: str, count: int) -> bool:
    return watch.heard[name] >= count


def _has_seen(id: str, watch: Watch) -> bool:
    return id in watch.seen


def joined(node: GatewayProcess, token: str) -> Any:
    """Connect to the topic."""
    return connect(
        f"{node.url}/ws?topic={TOPIC}",
        additional_headers={"Authorization": f"Bearer {token}"},
        proxy=None,
        compression=None,
        max_queue=None,
    )


async def _watch(watch: Watch, socket: ClientConnection) -> None:
    async for frame in socket:
        watch.hear(orjson.loads(frame))


@asynccontextmanager
async def staged(redis: RedisServer, prefix: str = "mcpx:") -> AsyncIterator[Stage]:
    """Start two nodes, with somebody who watches on each."""
    async with AsyncExitStack() as stack:
        env = {
            "MCPX_REDIS_PREFIX": prefix,
            "MCPX_RATE_LIMIT": "1000000:1000000",
            "MCPX_LOG_LEVEL": "error",
            "MCPX_OUTBOX_SECONDS": "60",
        }
        nodes = []
        for _ in range(2):
            link = await stack.enter_async_context(fault_proxy(redis.port))
            link.delay(*_LATE_S, "up")
            nodes.append(await stack.enter_async_context(running_gateway("--redis", link.url, env=env)))
        admins = []
        for node in nodes:
            bearer = {"Authorization": f"Bearer {node.admin_token()}"}
            client = httpx.AsyncClient(
                base_url=node.http_url, headers=bearer, trust_env=False, timeout=_WITHIN_S
            )
            admins.append(await stack.enter_async_context(client))
        stage = Stage(nodes, admins)
        for which, node in enumerate(nodes):
            watch = Watch()
            socket = await stack.enter_async_context(
                joined(node, node.token(f"watch{which}", capabilities=["chat"]))
            )
            watching = asyncio.create_task(_watch(watch, socket))
            stack.callback(watching.cancel)
            stage.watches.append(watch)
        conductor = await stack.enter_async_context(
            joined(nodes[0], nodes[0].token("conductor", capabilities=["chat"]))
        )
        stage.conductor = Flooder("conductor", conductor)
        listening = asyncio.create_task(stage.conductor.listen())
        stack.callback(listening.cancel)
        yield stage


async def linearise(redis: RedisServer, trials: int, prefix: str = "mcpx:") -> Stage:
    """Make so many trials; what came of them stands in the stage."""
    async with staged(redis, prefix) as stage:
        await stage.run(trials)
    return stage


def main(arguments: list[str]) -> int:
    """Make as many trials as asked for; the last line says what came of them."""
    trials = int(arguments[0]) if arguments else 10_000
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory, running_redis(Path(directory), durable=True) as redis:
        stage = asyncio.run(linearise(redis, trials))
    for violation in stage.violations[:20]:
        print("too late:", violation)
    made = ", ".join(f"{count} {what}" for what, count in sorted(stage.trials.items()))
    print(
        f"{sum(stage.trials.values())} trials ({made}) on two nodes in {time.monotonic() - began:.0f} s, "
        f"{stage.watches[0].relayed} envelopes relayed meanwhile: "
        f"{stage.refused} refused a moment too long, "
        f"{len(stage.violations)} relayed under rights that had ended"
    )
    return 1 if stage.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
