"""What this node has heard of one topic: its place in the order, and what waits for a gap to be filled."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.broker.redis_frame import Batch, Forged
from gateway.core import Entry

_HELD_BATCHES: Final = 4096
"""More than this waiting for a gap is dropped again: the stream has it."""


Told = tuple[int, Sequence[Entry]]
"""Entries that stand one after another, and the place of the first."""


class OrderBroken(Exception):
    """The order as told so far is not the one that Redis has."""


class Replica:
    """
    One topic as this node hears it (sans-I/O).

    `take` is for what is published, `fill` for what the stream returns; both
    yield what the node is to be told, each entry once and in order.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.epoch = ""
        self.position = 0
        self.last = ""
        """`NODE NUMBER` of the batch that ended at `position`; empty before the first."""
        self.is_live = False
        """Whether the next batch published is the next to tell; if not, it is held."""
        self.told_of = 0
        """The topic's position as Redis said it at the last heartbeat."""
        self.is_filling = False
        """Whether somebody is reading what was missed."""
        self.run_id = ""
        """The Redis process that the order was last compared with."""
        self._numbers: dict[str, int] = {}
        self._promised: deque[tuple[int, str]] = deque()
        """Where Redis took this node's own batches, by their last positions, that are not told yet."""
        self._held: deque[tuple[str, int, Batch]] = deque()
        self._answered_for = 0
        """How many of them were held when Redis was last asked what it has."""
        self._promised_then = 0
        """The last position promised at that time."""

    def begin(self, epoch: str, position: int, last: str, numbers: dict[str, int], run_id: str) -> None:
        """Start from a snapshot; what was heard meanwhile stays held until `resume`."""
        self.epoch, self.position, self.last, self._numbers = epoch, position, last, numbers
        self.run_id = run_id

    def take(self, epoch: str, first: int, batch: Batch) -> Iterator[Told]:
        """Take a published batch. Afterwards `is_live` is false if something before it is missing."""
        if not self.is_live:
            self._hold(epoch, first, batch)
            return
        if epoch != self.epoch:
            raise OrderBroken("another life of the topic has begun")
        if first <= self.position:
            return
        if first > self.position + 1:
            self.is_live = False
            self._hold(epoch, first, batch)
            return
        if not self._is_new(batch):
            raise Forged
        yield from self._tell(first, batch)

    def promise(self, last: int, node: str, number: int) -> None:
        """Redis said yes to this batch of this node's own, which ends at `last`: there it is to be heard."""
        if last > self.position:
            self._promised.append((last, _name(node, number)))

    def check(self, facts: Sequence[bytes | None], held: Sequence[int], run_id: str) -> None:
        """
        See whether what Redis has goes on from where this replica is.

        `facts` are the topic's epoch, position and last batch; `held` the last
        positions of the stream's batches from here on.

        Raises:
            OrderBroken: it does not.
        """
        epoch, position, last = (value.decode() if value is not None else "" for value in facts)
        if epoch != self.epoch or int(position) < max(self.position, self._promised_then):
            raise OrderBroken("Redis has lost what it had accepted")
        if int(position) == self.position:
            if last != self.last:
                raise OrderBroken("the last entry told is not the one that Redis has")
        elif self.position and self.position not in held and run_id != self.run_id:
            # Another process may have gone back and then on: only the entry itself could tell.
            raise OrderBroken("Redis was started again and no longer has the last entry told")

    def fill(self, last: int, batch: Batch) -> Iterator[Told]:
        """Take a batch of the stream, named by its last position."""
        first = last - len(batch.entries) + 1
        if last <= self.position:
            if last == self.position and self.last and name_of(batch) != self.last:
                raise OrderBroken("the last entry told is not the one that Redis has")
            return
        if first != self.position + 1:
            raise OrderBroken("Redis no longer has what was missed")
        if not self._is_new(batch):
            raise OrderBroken("what a node said once was said again")
        yield from self._tell(first, batch)

    def asking(self) -> None:
        """Redis is being asked what it has: whatever was published until now stands in its answer."""
        self._answered_for = len(self._held)
        self._promised_then = self._promised[-1][0] if self._promised else 0

    def resume(self) -> Iterator[Told]:
        """
        Nothing is missing up to what Redis has: tell what is held and be live, or find the next gap.

        Raises:
            Forged: some of it was said by no node; the rest has been told.
        """
        self.is_live = True
        held, self._held = self._held, deque()
        answered_for, self._answered_for = self._answered_for, 0
        has_forged = False
        for nth, (epoch, first, batch) in enumerate(held):
            # A batch is published when it stands in the stream. One that lies beyond an answer for which it
            # was not too late never stood there, and nothing will ever fill the gap before it.
            if nth < answered_for and epoch == self.epoch and first > self.position + 1:
                has_forged = True
                continue
            try:
                yield from self.take(epoch, first, batch)
            except Forged:
                has_forged = True
        if has_forged:
            raise Forged

    def pause(self) -> None:
        """The link is gone: what comes next may have a gap before it."""
        self.is_live = False
        self._held.clear()
        self._answered_for = 0

    def _hold(self, epoch: str, first: int, batch: Batch) -> None:
        if len(self._held) == _HELD_BATCHES:
            self._held.popleft()
            self._answered_for = max(0, self._answered_for - 1)
        self._held.append((epoch, first, batch))

    def _is_new(self, batch: Batch) -> bool:
        return batch.number > self._numbers.get(batch.node, 0)

    def _tell(self, first: int, batch: Batch) -> Iterator[Told]:
        name, last = name_of(batch), first + len(batch.entries) - 1
        if self._promised and self._promised[0][0] <= last and self._promised.popleft() != (last, name):
            raise OrderBroken("Redis has lost what it had accepted")
        self._numbers[batch.node], self.last = batch.number, name
        self.position = last
        yield first, batch.entries


def name_of(batch: Batch) -> str:
    """What tells a batch from every other."""
    return _name(batch.node, batch.number)


def _name(node: str, number: int) -> str:
    return f"{node} {number}"
