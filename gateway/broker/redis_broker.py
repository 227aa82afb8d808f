"""
A broker over Redis: many nodes, one order for each topic.

Each topic's order is kept by a script on its shard (`redis_append.lua`), which
numbers what it takes, and refuses what was judged by rights that have changed.
`Speaking` says what this node has to say and learns what became of it,
`Listening` tells what everybody said, `Heartbeat` sees who lives, `Rights`
changes who may do what; `Shards` knows the way to Redis for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from capabilities import Amendment, Revocation
from gateway.broker.protocol import Ending, Hearer, ParticipantRecord, Standing
from gateway.broker.redis_address import Form, Login, Place
from gateway.broker.redis_chores import Chores
from gateway.broker.redis_cluster import Cluster
from gateway.broker.redis_connection import Connection, User
from gateway.broker.redis_frame import Seal
from gateway.broker.redis_heartbeat import Heartbeat
from gateway.broker.redis_keys import Keys
from gateway.broker.redis_limits import RedisBounds, RedisTimes
from gateway.broker.redis_listening import Listening, read_snapshot
from gateway.broker.redis_replica import Replica
from gateway.broker.redis_rights import Rights
from gateway.broker.redis_scripts import ENTER, command
from gateway.broker.redis_session import Session
from gateway.broker.redis_shards import OneServer, Shards
from gateway.broker.redis_speaking import Speaking
from gateway.clock import Clock, SystemClock
from gateway.core import Draft, Ended, Entry, Snapshot
from gateway.errors import BrokerUnavailable


class RedisBroker:
    """
    Topics, promotions and revocations in Redis, shared by every node with the same URL and prefix.

    With a secret, batches are signed, and what is not is dropped and counted;
    all nodes have the same (`Seal` says how they change it). Await `enter` directly: what comes after its
    snapshot is told in the next round of the event loop.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "mcpx:",
        clock: Clock | None = None,
        secret: bytes = b"",
        login: Login | None = None,
        times: RedisTimes | None = None,
        bounds: RedisBounds | None = None,
    ) -> None:
        """
        Raises:
            ValueError: `url` is not one of Redis, or `login` cannot be used.
        """
        self._times, self._bounds = times or RedisTimes(), bounds or RedisBounds()
        self._clock = clock or SystemClock()
        self._keys, self._seal = Keys(prefix), Seal(secret)
        self._heard: dict[str, Replica] = {}
        self._chores = Chores()
        self._place = place = Place.parse(url, login)
        user = User(self._on_message, self._on_dropped, self._resume, self._resumed, self._away)
        self._shards: Shards = (
            Cluster(place, self._keys, self._times, user, self._rerouted)
            if place.form is Form.CLUSTER
            else OneServer(place, self._keys, self._times, user)
        )
        self._rights = Rights(self, self._keys, self._clock.now)
        self._listening: Listening
        self._speaking: Speaking
        self._heartbeat: Heartbeat
        self._beating: asyncio.Task[None] | None = None

    @property
    def is_available(self) -> bool:
        store = self._shards.store
        return store.is_ready and store.trouble is None

    @property
    def is_local(self) -> bool:
        return False

    @property
    def description(self) -> dict[str, Any]:
        store, shards = self._shards.store, self._shards.connections
        others = {each.label: each.trouble or "ready" for each in shards} if len(shards) > 1 else {}
        return {
            "broker": "redis",
            "form": str(self._place.form),
            "address": str(self._place),
            **({"trouble": store.trouble} if store.trouble is not None else {}),
            **({"shards": others} if others else {}),
            "signed": self._seal.is_signing,
            "forged": self._listening.forged if self._beating is not None else 0,
            "topics_heard": len(self._heard),
            **store.facts,
        }

    def change_secrets(self, secrets: Sequence[bytes]) -> None:
        """Sign with the first of these from now on, and believe all of them and the earlier ones."""
        self._seal.change_keys(secrets)

    # Life

    async def start(self, node: str, hearer: Hearer) -> None:
        now = self._clock.now
        parts = (self._shards, self._keys)
        self._listening = Listening(
            *parts,
            self._seal,
            self._times,
            self._chores,
            node=node,
            hearer=hearer,
            heard=self._heard,
            now=now,
        )
        self._speaking = self._listening.speaking = Speaking(
            *parts,
            self._seal,
            self._times,
            self._bounds,
            node=node,
            hearer=hearer,
            heard=self._heard,
            broken=self._listening.lose,
            unheard=self._listening.fill,
        )
        self._heartbeat = Heartbeat(
            *parts,
            self._times,
            self._bounds,
            self._chores,
            node=node,
            heard=self._heard,
            listening=self._listening,
            speaking=self._speaking,
            now=now,
        )
        self._node = node
        await self._shards.open(node)
        self._beating = asyncio.create_task(self._heartbeat.run(), name="broker.heartbeat")

    async def stop(self) -> None:
        if self._beating is None:
            return
        if self._shards.store.is_ready:
            with suppress(TimeoutError):  # the others see by its lease that this node is gone
                async with asyncio.timeout(self._times.answer * 2):
                    await self._leave()
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)
        await self._chores.stop()
        self._heard.clear()
        self._speaking.stop()
        await self._shards.close()

    async def _leave(self) -> None:
        self._listening.is_going = True
        await asyncio.gather(*(self.exit(topic) for topic in list(self._heard)), return_exceptions=True)
        # Also what it failed to enter or to leave: that may have been done all the same, or not.
        await asyncio.gather(*map(self._listening.try_to_leave, list(self._listening.leaving)))
        if not self._listening.leaving:
            with suppress(BrokerUnavailable):
                await self.ask_all([["HDEL", self._keys.nodes, self._node]])

    def _on_message(self, channel: bytes, data: bytes) -> None:
        self._listening.on_message(channel, data)

    def _on_dropped(self, channel: bytes) -> None:
        self._listening.dropped(channel)

    async def _resume(self, connection: Connection, session: Session) -> None:
        await self._heartbeat.resume(connection, session)
        await self._listening.resume(connection, session)

    def _resumed(self, connection: Connection, session: Session) -> None:
        self._heartbeat.resumed(connection, session)
        self._speaking.resume(connection, session)

    def _away(self, connection: Connection) -> None:
        self._listening.pause(connection)
        self._shards.doubt()

    def _rerouted(self) -> None:
        self._listening.rerouted()
        self._speaking.rerouted()

    # Topics

    async def enter(self, topic: str) -> Snapshot:
        return await self._listening.enter(topic)

    async def exit(self, topic: str) -> None:
        await self._listening.exit(topic)

    def publish(self, topic: str, drafts: Sequence[Draft]) -> None:
        self._speaking.publish(topic, drafts)

    async def topics(self) -> Sequence[str]:
        (names,) = await self.ask_all([["HKEYS", self._keys.topics]])
        topics = sorted(name.decode() for name in names)
        sizes = await self.ask_all([["HLEN", self._keys.of(topic)[3]] for topic in topics])
        return [topic for topic, size in zip(topics, sizes, strict=True) if size]

    async def look(self, topic: str) -> Snapshot | None:
        (reply,) = await self.ask_all([command(ENTER, self._keys.of(topic), self._node, 0, "")])
        return read_snapshot(reply) if reply and reply[4] else None

    # What rights need

    async def ask_all(self, commands: Sequence[Sequence[bytes | str | int]]) -> list[Any]:
        """Carry out commands in order, each of which may be carried out twice (`Store`)."""
        return await self._shards.ask_all(commands)

    async def say(self, topic: str, entry: Entry) -> list[Any]:
        """Append an entry of the broker's own (`Store`)."""
        return await self._speaking.say(topic, entry)

    # Rights: see `Rights`

    async def standing(self, topic: str, participant: str, jti: str) -> Standing:
        return await self._rights.standing(topic, participant, jti)

    async def remember(self, participant: str, base: Sequence[str], at: float) -> None:
        await self._rights.remember(participant, base, at)

    async def participant(self, id: str) -> ParticipantRecord | None:
        return await self._rights.participant(id)

    async def participants(self) -> Sequence[ParticipantRecord]:
        return await self._rights.participants()

    async def amend(
        self, participant: str, change: Callable[[ParticipantRecord], Sequence[Amendment]], at: float
    ) -> ParticipantRecord:
        return await self._rights.amend(participant, change, at)

    async def revoke(self, revocation: Revocation, ended: Ended) -> Ending:
        return await self._rights.revoke(revocation, ended)

    async def end(self, topic: str | None, ended: Ended) -> Ending:
        return await self._rights.end(topic, ended)

    async def revocations(self) -> Sequence[Revocation]:
        return await self._rights.revocations()
