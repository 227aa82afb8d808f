"""
A broker over Redis: many nodes, one order for each topic.

Each topic's order is kept by a script on its shard (`redis_append.lua`), which
numbers what it takes. This class decides what a node asks for and what it
believes: one batch of a topic on its way at a time, asked for again under the
same number when the answer is not known; nothing told twice or out of order,
and what was missed read from the stream before anything newer is told.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import hiredis
import structlog

from capabilities import Amendment, Revocation
from gateway.broker.protocol import Ending, Hearer, ParticipantRecord, Standing
from gateway.broker.redis_frame import Batch, Forged, Meta, Seal, read_roster
from gateway.broker.redis_line import Item, Line, Sent
from gateway.broker.redis_link import Address, LinkLost, Refused, Reply
from gateway.broker.redis_replica import OrderBroken, Replica
from gateway.broker.redis_rights import Rights
from gateway.broker.redis_session import (
    APPEND,
    BEAT,
    ELSEWHERE,
    ENTER,
    EXIT,
    NODES,
    NOT_DONE,
    SWAP,
    Keys,
    Session,
    command,
)
from gateway.clock import Clock, SystemClock
from gateway.core import Draft, Ended, Entry, Gone, Snapshot
from gateway.errors import BrokerUnavailable

log = structlog.get_logger("gateway.broker")

_TICK_S: Final = 0.25
_PAUSES_S: Final = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Before each attempt to connect again; the last one from then on, so that we are back soon after Redis."""
_PAGE_BYTES: Final = 1 << 20
"""Asked for at a time when catching up, about: more could overflow Redis' buffer for this link."""


@dataclass(frozen=True, slots=True)
class RedisTimes:
    """How long the broker waits, in seconds."""

    lease: float = 9.0
    """A node not heard of for so long is gone."""
    beat: float = 3.0
    """Between heartbeats."""
    ping: float = 1.0
    """Between probes of the link."""
    answer: float = 2.5
    """A link that owes an answer for so long is given up."""
    queue: float = 2.0
    """A draft not sent for so long is `unavailable`."""


@dataclass(frozen=True, slots=True)
class RedisBounds:
    """How much is kept."""

    entries: int = 1000
    """Of a topic's order in Redis."""
    bytes: int = 8 << 20
    """Of a topic's order in Redis."""
    age: float = 60.0
    """Of a topic's order in Redis, in seconds."""
    queued: int = 20_000
    """Drafts waiting to be sent, of all topics."""
    queued_bytes: int = 64 << 20
    """The same in bytes."""


