"""What this node has to say in one topic: a queue, and one batch on its way."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.broker.redis_frame import Meta, Seal
from gateway.broker.redis_replica import Replica
from gateway.core import Draft, Entry, Left, Relayed

_BATCH_ENTRIES: Final = 256
_BATCH_BYTES: Final = 256 << 10


@dataclass(slots=True, eq=False)
class Item:
    """One entry to be appended."""

    entry: Entry
    since: float
    """Loop time at which it was queued."""
    draft: Draft | None = None
    """`None` for what the broker itself says."""
    meta: Meta | None = None
    """Set: it travels alone, whoever hears the topic, and this is what the script is told."""
    answer: asyncio.Future[list[Any]] | None = None
    """Gets the script's reply."""
    size: int = field(init=False)
    """Bytes, about."""

    def __post_init__(self) -> None:
        self.size = len(self.entry.data) if isinstance(self.entry, Relayed) else 256


@dataclass(slots=True, eq=False)
class Sent:
    """A batch whose outcome is awaited."""

    items: list[Item]
    number: int
    replica: Replica | None
    """The topic as it was heard then; `None` for what needs no lease."""
    meta: Meta
    body: bytes
    asked: int = 0
    """How often Redis has been asked."""
    is_asked: bool = False
    """Whether an answer may still come."""
    is_doubtful: bool = False
    """Whether it may have been done although no answer came."""


@dataclass(slots=True, eq=False)
class Line:
    """One topic's queue. One batch at a time is on its way, so order needs no numbers."""

    topic: str
    queue: deque[Item] = field(default_factory=deque)
    sent: Sent | None = None
    returned: list[Item] = field(default_factory=list)
    """Judged by rights that have changed: handed back once the node has heard of the change."""
    waiting_for: int | None = None
    """The position that the node has to have heard for that."""
    emptied: list[asyncio.Future[None]] = field(default_factory=list)
    """Whoever waits for nothing to be left."""

    @property
    def is_empty(self) -> bool:
        return not self.queue and self.sent is None and self.waiting_for is None

    def next_items(self, replica: Replica | None) -> tuple[list[Item], list[Item]]:
        """
        Take what can travel together next, and what cannot travel any more.

        The latter are drafts of a topic that the node does not hear; but a
        leave is said even then, for the roster must not keep ghosts.
        """
        refused: list[Item] = []
        if self.sent is not None or self.waiting_for is not None:
            return [], refused
        while self.queue:
            head = self.queue[0]
            if head.meta is not None:
                return [self.queue.popleft()], refused
            if replica is None:
                self.queue.popleft()
                if isinstance(head.entry, Left):
                    return [head], refused
                refused.append(head)
            elif not replica.is_live:
                return [], refused
            else:
                return self._run(), refused
        return [], refused

    def _run(self) -> list[Item]:
        items: list[Item] = []
        size = 0
        while self.queue and self.queue[0].meta is None and len(items) < _BATCH_ENTRIES:
            size += self.queue[0].size
            if items and size > _BATCH_BYTES:
                break
            items.append(self.queue.popleft())
        return items

    def compose(self, items: list[Item], number: int, replica: Replica | None, node: str, seal: Seal) -> Sent:
        """Make a batch of items; it is on its way until `sent` is `None` again."""
        entries = [item.entry for item in items]
        meta = items[0].meta
        if meta is None:
            meta = Meta.of(entries, [item.draft for item in items if item.draft is not None])
        else:
            replica = None
        epoch = replica.epoch if replica is not None else ""
        body = seal.close(self.topic, epoch, node, number, entries)
        self.sent = Sent(items, number, replica, meta, body)
        return self.sent

    def take_drafts(self) -> list[Item]:
        """Take out everything that waits, but for what the broker itself says."""
        waiting = [*self.returned, *(item for item in self.queue if item.draft is not None)]
        self.queue = deque(item for item in self.queue if item.draft is None)
        self.returned, self.waiting_for = [], None
        return waiting

    def take_all(self) -> list[Item]:
        """Take out everything that waits."""
        waiting = [*self.returned, *self.queue]
        self.queue.clear()
        self.returned, self.waiting_for = [], None
        return waiting

    def take_older(self, than: float) -> list[Item]:
        """Take out what has waited since before `than` and was never sent."""
        old: list[Item] = []
        if self.waiting_for is not None and self.returned[0].since < than:
            old, self.returned, self.waiting_for = self.returned, [], None
        while self.queue and self.queue[0].since < than:
            old.append(self.queue.popleft())
        return old

    def tell_if_empty(self) -> bool:
        """Wake whoever waits for that."""
        if not self.is_empty:
            return False
        for waiter in self.emptied:
            if not waiter.done():
                waiter.set_result(None)
        self.emptied.clear()
        return True
