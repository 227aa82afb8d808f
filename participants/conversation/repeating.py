"""Answers that the gateway refused for being too many: nobody has seen them, so they are said again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

UNHEARD_BYTES: Final = 16 << 20
"""Bytes of answers kept until they come back; over that, the oldest is not said again."""
PAUSE_S: Final = 0.05
"""Seconds between two answers said again, at least: all at once, most would be refused once more."""


class Repeats:
    """The answers that have not come back, and those among them that were refused."""

    def __init__(self, limit_bytes: int = UNHEARD_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._unheard: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._refused: OrderedDict[str, None] = OrderedDict()
        self._not_before = 0.0

    def sent(self, id: str, data: bytes) -> None:
        """Keep an answer until it comes back."""
        self._unheard[id] = data
        self._bytes += len(data)
        while self._bytes > self._limit_bytes:
            self.accepted(next(iter(self._unheard)))

    def accepted(self, id: str) -> None:
        """Forget an answer: it has its place in the order."""
        data = self._unheard.pop(id, None)
        if data is not None:
            self._bytes -= len(data)
            self._refused.pop(id, None)

    def refused(self, id: str, now: float, retry_after_s: float) -> None:
        """Note that an envelope was refused; an answer is said again, not before the time that is named."""
        if id in self._unheard:
            self._refused[id] = None
            self._not_before = max(self._not_before, now + max(PAUSE_S, retry_after_s))

    def due(self, now: float) -> bytes | None:
        """Return the answer to be said again by `now`, if there is one."""
        if not self._refused or now < self._not_before:
            return None
        self._not_before = now + PAUSE_S
        return self._unheard[self._refused.popitem(last=False)[0]]

    def next_at(self) -> float | None:
        """Return when `due` has something to say, in Unix seconds."""
        return self._not_before if self._refused else None

    def forget(self) -> None:
        """Forget all of it: the connection is lost, and whoever asked was told so or has left."""
        self._unheard.clear()
        self._refused.clear()
        self._bytes = 0
