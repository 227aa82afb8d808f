"""Saying that this node lives, noticing who does not, and whether the link still speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import hiredis
import structlog

from gateway.broker.redis_chores import Chores
from gateway.broker.redis_connection import Connection
from gateway.broker.redis_frame import Meta
from gateway.broker.redis_keys import Keys
from gateway.broker.redis_limits import RedisBounds, RedisTimes
from gateway.broker.redis_link import LinkLost, Refused, Reply
from gateway.broker.redis_listening import Listening
from gateway.broker.redis_refusals import REROUTED
from gateway.broker.redis_replica import Replica
from gateway.broker.redis_scripts import BEAT, NODES, SWAP, command
from gateway.broker.redis_session import Session
from gateway.broker.redis_shards import Shards
from gateway.broker.redis_speaking import Speaking
from gateway.core import Gone
from gateway.errors import BrokerUnavailable

log = structlog.get_logger("gateway.broker")

_TICK_S: Final = 0.25


class Heartbeat:
    """The clockwork of the broker: one task."""

    def __init__(
        self,
        shards: Shards,
        keys: Keys,
        times: RedisTimes,
        bounds: RedisBounds,
        chores: Chores,
        *,
        node: str,
        heard: Mapping[str, Replica],
        listening: Listening,
        speaking: Speaking,
        now: Callable[[], float],
    ) -> None:
        self._shards, self._keys, self._times, self._bounds, self._chores = (
            shards,
            keys,
            times,
            bounds,
            chores,
        )
        self._node, self._heard, self._listening, self._speaking = node, heard, listening, speaking
        self._now = now
        self._burying: set[tuple[str | None, str]] = set()
        self._run_ids: dict[str, str] = {}
        """By a connection's label: the Redis process that it last led to."""
        self._is_to_look_back = False

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        last = beat = ping = loop.time()
        while True:
            await asyncio.sleep(_TICK_S)
            now = loop.time()
            lag, last = now - last - _TICK_S, now
            # If it was this process that slept, answers may lie there unread: nobody is judged by
            # them. It still beats: under a load that keeps the loop late for seconds, nodes that
            # skip beats look like an outage to Redis, and then the dead get another lease.
            has_slept = lag > 2 * _TICK_S
            is_ping, is_beat = now - ping >= self._times.ping, now - beat >= self._times.beat
            ping, beat = now if is_ping else ping, now if is_beat else beat
            try:
                for connection in self._shards.connections:
                    self._tick(connection, is_ping=is_ping, is_beat=is_beat)
                    if not has_slept:
                        self._see_that_it_answers(connection, now)
                if is_beat:
                    if self._is_to_look_back:
                        self._chores.do(self._look_back())
                    for topic in list(self._listening.leaving):
                        self._chores.do(self._listening.try_to_leave(topic))
                if not has_slept:
                    self._speaking.expire(now - self._times.queue)
            except Exception:  # the edge of a task on which everything hangs
                log.exception("broker.tick_failed", next="ticking on")

    def _tick(self, connection: Connection, *, is_ping: bool, is_beat: bool) -> None:
        session = connection.session
        if session is None or not connection.is_ready:
            return
        if is_ping:
            session.send_probe()
        if is_beat:
            self.beat(connection, session)
        session.link.flush()

    def _see_that_it_answers(self, connection: Connection, now: float) -> None:
        session = connection.session
        if session is None or not connection.is_ready:
            return
        owing, deaf = session.link.owing_since, session.deaf_for(now)
        if owing is not None and now - owing > self._times.answer:
            session.link.abort(f"Redis did not answer for {now - owing:.1f} s")
        elif deaf > self._times.answer + self._times.ping:
            session.link.abort(f"the link has heard nothing for {deaf:.1f} s")

    async def resume(self, connection: Connection, session: Session) -> None:
        """
        Be a living node; by this the first write over a session, which says whether writing works.

        Raises:
            LinkLost, Refused
        """
        if connection is self._shards.store:
            await session.link.ask_all([self._beat_of_node()])

    def resumed(self, connection: Connection, session: Session) -> None:
        """A session begins; say that this node lives."""
        before = self._run_ids.get(connection.label)
        self._run_ids[connection.label] = session.run_id
        if before not in (None, session.run_id):
            self._is_to_look_back = True
        self.beat(connection, session)

    def beat(self, connection: Connection, session: Session) -> None:
        """Renew every lease that this node has there."""
        lease = int(self._times.lease * 1000)
        bounds = (self._bounds.entries, self._bounds.bytes, int(self._bounds.age * 1000))
        for replica in self._heard.values():
            if replica.epoch and self._shards.of(replica.topic) is connection:
                arguments: list[str | int] = [self._node, replica.epoch, lease, replica.position, *bounds]
                then = partial(self._beaten, connection, replica)
                session.call(BEAT, self._keys.of(replica.topic), arguments, then)
        if connection is self._shards.store:
            session.link.call(self._beat_of_node(), partial(self._counted_nodes, connection))

    def _beat_of_node(self) -> list[bytes | str | int]:
        return command(NODES, [self._keys.nodes], self._node, int(self._times.lease * 1000))

    def _beaten(self, connection: Connection, replica: Replica, reply: Reply) -> None:
        if isinstance(reply, LinkLost) or self._heard.get(replica.topic) is not replica:
            return
        if isinstance(reply, hiredis.ReplyError):
            self._refused(connection, reply)
            return
        connection.clear_trouble()
        if reply[0] == b"lost":
            self._listening.lose(replica, "this node was taken for dead, or Redis lost the topic")
            return
        if not replica.is_live or replica.position < replica.told_of:
            self._listening.fill(replica)  # published a heartbeat ago and not heard since
        replica.told_of = reply[1]
        for dead in reply[2:]:
            self._chores.do(self._bury(replica.topic, dead.decode()))

    def _counted_nodes(self, connection: Connection, reply: Reply) -> None:
        if isinstance(reply, LinkLost):
            return
        if isinstance(reply, hiredis.ReplyError):
            self._refused(connection, reply)
            return
        connection.clear_trouble()
        for dead in reply:
            self._chores.do(self._sweep(dead.decode()))

    def _refused(self, connection: Connection, reply: hiredis.ReplyError) -> None:
        error = Refused(str(reply))
        if error.word in REROUTED:
            self._shards.doubt(error)
        else:
            connection.note_refusal(error)

    async def _bury(self, topic: str, node: str) -> None:
        """Say in one topic that a node is gone; only the first to say so is heard."""
        if (topic, node) in self._burying:
            return
        self._burying.add((topic, node))
        try:
            gone = Gone(node, self._now())
            reply = await self._speaking.say(topic, gone, Meta.of_gone(node, is_certain=False))
            if reply[0] == b"ok":
                log.warning("node.gone", topic=topic, node=node)
        except BrokerUnavailable:
            pass  # its lease is still over at the next heartbeat
        finally:
            self._burying.discard((topic, node))

    async def _sweep(self, node: str) -> None:
        """Say that a node is gone in the topics that no living node hears."""
        if (None, node) in self._burying:
            return
        self._burying.add((None, node))
        try:
            with suppress(BrokerUnavailable):  # named again at the next heartbeat
                await self._bury_everywhere(node)
        finally:
            self._burying.discard((None, node))

    async def _bury_everywhere(self, node: str) -> None:
        marks, held = await self._listed(node)
        for name in held:
            await self._bury(name, node)
        await self._strike_out(marks)
        left = await self._shards.ask_all([["HEXISTS", self._keys.of(name)[6], node] for name in held])
        if not any(left):
            await self._shards.ask_all([["HDEL", self._keys.nodes, node]])

    async def _look_back(self) -> None:
        """
        Leave the topics that Redis believes this node to hear.

        It was started again, and may have gone back to when that was so: while
        this node lives nobody else takes its lease there away.
        """
        self._is_to_look_back = False
        try:
            marks, held = await self._listed(self._node)
            for name in held:
                if name not in self._heard:
                    self._listening.leaving.setdefault(name, 1)
            await self._strike_out(marks)
        except BrokerUnavailable:
            self._is_to_look_back = True  # with the next heartbeat

    async def _listed(self, node: str) -> tuple[dict[str, bytes], list[str]]:
        """All topics with their marks, and those on which a node has a lease."""
        (said,) = await self._shards.ask_all([["HGETALL", self._keys.topics]])
        marks = {name.decode(): mark for name, mark in said.items()}
        leases = await self._shards.ask_all([["HEXISTS", self._keys.of(name)[6], node] for name in marks])
        return marks, [name for name, has_lease in zip(marks, leases, strict=True) if has_lease]

    async def _strike_out(self, marks: dict[str, bytes]) -> None:
        """Take from the list what is not there: somebody ended in the midst of entering or leaving it."""
        ask_all, keys = self._shards.ask_all, self._keys
        stands = await ask_all([["EXISTS", keys.of(name)[0]] for name in marks])
        retired = [name for name, stand in zip(marks, stands, strict=True) if not stand]
        await ask_all([command(SWAP, [keys.topics], name, marks[name], b"") for name in retired])
