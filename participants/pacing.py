"""
How many notifications a server may spread through a topic.

A connection has a budget of envelopes per second. A server that reports each of
ten thousand steps would spend it all, and the result itself would be refused.
MCP asks senders of progress to hold back (2025-11-25, progress); where they do
not, it is done here: progress and log messages over the pace are left out.
"""

from __future__ import annotations

from typing import Final

from participants.inner_ids import LOG_MESSAGE, PROGRESS

PER_SECOND: Final = 50.0
"""A quarter of the gateway's default budget; the rest is for what counts."""
AT_ONCE: Final = 200.0

_MAY_BE_LEFT_OUT: Final = frozenset({PROGRESS, LOG_MESSAGE})


class Pace:
    """A token bucket for notifications that nothing depends on."""

    def __init__(self, *, per_second: float = PER_SECOND, at_once: float = AT_ONCE) -> None:
        self._per_second, self._at_once = per_second, at_once
        self._left = at_once
        self._at: float | None = None
        self.left_out = 0
        """How many were left out so far."""

    def lets_through(self, method: str, now: float) -> bool:
        """Whether to send this notification at `now`, in seconds of a clock that never goes back."""
        if method not in _MAY_BE_LEFT_OUT:
            return True
        if self._at is not None:
            self._left = min(self._at_once, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1.0:
            self.left_out += 1
            return False
        self._left -= 1.0
        return True
