"""
What this node hears: each topic's order, without a gap, each entry once.

A topic is subscribed to before its snapshot is taken, and whatever may be
missing is read from the stream before anything newer is told. What cannot be
made whole is given up: the node is told that the order is lost, and its
connections there are declared gone, for they will be closed.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from gateway.broker.protocol import Hearer
from gateway.broker.redis_chores import Chores
from gateway.broker.redis_connection import Connection, why
from gateway.broker.redis_frame import Forged, Meta, Seal, read_roster
from gateway.broker.redis_keys import Keys
from gateway.broker.redis_limits import RedisTimes
from gateway.broker.redis_link import LinkLost, Refused
from gateway.broker.redis_refusals import REROUTED
from gateway.broker.redis_replica import OrderBroken, Replica, Told
from gateway.broker.redis_scripts import ENTER, EXIT, SWAP, command
from gateway.broker.redis_session import Session
from gateway.broker.redis_shards import Shards
from gateway.broker.redis_speaking import Speaking
from gateway.core import Gone, Snapshot
from gateway.errors import BrokerUnavailable

log = structlog.get_logger("gateway.broker")

_PAGE_BYTES: Final = 1 << 20
"""Asked for at a time when catching up, about: more could overflow Redis' buffer for this link."""

_PAGES: Final = (4, 16, 64, 256)
"""Batches asked for at a time, more while they turn out to be small."""

_LEFT_AGAIN: Final = 4
"""Heartbeats with which a topic is left that may yet be entered by a command that comes late."""

_ASK_AGAIN_S: Final = 0.05
"""Before what was sent elsewhere is asked for again."""


