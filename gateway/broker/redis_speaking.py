"""
What this node says: batches, in order, each taken once.

One batch of a topic on its way at a time. When the answer does not come, the
same batch is asked for again under its number, over the next session; Redis
takes a number once. When it is too late to append it, what became of it is
asked instead, and the number is used up, so that a copy that is still under
way changes nothing. Only what was never appended is `unavailable`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import hiredis
import structlog

from gateway.broker.protocol import Hearer
from gateway.broker.redis_connection import Connection
from gateway.broker.redis_frame import Meta, Seal
from gateway.broker.redis_keys import Keys
from gateway.broker.redis_limits import RedisBounds, RedisTimes
from gateway.broker.redis_line import Item, Line, Sent
from gateway.broker.redis_link import LinkLost, Refused, Reply
from gateway.broker.redis_refusals import JUDGED, NOT_DONE, REROUTED
from gateway.broker.redis_replica import Replica
from gateway.broker.redis_scripts import APPEND
from gateway.broker.redis_session import Session
from gateway.broker.redis_shards import Shards
from gateway.core import Draft, Entry
from gateway.errors import BrokerUnavailable

log = structlog.get_logger("gateway.broker")

_ASK_AGAIN_S: Final = 0.05
"""Before a batch that was not taken where it was sent is sent again, perhaps elsewhere."""


class Speaking:
    """The queues of all topics."""

    def __init__(
        self,
        shards: Shards,
        keys: Keys,
        seal: Seal,
        times: RedisTimes,
        bounds: RedisBounds,
        *,
        node: str,
        hearer: Hearer,
        heard: Mapping[str, Replica],
        broken: Callable[[Replica, str], None],
        unheard: Callable[[Replica], None],
    ) -> None:
        """
        `heard` is what this node hears, kept by somebody else; `broken` is
        told when a topic's order is, `unheard` when Redis took a batch and did
        not let it be published.
        """
        self._shards, self._keys, self._seal, self._times, self._bounds = (
            shards,
            keys,
            seal,
            times,
            bounds,
        )
        self._node, self._hearer, self._heard = node, hearer, heard
        self._broken, self._unheard = broken, unheard
        self._loop = asyncio.get_running_loop()  # to ask for it is a system call, too much for each envelope
        self._numbers = itertools.count(1)
        self._lines: dict[str, Line] = {}
        self._awake: dict[str, None] = {}
        self._is_flushing = False
        self._queued = self._queued_bytes = 0

    # From the node

    def publish(self, topic: str, drafts: Sequence[Draft]) -> None:
        """Queue drafts; what comes of each is told to the hearer."""
        line, now, bounds = self._line(topic), self._loop.time(), self._bounds
        for draft in drafts:
            item = Item(draft.entry, now, draft)
            self._queued += 1
            self._queued_bytes += item.size
            if self._queued > bounds.queued or self._queued_bytes > bounds.queued_bytes:
                self._loop.call_soon(self._give_up, line, [item], "too much is waiting")
            else:
                line.queue.append(item)
        self._wake(line)

    async def say(self, topic: str, entry: Entry, meta: Meta | None = None) -> list[Any]:
        """
        Append an entry of the broker's own, whoever hears the topic; return the script's reply.

        Raises:
            BrokerUnavailable: it is not known to have been appended.
        """
        self._shards.of(topic).ready()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Any]] = loop.create_future()
        self._queue(self._line(topic), Item(entry, loop.time(), meta=meta or Meta.of([entry]), answer=answer))
        try:
            async with asyncio.timeout(self._times.queue + self._times.answer * 2):
                return await answer
        except TimeoutError:
            raise BrokerUnavailable("whether Redis took it is not known yet") from None

    async def wait_emptied(self, topic: str) -> None:
        """Wait until all that was said in a topic is settled, but not for ever."""
        line = self._lines.get(topic)
        if line is None or line.is_empty:
            return
        self._wake(line)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.emptied.append(waiter)
        await asyncio.wait((waiter,), timeout=self._times.queue)

    # From those who hear

    def heard_more(self, replica: Replica) -> None:
        """The node has heard more of a topic, or can speak there again."""
        line = self._lines.get(replica.topic)
        if line is not None:
            self._hand_back(line)
            self._wake(line)

    def give_up_topic(self, topic: str, why: str) -> None:
        """The node does not hear a topic any more: its drafts go nowhere."""
        line = self._lines.get(topic)
        if line is not None:
            self._give_up(line, line.take_drafts(), why)
            self._wake(line)

    # From the clockwork

    def expire(self, before: float) -> None:
        """Give up what has waited since before this loop time and was never sent."""
        for line in list(self._lines.values()):
            old = line.take_older(before)
            if old:
                self._give_up(line, old, "it waited too long")
                self._wake(line)

    def resume(self, connection: Connection, session: Session) -> None:
        """Ask over a new session what became of the rest, and go on."""
        for line in list(self._lines.values()):
            if self._shards.of(line.topic) is connection:
                if line.sent is not None and not line.sent.is_asked:
                    self._ask(connection, session, line, line.sent)
                self._wake(line)
        session.link.flush()

    def rerouted(self) -> None:
        """Topics may be on other shards than before."""
        for line in list(self._lines.values()):
            if line.sent is not None:
                self._ask_again(line, line.sent)
            self._wake(line)

    def stop(self) -> None:
        """Everything that still waits is unavailable."""
        for line in list(self._lines.values()):
            sent, line.sent = line.sent, None
            self._give_up(
                line, [*(sent.items if sent is not None else ()), *line.take_all()], "it was stopped"
            )
        self._lines.clear()

    # The queues

    def _line(self, topic: str) -> Line:
        line = self._lines.get(topic)
        if line is None:
            line = self._lines[topic] = Line(topic)
        return line

    def _queue(self, line: Line, item: Item) -> None:
        self._queued += 1
        self._queued_bytes += item.size
        line.queue.append(item)
        self._wake(line)

    def _uncount(self, items: Sequence[Item]) -> None:
        self._queued -= len(items)
        for item in items:
            self._queued_bytes -= item.size

    def _wake(self, line: Line) -> None:
        if line.sent is not None:
            return  # its answer wakes it
        self._awake[line.topic] = None
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Send the next batch of every topic that has one: once a round of the loop, in one write."""
        self._is_flushing = False
        awake, self._awake = self._awake, {}
        written: dict[Session, None] = {}
        for topic in awake:
            line = self._lines.get(topic)
            if line is None:
                continue
            connection = self._shards.of(topic)
            session = connection.session
            if session is not None and connection.is_ready:
                self._send_next(connection, session, line)
                written[session] = None
            if line.tell_if_empty():
                del self._lines[topic]
        for session in written:
            session.link.flush()

    def _send_next(self, connection: Connection, session: Session, line: Line) -> None:
        replica = self._heard.get(line.topic)
        items, refused = line.next_items(replica)
        if refused:
            self._give_up(line, refused, "the topic is not heard")
        if items:
            sent = line.compose(items, next(self._numbers), replica, self._node, self._seal)
            self._ask(connection, session, line, sent)

    # Asking Redis

    def _ask(self, connection: Connection, session: Session, line: Line, sent: Sent) -> None:
        """Ask Redis to append a batch; when it is too late for that, only what became of it."""
        replica = sent.replica
        is_too_late = sent.asked > 0 and (
            self._is_late(sent) or (replica is not None and self._heard.get(line.topic) is not replica)
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
                "settle" if is_too_late else "append",
                self._keys.channel(line.topic),
                "SPUBLISH",
                len(sent.items),
                self._bounds.entries,
                self._bounds.bytes,
                int(self._bounds.age * 1000),
                sent.meta.packed,
                sent.body,
                *sent.meta.parts,
            ],
            partial(self._answered, connection, line, sent),
        )

    def _ask_again(self, line: Line, sent: Sent) -> None:
        """Ask under the same number, if nobody does and there is whom to ask; else the next session does."""
        connection = self._shards.of(line.topic)
        session = connection.session
        is_due = line.sent is sent and not sent.is_asked
        if is_due and session is not None and connection.is_ready:
            self._ask(connection, session, line, sent)
            session.link.flush()

    def _ask_again_soon(self, line: Line, sent: Sent) -> None:
        sent.is_asked = False
        asyncio.get_running_loop().call_later(_ASK_AGAIN_S, self._ask_again, line, sent)

    def _answered(self, connection: Connection, line: Line, sent: Sent, reply: Reply) -> None:
        if line.sent is not sent:
            return  # stopped meanwhile
        if isinstance(reply, LinkLost):
            sent.is_doubtful = True
            self._ask_again_soon(line, sent)
        elif isinstance(reply, hiredis.ReplyError):
            self._refused(connection, line, sent, Refused(str(reply)))
        else:
            line.sent = None
            self._judged(line, sent, reply)
            self._wake(line)

    def _judged(self, line: Line, sent: Sent, reply: list[Any]) -> None:
        verdict, replica = reply[0], sent.replica
        if verdict == b"ok":
            if replica is not None:
                replica.promise(abs(reply[1]) + len(sent.items) - 1, self._node, sent.number)
            self._settle(sent, reply)
            if reply[1] < 0:
                self._shards.of(line.topic).note_refusal(Refused(reply[2].decode()))
                if line.topic in self._heard:
                    self._unheard(self._heard[line.topic])
        elif verdict == b"stale":
            line.returned, line.waiting_for = sent.items, reply[1]
            self._hand_back(line)
        elif verdict != b"never" and replica is None:
            self._settle(sent, reply)  # said by somebody else, or there is no such topic
        else:
            self._give_up(line, sent.items, "Redis did not take it")
            if verdict != b"never" and replica is not None:
                self._broken(replica, "this node was taken for dead, or Redis lost the topic")

    def _refused(self, connection: Connection, line: Line, sent: Sent, error: Refused) -> None:
        """Redis answered with an error: find out what that says of the batch."""
        if error.word in REROUTED:
            self._shards.doubt(error)
        else:
            connection.note_refusal(error)
        is_unknown = sent.is_doubtful and error.word in NOT_DONE - JUDGED
        if is_unknown or error.word == "NOSCRIPT" or (error.word in REROUTED and not self._is_late(sent)):
            self._ask_again_soon(line, sent)
            return
        line.sent = None
        self._give_up(line, sent.items, str(error))
        if error.word not in NOT_DONE:
            log.error(
                "broker.script_failed", topic=line.topic, why=str(error), next="the topic is entered anew"
            )
            if sent.replica is not None:
                self._broken(sent.replica, str(error))
        self._wake(line)

    def _is_late(self, sent: Sent) -> bool:
        return sent.items[0].since < asyncio.get_running_loop().time() - self._times.queue

    # What comes of it

    def _settle(self, sent: Sent, reply: list[Any]) -> None:
        self._uncount(sent.items)
        for item in sent.items:
            if item.answer is not None and not item.answer.done():
                item.answer.set_result(reply)

    def _give_up(self, line: Line, items: Sequence[Item], why: str) -> None:
        """These were not appended and will not be."""
        self._uncount(items)
        for item in items:
            if item.answer is not None and not item.answer.done():
                item.answer.set_exception(BrokerUnavailable(why))
        drafts = [item.draft for item in items if item.draft is not None]
        if drafts:
            self._hearer.unavailable(line.topic, drafts)

    def _hand_back(self, line: Line) -> None:
        """Have drafts judged anew once the node has heard why."""
        if line.waiting_for is None:
            return
        replica = self._heard.get(line.topic)
        if replica is None:
            self._give_up(line, line.take_drafts(), "the topic is not heard")
        elif replica.position >= line.waiting_for:
            items = line.take_drafts()
            self._uncount(items)
            self._hearer.stale(line.topic, [item.draft for item in items if item.draft is not None])
