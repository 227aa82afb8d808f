"""One timer for everybody's pings."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

NO_PONG: Final = 4408
"""An application's close code (4000-4999 are private); it says that a ping stayed unanswered."""

_SLOTS: Final = 16
"""Connections are spread over so many turns, so that a thousand pings do not leave at once."""


class Pinged(Protocol):
    """A connection, as far as keeping it alive goes."""

    pinged_at: float | None

    def ping(self, now: float) -> None:
        """Send a ping."""
        ...

    def close(self, code: int, reason: str) -> None:
        """End the connection."""
        ...


class Keepalive:
    """
    Pings each connection once an interval, and closes those that answered none in time.

    Runs while there is somebody to ping.
    """

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        self._interval_s, self._timeout_s = interval_s, timeout_s
        self._slots: list[set[Pinged]] = [set() for _ in range(_SLOTS)]
        self._slot_of: dict[Pinged, int] = {}
        self._turn = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Pinged) -> None:
        """Ping this one from now on, the first time after about an interval."""
        slot = (self._turn - 1) % _SLOTS
        self._slots[slot].add(connection)
        self._slot_of[connection] = slot
        if self._timer is None and self._interval_s > 0:
            self._next()

    def discard(self, connection: Pinged) -> None:
        """Ping this one no more."""
        slot = self._slot_of.pop(connection, None)
        if slot is not None:
            self._slots[slot].discard(connection)

    def _next(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._interval_s / _SLOTS, self._take_turn)

    def _take_turn(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        self._turn = (self._turn + 1) % _SLOTS
        for connection in list(self._slots[self._turn]):
            if connection.pinged_at is None:
                connection.ping(now)
            elif now - connection.pinged_at >= self._timeout_s:
                self.discard(connection)
                connection.close(NO_PONG, "No pong; reconnect")
        if self._slot_of:
            self._next()