@dataclass(slots=True)
class _Gate:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Listening:
    """The topics that this node hears."""

    def __init__(
        self,
        shards: Shards,
        keys: Keys,
        seal: Seal,
        times: RedisTimes,
        chores: Chores,
        *,
        node: str,
        hearer: Hearer,
        heard: dict[str, Replica],
        now: Callable[[], float],
    ) -> None:
        self._shards, self._keys, self._seal, self._times, self._chores = (
            shards,
            keys,
            seal,
            times,
            chores,
        )
        self._node, self._hearer, self._now = node, hearer, now
        self._heard = heard
        self._by_channel: dict[bytes, Replica] = {}
        self._over: dict[str, Connection] = {}
        """By topic: the connection over which it was last subscribed to."""
        self._marks = itertools.count(1)
        self._gates: dict[str, _Gate] = {}
        self.leaving: dict[str, int] = {}
        """Topics that this node hears no more but may still hold a lease on: how often to leave them."""
        self.is_going = False
        """Whether this node is going away; what it entered now, nobody would leave."""
        self.forged = 0
        """Messages dropped because no node of this gateway can have sent them."""
        self.speaking: Speaking
        """Set by who makes both."""

    # Coming and going

    async def enter(self, topic: str) -> Snapshot:
        async with self._gate(topic):
            assert topic not in self._heard, "a topic is entered once"
            if topic in self.leaving:
                await self._leave(topic)
                self.leaving.pop(topic, None)
            if self.is_going:
                raise BrokerUnavailable("this node is going away")
            replica = self._heard[topic] = Replica(topic)
            self._by_channel[self._keys.channel(topic).encode()] = replica
            try:
                async with asyncio.timeout(self._times.answer):
                    # Before: who sweeps after this node, should it die now, looks through that list.
                    await self._list(topic)
                    session, reply = await self._subscribe_and_enter(topic)
                    # And after, for who left just now has taken the topic out. An amendment that does
                    # not find it was written before anybody could read the rights of who joins it.
                    await self._list(topic)
            except BaseException as error:
                self._forget(replica)
                # Perhaps it was done, and only the answer is missing; or it is still
                # under way, and will be done after the first time that we leave.
                self.leaving[topic] = _LEFT_AGAIN
                if isinstance(error, LinkLost | Refused | TimeoutError):
                    raise BrokerUnavailable(why(error)) from error
                raise
            snapshot = read_snapshot(reply)
            last, taken = reply[2].decode(), reply[3]
            numbers = {
                node.decode(): int(value.split(b" ", 1)[0])
                for node, value in zip(taken[::2], taken[1::2], strict=True)
            }
            replica.begin(snapshot.epoch, snapshot.position, last, numbers, session.run_id)
            asyncio.get_running_loop().call_soon(self._begin, replica, session)
            return snapshot

    async def _list(self, topic: str) -> None:
        """Have the topic in the list of all, under a mark that nobody has seen."""
        mark = f"{self._node} {next(self._marks)}"
        await self._shards.ask_all([["HSET", self._keys.topics, topic, mark]])

    async def _subscribe_and_enter(self, topic: str) -> tuple[Session, list[Any]]:
        # In this order: what is published after the snapshot was taken is heard.
        lease, epoch = int(self._times.lease * 1000), secrets.token_hex(6)
        commands: list[list[bytes | str | int]] = [
            ["SSUBSCRIBE", self._keys.channel(topic)],
            command(ENTER, self._keys.of(topic), self._node, lease, epoch),
        ]
        while True:
            connection = self._over[topic] = self._shards.of(topic)
            session = connection.ready()
            try:
                _, reply = await session.link.ask_all(commands)
            except Refused as error:
                if error.word not in REROUTED:
                    raise
                self._shards.doubt(error)
                await asyncio.sleep(_ASK_AGAIN_S)
            else:
                assert isinstance(reply, list)
                return session, reply

    def _begin(self, replica: Replica, session: Session) -> None:
        """Tell what was heard since the snapshot, now that the node has it."""
        if self._heard.get(replica.topic) is not replica:
            return
        if self._over[replica.topic].session is session:
            self._tell(replica, replica.resume)
        else:
            self.fill(replica)

    async def exit(self, topic: str) -> None:
        async with self._gate(topic):
            if topic in self._heard:
                await self.speaking.wait_emptied(topic)  # what was said is said, though nobody here hears it
            replica = self._heard.get(topic)
            if replica is None:
                return
            self._forget(replica)
            self.leaving[topic] = 1
            try:
                await self._leave(topic)
            except BrokerUnavailable:
                log.info("topic.exit_put_off", topic=topic, next="tried again with each heartbeat")

    async def try_to_leave(self, topic: str) -> None:
        """Give back what may still be held of a topic that is heard no more."""
        async with self._gate(topic):
            if topic in self.leaving and topic not in self._heard:
                with suppress(BrokerUnavailable):  # tried again with each heartbeat
                    await self._leave(topic)

    async def _leave(self, topic: str) -> None:
        """Give the lease back; connections that the roster still shows for this node are gone with it."""
        await self.speaking.wait_emptied(topic)
        commands: list[list[bytes | str | int]] = [
            ["HGET", self._keys.topics, topic],
            command(EXIT, self._keys.of(topic), self._node),
        ]
        mark, reply = await self._shards.ask_all(commands)
        if reply == b"occupied":
            gone = Gone(self._node, self._now())
            await self.speaking.say(topic, gone, Meta.of_gone(self._node, is_certain=True))
            mark, reply = await self._shards.ask_all(commands)
        if reply == b"retired" and mark:
            await self._shards.ask_all([command(SWAP, [self._keys.topics], topic, mark, b"")])
        times = self.leaving.pop(topic, 1)
        if times > 1:
            self.leaving[topic] = times - 1

    def _forget(self, replica: Replica) -> None:
        self._heard.pop(replica.topic, None)
        channel = self._keys.channel(replica.topic)
        self._by_channel.pop(channel.encode(), None)
        over = self._over.pop(replica.topic, None)
        if over is not None:
            self._unsubscribe(over, channel)

    def _unsubscribe(self, connection: Connection, channel: str) -> None:
        if connection.session is not None:
            connection.session.link.call(["SUNSUBSCRIBE", channel], lambda _: None)
            connection.session.link.flush()

    @asynccontextmanager
    async def _gate(self, topic: str) -> AsyncIterator[None]:
        """One of entering and leaving a topic at a time."""
        gate = self._gates.setdefault(topic, _Gate())
        gate.users += 1
        try:
            async with gate.lock:
                yield
        finally:
            gate.users -= 1
            if not gate.users:
                del self._gates[topic]

    def lose(self, replica: Replica, reason: str) -> None:
        """The order is broken here: nothing more is told of the topic until it is entered anew."""
        topic = replica.topic
        if self._heard.get(topic) is not replica:
            return
        log.error(
            "topic.order_lost",
            topic=topic,
            why=reason,
            position=replica.position,
            next="its members reconnect",
        )
        self._forget(replica)
        self.leaving[topic] = 1
        self.speaking.give_up_topic(topic, reason)
        self._hearer.lost(topic)
        self._chores.do(self.try_to_leave(topic))

    # Hearing

    def on_message(self, channel: bytes, data: bytes) -> None:
        """Take what was published."""
        replica = self._by_channel.get(channel)
        if replica is None:
            return
        try:
            epoch, first, batch = self._seal.open_published(replica.topic, data)
        except Forged:
            self._drop_forged(replica.topic)
        else:
            self._tell(replica, lambda: replica.take(epoch, first, batch))

    def _drop_forged(self, topic: str) -> None:
        self.forged += 1
        if self.forged.bit_count() == 1:  # the 1st, 2nd, 4th, 8th …: the log must not be the attack
            log.error(
                "bus.forged",
                topic=topic,
                total=self.forged,
                next="dropped; see who else can reach this Redis",
            )

    def _tell(self, replica: Replica, news: Callable[[], Iterable[Told]]) -> None:
        """Tell the node what a replica makes of some news, and see what follows."""
        try:
            for first, entries in news():
                self._hearer.hear(replica.topic, first, entries)
        except Forged:
            self._drop_forged(replica.topic)
        except OrderBroken as error:
            self.lose(replica, str(error))
            return
        self.speaking.heard_more(replica)
        if not replica.is_live and replica.epoch:
            self.fill(replica)

    # Catching up

    def pause(self, connection: Connection) -> None:
        """Its session is lost: what comes next may have a gap before it."""
        for replica in self._heard.values():
            if self._over.get(replica.topic) is connection:
                replica.pause()

    async def resume(self, connection: Connection, session: Session) -> None:
        """
        Hear again what was heard, and see that each topic's order still stands.

        Raises:
            LinkLost, Refused
        """
        mine = [replica for replica in self._heard.values() if self._shards.of(replica.topic) is connection]
        await asyncio.gather(
            *(
                self._resume(connection, session, replica)
                for replica in mine
                if replica.epoch and not replica.is_filling
            )
        )

    async def _resume(self, connection: Connection, session: Session, replica: Replica) -> None:
        replica.is_filling = True
        try:
            await self._make_whole(connection, session, replica)
        except Refused as error:
            if error.word not in REROUTED:
                raise
            self._shards.doubt(error)
        finally:
            replica.is_filling = False
        if not replica.is_live:
            self.fill(replica)

    def dropped(self, channel: bytes) -> None:
        """Redis ended a subscription: its topic has gone to another shard."""
        self._shards.doubt()
        replica = self._by_channel.get(channel)
        if replica is not None and replica.epoch:
            replica.pause()
            self.fill(replica)

    def rerouted(self) -> None:
        """Topics may be on other shards than before: hear them there."""
        for replica in list(self._heard.values()):
            over = self._over.get(replica.topic)
            if replica.epoch and over is not None and self._shards.of(replica.topic) is not over:
                self._unsubscribe(over, self._keys.channel(replica.topic))
                replica.pause()
                self.fill(replica)

    def fill(self, replica: Replica) -> None:
        """Something may be missing: read it, and be live again after that."""
        replica.is_live = False
        if not replica.is_filling:
            replica.is_filling = True
            self._chores.do(self._fill(replica))

    async def _fill(self, replica: Replica) -> None:
        try:
            while self._heard.get(replica.topic) is replica and not replica.is_live:
                connection = self._shards.of(replica.topic)
                session = connection.session
                if session is None:
                    return  # the next one begins with this
                try:
                    await self._make_whole(connection, session, replica)
                except LinkLost:
                    await asyncio.sleep(0)  # whoever waits for the link's end comes first
                except Refused as error:
                    if error.word not in REROUTED:
                        session.link.abort(str(error))
                        return
                    self._shards.doubt(error)
                    await asyncio.sleep(_ASK_AGAIN_S)
        finally:
            replica.is_filling = False

    async def _make_whole(self, connection: Connection, session: Session, replica: Replica) -> None:
        """
        Subscribe and read what was missed; the topic may be lost over it.

        Raises:
            LinkLost, Refused
        """
        if self._heard.get(replica.topic) is not replica:
            return
        self._over[replica.topic] = connection
        try:
            await session.link.ask("SSUBSCRIBE", self._keys.channel(replica.topic))
            while not replica.is_live and self._heard.get(replica.topic) is replica:
                await self._read_missed(session, replica)
        except OrderBroken as error:
            self.lose(replica, str(error))

    async def _read_missed(self, session: Session, replica: Replica) -> None:
        state, stream = self._keys.of(replica.topic)[:2]
        page_size = 0
        while self._heard.get(replica.topic) is replica:
            position = replica.position
            replica.asking()
            facts, page = await session.link.ask_all(
                [
                    ["HMGET", state, "epoch", "seq", "last"],
                    ["XRANGE", stream, f"{max(position, 1)}-0", "+", "COUNT", _PAGES[page_size]],
                ]
            )
            batches = [(int(id.split(b"-")[0]), fields[1]) for id, fields in page]
            replica.check(facts, [last for last, _ in batches], session.run_id)
            for last, stored in batches:
                self._tell_missed(replica, last, stored)
            if replica.position >= int(facts[1]):
                replica.run_id = session.run_id
                self._tell(replica, replica.resume)
                return
            if replica.position == position:
                raise OrderBroken("Redis no longer has what was missed")
            is_small = sum(len(stored) for _, stored in batches) < _PAGE_BYTES
            page_size = min(page_size + 1, len(_PAGES) - 1) if is_small else 0

    def _tell_missed(self, replica: Replica, last: int, stored: bytes) -> None:
        if self._heard.get(replica.topic) is not replica:
            return
        try:
            batch = self._seal.open(replica.topic, replica.epoch, stored)
        except Forged as error:
            raise OrderBroken("the stream holds what no node of this gateway wrote") from error
        for first, entries in replica.fill(last, batch):
            self._hearer.hear(replica.topic, first, entries)


def read_snapshot(reply: list[Any]) -> Snapshot:
    """Read the reply of the script `enter`."""
    epoch, position, _, _, roster, amended = reply
    return Snapshot(epoch.decode(), position, read_roster(roster, amended))