@dataclass(slots=True)
class _Gate:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class RedisBroker:
    """
    Topics, promotions and revocations in Redis, shared by every node with the same URL and prefix.

    With `secret`, batches are signed, and what is not is dropped and counted.
    Await `enter` directly: what comes after its snapshot is told in the next
    round of the event loop.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "mcpx:",
        clock: Clock | None = None,
        secret: bytes = b"",
        times: RedisTimes = RedisTimes(),
        bounds: RedisBounds = RedisBounds(),
    ) -> None:
        """
        Raises:
            ValueError: `url` is not one of Redis.
        """
        self._address = Address.parse(url)
        self._clock = clock or SystemClock()
        self._times, self._bounds = times, bounds
        self._keys = Keys(prefix)
        self._seal = Seal(secret)
        self._is_signing = bool(secret)
        self._rights = Rights(self, self._keys, self._clock.now)
        self._node = ""
        self._hearer: Hearer | None = None
        self._session: Session | None = None
        self._is_ready = asyncio.Event()
        self._trouble: str | None = "not started"
        self._facts: dict[str, Any] = {}
        self._numbers = itertools.count(1)
        self._lines: dict[str, Line] = {}
        self._replicas: dict[str, Replica] = {}
        self._by_channel: dict[bytes, Replica] = {}
        self._awake: dict[str, None] = {}
        self._is_flushing = False
        self._queued = self._queued_bytes = 0
        self._leaving: set[str] = set()
        """Topics that this node hears no more but may still hold a lease on."""
        self._burying: set[tuple[str, str]] = set()
        self._gates: dict[str, _Gate] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._life: list[asyncio.Task[None]] = []
        self.forged = 0
        """Messages dropped because no node of this gateway can have sent them."""

    # Life

    @property
    def is_available(self) -> bool:
        return self._is_ready.is_set() and self._trouble is None

    @property
    def description(self) -> dict[str, Any]:
        return {
            "broker": "redis",
            "address": str(self._address),
            "available": self.is_available,
            **({"trouble": self._trouble} if self._trouble else {}),
            "signed": self._is_signing,
            "forged": self.forged,
            "topics_heard": len(self._replicas),
            **self._facts,
        }

    async def start(self, node: str, hearer: Hearer) -> None:
        self._node, self._hearer = node, hearer
        session = await self._connect()
        await self._resume(session)
        self._life = [
            asyncio.create_task(self._stay_connected(session), name="broker.connect"),
            asyncio.create_task(self._tick(), name="broker.tick"),
        ]

    async def stop(self) -> None:
        for task in self._life:
            task.cancel()
        await asyncio.gather(*self._life, return_exceptions=True)
        if self._session is not None:
            await asyncio.gather(
                *(self.exit(topic) for topic in list(self._replicas)), return_exceptions=True
            )
            if not self._leaving and self._session is not None:
                self._session.link.call(["HDEL", self._keys.nodes, self._node], lambda _: None)
                self._session.link.flush()
        for chore in list(self._chores):
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        for line in list(self._lines.values()):
            sent, line.sent = line.sent, None
            self._give_up(
                line, [*(sent.items if sent is not None else ()), *line.take_drafts()], "it was stopped"
            )
        self._replicas.clear()
        self._by_channel.clear()
        session, self._session = self._session, None
        self._is_ready.clear()
        self._trouble = "stopped"
        if session is not None:
            session.link.close()
            await session.link.ended.wait()

    async def _connect(self) -> Session:
        session = await Session.open(self._address, self._node, self._on_message, self._times.answer)
        # A lack of rights should be known before anybody is let in, not at the first envelope.
        try:
            async with asyncio.timeout(self._times.answer):
                await session.link.ask_all(
                    [
                        ["SUBSCRIBE", self._keys.channel("")],
                        ["PUBLISH", self._keys.channel(""), ""],
                        self._beat_of_node(),
                        ["UNSUBSCRIBE", self._keys.channel("")],
                    ]
                )
        except BaseException as error:
            session.link.abort("it was given up")
            if isinstance(error, LinkLost | Refused | TimeoutError):
                raise BrokerUnavailable(f"Redis at {self._address}: {_why(error)}") from error
            raise
        return session

    async def _stay_connected(self, session: Session) -> None:
        while True:
            await session.link.ended.wait()
            why = session.link.why
            self._away(why)
            log.warning("broker.lost", address=str(self._address), why=why, next="connecting again")
            session = await self._reconnect()

    async def _reconnect(self) -> Session:
        said = ""
        for attempt in itertools.count():
            pause = _PAUSES_S[min(attempt, len(_PAUSES_S) - 1)]
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the nodes, hides nothing
            try:
                session = await self._connect()
                await self._resume(session)
            except (BrokerUnavailable, LinkLost, Refused) as error:
                self._session = None
                self._trouble = str(error)
                if self._trouble != said:
                    log.warning("broker.unreachable", why=str(error), next="trying on, up to every 0.4 s")
                    said = self._trouble
                continue
            log.info("broker.resumed", address=str(self._address), attempts=attempt + 1)
            return session
        raise AssertionError("the count has no end")

    def _away(self, why: str) -> None:
        self._session = None
        self._is_ready.clear()
        self._trouble = why
        for replica in self._replicas.values():
            replica.pause()
        for line in self._lines.values():
            if line.sent is not None:
                line.sent.is_asked = False

    async def _resume(self, session: Session) -> None:
        """Hear again what was heard, see that the order still stands, and ask what became of the rest."""
        self._session, self._facts = session, session.facts
        try:
            async with asyncio.timeout(self._times.answer * 4):
                replicas = [replica for replica in self._replicas.values() if replica.epoch]
                await session.link.ask_all(
                    [["SUBSCRIBE", self._keys.channel(each.topic)] for each in replicas]
                )
                await asyncio.gather(*(self._fill(session, replica) for replica in replicas))
        except TimeoutError:
            session.link.abort("catching up took too long")
            raise BrokerUnavailable("catching up took too long") from None
        if session.link.ended.is_set():
            raise LinkLost(session.link.why)
        self._trouble = None
        self._is_ready.set()
        self._beat(session)
        for line in list(self._lines.values()):
            if line.sent is not None and not line.sent.is_asked:
                self._ask(session, line, line.sent)
            self._wake(line)
        session.link.flush()

    # Hearing

    async def enter(self, topic: str) -> Snapshot:
        async with self._gate(topic):
            assert topic not in self._replicas, "a topic is entered once"
            if topic in self._leaving:
                await self._leave(topic)
            session = self._ready()
            replica = Replica(topic)
            self._replicas[topic] = replica
            self._by_channel[self._keys.channel(topic).encode()] = replica
            epoch, mark = secrets.token_hex(6), f"{self._node} {next(self._numbers)}"
            lease = int(self._times.lease * 1000)
            try:
                async with asyncio.timeout(self._times.answer):
                    # In this order: what is published after the snapshot was taken is heard.
                    _, reply, _ = await session.link.ask_all(
                        [
                            ["SUBSCRIBE", self._keys.channel(topic)],
                            command(ENTER, self._keys.of(topic), self._node, lease, epoch),
                            ["HSET", self._keys.topics, topic, mark],
                        ]
                    )
            except BaseException as error:
                self._forget(replica)
                self._leaving.add(topic)
                if isinstance(error, LinkLost | Refused | TimeoutError):
                    raise BrokerUnavailable(f"Redis: {_why(error)}") from error
                raise
            snapshot = _snapshot(reply)
            numbers = {
                node.decode(): int(value.split(b" ", 1)[0])
                for node, value in zip(reply[3][::2], reply[3][1::2], strict=True)
            }
            replica.begin(snapshot.epoch, snapshot.position, reply[2].decode(), numbers)
            replica.run_id = session.run_id
            asyncio.get_running_loop().call_soon(self._begin, replica, session)
            return snapshot

    def _begin(self, replica: Replica, session: Session) -> None:
        """Tell what was heard since the snapshot, now that the node has it."""
        if self._replicas.get(replica.topic) is replica and self._session is session:
            self._tell(replica, replica.resume)

    async def exit(self, topic: str) -> None:
        async with self._gate(topic):
            replica = self._replicas.get(topic)
            if replica is None:
                return
            self._forget(replica)
            self._leaving.add(topic)
            try:
                await self._leave(topic)
            except BrokerUnavailable:
                log.info("topic.exit_put_off", topic=topic, next="tried again with each heartbeat")

    def _forget(self, replica: Replica) -> None:
        self._replicas.pop(replica.topic, None)
        channel = self._keys.channel(replica.topic)
        self._by_channel.pop(channel.encode(), None)
        if self._session is not None:
            self._session.link.call(["UNSUBSCRIBE", channel], lambda _: None)
            self._session.link.flush()

    async def _leave(self, topic: str) -> None:
        """Give the lease back; connections that the roster still shows for this node are gone with it."""
        line = self._lines.get(topic)
        if line is not None:
            self._wake(line)
            await self._wait_emptied(line)
        leave: list[list[bytes | str | int]] = [
            ["HGET", self._keys.topics, topic],
            command(EXIT, self._keys.of(topic), self._node),
        ]
        mark, reply = await self.ask_all(leave)
        if reply == b"occupied":
            await self._say(
                topic, Gone(self._node, self._clock.now()), Meta.of_gone(self._node, is_certain=True)
            )
            mark, reply = await self.ask_all(leave)
        if reply == b"retired" and mark:
            await self.ask_all([command(SWAP, [self._keys.topics], topic, mark, b"")])
        self._leaving.discard(topic)

    async def _wait_emptied(self, line: Line) -> None:
        if line.is_empty:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.emptied.append(waiter)
        await asyncio.wait((waiter,), timeout=self._times.queue)

    def _on_message(self, channel: bytes, data: bytes) -> None:
        replica = self._by_channel.get(channel)
        if replica is None:
            return
        try:
            epoch, first, batch = self._seal.open_published(replica.topic, data)
        except Forged:
            self._drop_forged(replica.topic)
            return
        self._tell(replica, lambda: replica.take(epoch, first, batch))

    def _drop_forged(self, topic: str) -> None:
        self.forged += 1
        log.error(
            "bus.forged", topic=topic, total=self.forged, next="dropped; who else can reach this Redis?"
        )

    def _tell(self, replica: Replica, news: Callable[[], Iterable[tuple[int, Entry]]]) -> None:
        """Tell the node what a replica makes of some news, and see what follows."""
        hearer, topic = self._hearer, replica.topic
        assert hearer is not None, "started"
        try:
            for position, entry in news():
                hearer.hear(topic, position, entry)
        except Forged:
            self._drop_forged(topic)
        except OrderBroken as error:
            self._lose(replica, str(error))
            return
        line = self._lines.get(topic)
        if line is not None:
            self._hand_back(line, replica)
            self._wake(line)
        if not replica.is_live and replica.epoch:
            self._start_filling(replica)

    def _start_filling(self, replica: Replica) -> None:
        replica.is_live = False
        if self._session is not None and not replica.is_filling:
            replica.is_filling = True
            self._do(self._fill(self._session, replica))

    async def _fill(self, session: Session, replica: Replica) -> None:
        """Read what was missed from the stream, and be live again."""
        replica.is_filling = True
        try:
            while not replica.is_live and self._replicas.get(replica.topic) is replica:
                await self._fill_once(session, replica)
        except OrderBroken as error:
            self._lose(replica, str(error))
        except LinkLost:
            pass  # filled again once the link is back
        except Refused as error:
            session.link.abort(str(error))
        finally:
            replica.is_filling = False

    async def _fill_once(self, session: Session, replica: Replica) -> None:
        state, stream = self._keys.of(replica.topic)[:2]
        portion = 4
        while True:
            position = replica.position
            facts, page = await session.link.ask_all(
                [
                    ["HMGET", state, "epoch", "seq", "last"],
                    ["XRANGE", stream, f"{max(position, 1)}-0", "+", "COUNT", portion],
                ]
            )
            if self._replicas.get(replica.topic) is not replica:
                return
            replica.check(facts, [int(id.split(b"-")[0]) for id, _ in page], session.run_id)
            for id, fields in page:
                try:
                    batch = self._seal.open(replica.topic, fields[1])
                except Forged as error:
                    raise OrderBroken("the stream holds what no node of this gateway wrote") from error
                self._tell_filled(replica, int(id.split(b"-")[0]), batch)
            if replica.position >= int(facts[1]):
                replica.run_id = session.run_id
                self._tell(replica, replica.resume)
                return
            if replica.position == position:
                raise OrderBroken("Redis no longer has what was missed")
            portion = min(256, portion * 4) if sum(len(fields[1]) for _, fields in page) < _PAGE_BYTES else 4

    def _tell_filled(self, replica: Replica, last: int, batch: Batch) -> None:
        assert self._hearer is not None, "started"
        for position, entry in replica.fill(last, batch):
            self._hearer.hear(replica.topic, position, entry)

    def _lose(self, replica: Replica, why: str) -> None:
        """The order is broken here: nothing more is told of the topic until it is entered anew."""
        topic = replica.topic
        if self._replicas.get(topic) is not replica:
            return
        log.error(
            "topic.order_lost", topic=topic, why=why, position=replica.position, next="its members reconnect"
        )
        self._forget(replica)
        self._leaving.add(topic)
        line = self._lines.get(topic)
        if line is not None:
            self._give_up(line, line.take_drafts(), why)
        assert self._hearer is not None, "started"
        self._hearer.lost(topic)
        self._do(self._try_to_leave(topic))

    async def _try_to_leave(self, topic: str) -> None:
        async with self._gate(topic):
            if topic in self._leaving and topic not in self._replicas:
                with suppress(BrokerUnavailable):  # tried again with each heartbeat
                    await self._leave(topic)

    # Saying

    def publish(self, topic: str, draft: Draft) -> None:
        line = self._line(topic)
        item = Item(draft.entry, asyncio.get_running_loop().time(), draft)
        if self._queued >= self._bounds.queued or self._queued_bytes + item.size > self._bounds.queued_bytes:
            give_up = partial(self._give_up, line, [item], "too much is waiting", counted=False)
            asyncio.get_running_loop().call_soon(give_up)
            return
        self._queued += 1
        self._queued_bytes += item.size
        line.queue.append(item)
        self._wake(line)

    async def say(self, topic: str, entry: Entry) -> list[Any]:
        """
        Append an entry of the broker's own; return the script's reply.

        Raises:
            BrokerUnavailable: it is not known to have been appended.
        """
        return await self._say(topic, entry, Meta.of([entry]))

    async def _say(self, topic: str, entry: Entry, meta: Meta) -> list[Any]:
        self._ready()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Any]] = loop.create_future()
        line = self._line(topic)
        line.queue.append(Item(entry, loop.time(), meta=meta, answer=answer))
        self._queued += 1
        self._queued_bytes += 256
        self._wake(line)
        try:
            async with asyncio.timeout(self._times.queue + self._times.answer * 2):
                return await answer
        except TimeoutError:
            raise BrokerUnavailable("whether Redis took it is not known yet") from None

    def _line(self, topic: str) -> Line:
        line = self._lines.get(topic)
        if line is None:
            line = self._lines[topic] = Line(topic)
        return line

    def _wake(self, line: Line) -> None:
        self._awake[line.topic] = None
        if not self._is_flushing:
            self._is_flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Send the next batch of every topic that has one: once a round of the loop, in one write."""
        self._is_flushing = False
        session = self._session
        awake, self._awake = self._awake, {}
        for topic in awake:
            line = self._lines.get(topic)
            if line is None:
                continue
            if session is not None and self._is_ready.is_set():
                replica = self._replicas.get(topic)
                items, refused = line.next_items(replica)
                if refused:
                    self._give_up(line, refused, "the topic is not heard")
                if items:
                    sent = line.compose(items, next(self._numbers), replica, self._node, self._seal)
                    self._ask(session, line, sent)
            if line.tell_if_empty():
                del self._lines[topic]
        if session is not None:
            session.link.flush()

    def _ask(self, session: Session, line: Line, sent: Sent) -> None:
        """Ask Redis to append a batch; when it is too late for that, only what became of it."""
        too_late = asyncio.get_running_loop().time() - self._times.queue
        replica = sent.replica
        is_late = sent.items[0].since < too_late or (
            replica is not None and self._replicas.get(line.topic) is not replica
        )
        sent.asked += 1
        sent.is_asked = True
        session.call(
            APPEND,
            self._keys.of(line.topic),
            [
                self._node,
                sent.number,
                replica.epoch if replica is not None else "",
                1 if replica is not None else 0,
                "settle" if sent.asked > 1 and is_late else "append",
                self._keys.channel(line.topic),
                "PUBLISH",
                len(sent.items),
                self._bounds.entries,
                self._bounds.bytes,
                int(self._bounds.age * 1000),
                sent.meta.packed,
                sent.body,
                *sent.meta.parts,
            ],
            partial(self._answered, session, line, sent),
        )

    def _answered(self, session: Session, line: Line, sent: Sent, reply: Reply) -> None:
        if line.sent is not sent:
            return
        if isinstance(reply, LinkLost):
            sent.is_asked = False  # asked again under the same number once the link is back
            return
        if isinstance(reply, hiredis.ReplyError):
            self._refused(session, line, sent, Refused(str(reply)))
            return
        line.sent = None
        verdict = reply[0]
        if verdict == b"ok":
            self._settle(sent, reply)
            if reply[1] < 0:
                self._unheard(line, reply)
        elif verdict == b"stale":
            line.returned, line.waiting_for = sent.items, reply[1]
            self._hand_back(line, self._replicas.get(line.topic))
        elif verdict == b"void" or (verdict in (b"none", b"lost", b"old") and sent.replica is None):
            self._settle(sent, reply)
        else:
            self._give_up(line, sent.items, "Redis did not take it")
            if verdict != b"never" and sent.replica is not None:
                self._lose(sent.replica, "this node was taken for dead, or Redis lost the topic")
        self._wake(line)

    def _refused(self, session: Session, line: Line, sent: Sent, error: Refused) -> None:
        """Redis answered with an error: find out what that says of the batch."""
        self._note_trouble(str(error))
        if error.word in ELSEWHERE:
            session.link.abort(str(error))
        if error.word == "NOSCRIPT" or (sent.asked > 1 and error.word in ELSEWHERE):
            sent.is_asked = False
            return
        line.sent = None
        self._give_up(line, sent.items, str(error))
        if error.word not in NOT_DONE:
            log.error(
                "broker.script_failed", topic=line.topic, why=str(error), next="the topic is entered anew"
            )
            if sent.replica is not None:
                self._lose(sent.replica, str(error))
        self._wake(line)

    def _note_trouble(self, why: str) -> None:
        if self._trouble != why:
            log.error(
                "broker.refused", why=why, next="senders hear topic_unavailable until it takes writes again"
            )
        self._trouble = why

    def _settle(self, sent: Sent, reply: list[Any]) -> None:
        self._uncount(sent.items)
        for item in sent.items:
            if item.answer is not None and not item.answer.done():
                item.answer.set_result(reply)

    def _give_up(self, line: Line, items: Sequence[Item], why: str, *, counted: bool = True) -> None:
        """These were not appended and will not be."""
        if counted:
            self._uncount(items)
        for item in items:
            if item.answer is not None and not item.answer.done():
                item.answer.set_exception(BrokerUnavailable(why))
        drafts = [item.draft for item in items if item.draft is not None]
        if drafts and self._hearer is not None:
            self._hearer.unavailable(line.topic, drafts)

    def _uncount(self, items: Sequence[Item]) -> None:
        self._queued -= len(items)
        self._queued_bytes -= sum(item.size for item in items)

    def _hand_back(self, line: Line, replica: Replica | None) -> None:
        """Have drafts judged anew once the node has heard why."""
        if line.waiting_for is None:
            return
        if replica is None:
            self._give_up(line, line.take_drafts(), "the topic is not heard")
        elif replica.position >= line.waiting_for:
            items = line.take_drafts()
            self._uncount(items)
            assert self._hearer is not None, "started"
            self._hearer.stale(line.topic, [item.draft for item in items if item.draft is not None])

    def _unheard(self, line: Line, reply: list[Any]) -> None:
        """The batch stands but Redis did not let us publish it: read it."""
        self._note_trouble(reply[2].decode() if len(reply) > 2 else "publishing is not allowed")
        replica = self._replicas.get(line.topic)
        if replica is not None:
            self._start_filling(replica)

    # Clockwork

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        last = beat = ping = loop.time()
        while True:
            await asyncio.sleep(_TICK_S)
            now = loop.time()
            lag, last = now - last - _TICK_S, now
            if lag > 2 * _TICK_S:
                continue  # it was this process that slept: answers may lie there unread
            session = self._session
            if session is not None:
                owing = session.link.owing_since
                if owing is not None and now - owing > self._times.answer:
                    session.link.abort(f"Redis did not answer for {now - owing:.1f} s")
                elif self._is_ready.is_set():
                    if now - ping >= self._times.ping:
                        ping = now
                        session.link.call(["PING"], lambda _: None)
                    if now - beat >= self._times.beat:
                        beat = now
                        self._beat(session)
                    session.link.flush()
            self._expire(now - self._times.queue)

    def _expire(self, before: float) -> None:
        for line in list(self._lines.values()):
            old = line.take_older(before)
            if old:
                self._give_up(line, old, "it waited too long")
                self._wake(line)

    def _beat(self, session: Session) -> None:
        for replica in self._replicas.values():
            if not replica.epoch:
                continue
            session.call(
                BEAT,
                self._keys.of(replica.topic),
                [
                    self._node,
                    replica.epoch,
                    int(self._times.lease * 1000),
                    self._bounds.entries,
                    self._bounds.bytes,
                    int(self._bounds.age * 1000),
                ],
                partial(self._beaten, replica),
            )
        session.link.call(self._beat_of_node(), self._counted_nodes)
        for topic in self._leaving:
            self._do(self._try_to_leave(topic))

    def _beat_of_node(self) -> list[bytes | str | int]:
        return command(NODES, [self._keys.nodes], self._node, int(self._times.lease * 1000))

    def _beaten(self, replica: Replica, reply: Reply) -> None:
        if isinstance(reply, LinkLost) or self._replicas.get(replica.topic) is not replica:
            return
        if isinstance(reply, hiredis.ReplyError):
            self._note_trouble(str(reply))
            return
        if reply[0] == b"lost":
            self._lose(replica, "this node was taken for dead, or Redis lost the topic")
            return
        if not replica.is_live or replica.position < replica.told_of:
            self._start_filling(replica)  # published a heartbeat ago and not heard since
        replica.told_of = reply[1]
        for dead in reply[2:]:
            self._do(self._bury(replica.topic, dead.decode()))

    def _counted_nodes(self, reply: Reply) -> None:
        if isinstance(reply, LinkLost):
            return
        if isinstance(reply, hiredis.ReplyError):
            self._note_trouble(str(reply))
            if Refused(str(reply)).word in ELSEWHERE and self._session is not None:
                self._session.link.abort(str(reply))
            return
        if self._trouble is not None and self._is_ready.is_set():
            log.info("broker.takes_writes_again", after=self._trouble)
            self._trouble = None
        for dead in reply:
            self._do(self._sweep(dead.decode()))

    async def _bury(self, topic: str, node: str) -> None:
        """Say in one topic that a node is gone; only the first to say so is heard."""
        if (topic, node) in self._burying:
            return
        self._burying.add((topic, node))
        try:
            reply = await self._say(
                topic, Gone(node, self._clock.now()), Meta.of_gone(node, is_certain=False)
            )
            if reply[0] == b"ok":
                log.warning("node.gone", topic=topic, node=node)
        except BrokerUnavailable:
            pass  # the lease is still over at the next heartbeat
        finally:
            self._burying.discard((topic, node))

    async def _sweep(self, node: str) -> None:
        """Say that a node is gone in the topics that no living node hears."""
        if ("", node) in self._burying:
            return
        self._burying.add(("", node))
        try:
            (marks,) = await self.ask_all([["HGETALL", self._keys.topics]])
            names = [name.decode() for name in marks]
            leases = await self.ask_all([["HEXISTS", self._keys.of(name)[6], node] for name in names])
            held = [name for name, has_lease in zip(names, leases, strict=True) if has_lease]
            for name in held:
                await self._bury(name, node)
            left = await self.ask_all([["HEXISTS", self._keys.of(name)[6], node] for name in held])
            if not any(left):
                await self.ask_all([["HDEL", self._keys.nodes, node]])
            stands = await self.ask_all([["EXISTS", self._keys.of(name)[0]] for name in held])
            await self.ask_all(
                [
                    command(SWAP, [self._keys.topics], name, marks[name.encode()], b"")
                    for name, stand in zip(held, stands, strict=True)
                    if not stand
                ]
            )
        except BrokerUnavailable:
            pass  # named again at the next heartbeat
        finally:
            self._burying.discard(("", node))

    # Asking

    def _ready(self) -> Session:
        if self._session is None or not self._is_ready.is_set():
            raise BrokerUnavailable(self._trouble or "it is being connected")
        return self._session

    async def ask_all(self, commands: Sequence[Sequence[bytes | str | int]]) -> list[Any]:
        """
        Carry out commands in this order; after a lost link once more, so each must bear that.

        Raises:
            BrokerUnavailable
        """
        for is_last in (False, True):
            session = self._ready()
            try:
                async with asyncio.timeout(self._times.answer * 2):
                    return await session.link.ask_all(commands)
            except LinkLost as error:
                if is_last:
                    raise BrokerUnavailable(str(error)) from error
            except Refused as error:
                raise BrokerUnavailable(str(error)) from error
            except TimeoutError:
                raise BrokerUnavailable("Redis did not answer in time") from None
            # A link that was cut is back within milliseconds, if Redis is there.
            try:
                await asyncio.wait_for(self._is_ready.wait(), self._times.queue / 2)
            except TimeoutError:
                raise BrokerUnavailable(self._trouble or "the link was lost") from None
        raise AssertionError("returned or raised")

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

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        chore = asyncio.get_running_loop().create_task(work)
        self._chores.add(chore)
        chore.add_done_callback(self._done)

    def _done(self, chore: asyncio.Task[None]) -> None:
        self._chores.discard(chore)
        if not chore.cancelled() and (error := chore.exception()) is not None:
            log.error("broker.chore_failed", exc_info=error)

    # Looking

    async def topics(self) -> Sequence[str]:
        (names,) = await self.ask_all([["HKEYS", self._keys.topics]])
        topics = sorted(name.decode() for name in names)
        sizes = await self.ask_all([["HLEN", self._keys.of(topic)[3]] for topic in topics])
        return [topic for topic, size in zip(topics, sizes, strict=True) if size]

    async def look(self, topic: str) -> Snapshot | None:
        (reply,) = await self.ask_all([command(ENTER, self._keys.of(topic), self._node, 0, "")])
        return _snapshot(reply) if reply and reply[4] else None

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


def _why(error: Exception) -> str:
    return "it did not answer in time" if isinstance(error, TimeoutError) else str(error)


def _snapshot(reply: list[Any]) -> Snapshot:
    epoch, position, _, _, roster, amended = reply
    return Snapshot(epoch.decode(), position, read_roster(roster, amended))
