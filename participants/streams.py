"""Events on their way to whoever reads them; a slow reader loses some, is told so, and delays nobody."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final
from weakref import WeakSet

from participants.conversation import Event

EVENTS_WAITING: Final = 4096
BYTES_WAITING: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is down; `final`: no reconnect follows."""

    code: int
    """The WebSocket close code; 1006 where none was received."""
    reason: str
    final: bool


@dataclass(frozen=True, slots=True)
class Reconnected:
    """Connected again, after the `Welcome`; what was said in between was missed."""


@dataclass(frozen=True, slots=True)
class EventsDropped:
    """The reader of `events()` was too slow; here `count` events are missing."""

    count: int


ClientEvent = Event | Disconnected | Reconnected | EventsDropped
"""What `Participant.events()` yields."""


class EventStream:
    """Events from the moment it was made; one reader. It ends when the connection does, for good."""

    def __init__(self, limit: int = EVENTS_WAITING, limit_bytes: int = BYTES_WAITING) -> None:
        self._limit, self._limit_bytes = limit, limit_bytes
        self._waiting: deque[tuple[ClientEvent, int]] = deque()
        self._bytes = 0
        self._dropped = 0
        self._ended = False
        self._changed = asyncio.Event()

    def put(self, event: ClientEvent, size: int) -> None:
        """Keep an event that came in a frame of `size` bytes, or count it as dropped."""
        if len(self._waiting) >= self._limit or self._bytes + size > self._limit_bytes:
            self._dropped += 1
        else:
            self._tell_dropped()
            self._waiting.append((event, size))
            self._bytes += size
        self._changed.set()

    def end(self) -> None:
        """Let the reader finish what waits, then stop."""
        self._ended = True
        self._changed.set()

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> ClientEvent:
        while True:
            if self._waiting:
                event, size = self._waiting.popleft()
                self._bytes -= size
                return event
            self._tell_dropped()
            if self._waiting:
                continue
            if self._ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()

    def _tell_dropped(self) -> None:
        """Say where events are missing, in their place."""
        if self._dropped:
            self._waiting.append((EventsDropped(self._dropped), 0))
            self._dropped = 0


class Streams:
    """The streams of one participant; one that nobody holds any more is forgotten."""

    def __init__(self) -> None:
        self._streams: WeakSet[EventStream] = WeakSet()
        self._ended = False

    def open(self) -> EventStream:
        """Return a stream that yields what comes from now on."""
        stream = EventStream()
        if self._ended:
            stream.end()
        self._streams.add(stream)
        return stream

    def publish(self, event: ClientEvent, size: int = 0) -> None:
        """Give an event to every stream."""
        for stream in self._streams:
            stream.put(event, size)

    def end(self) -> None:
        """End every stream, also those opened later."""
        self._ended = True
        for stream in self._streams:
            stream.end()
