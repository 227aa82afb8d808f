"""How fast somebody may send: token buckets, told the time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

REFUSED_STREAK_S: Final = 10.0
"""Refused without pause for so long, a connection is closed with 4429."""

_STREAK_PAUSE_S: Final = 1.0
"""So long without a refusal is a pause."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Envelopes per second, and how many may come at once after a rest."""

    per_second: float = 200.0
    burst: float = 1000.0


class Bucket:
    """A token bucket (the clock is the caller's)."""

    __slots__ = ("_at", "_burst", "_level", "_per_second")

    def __init__(self, rate: Rate, now: float) -> None:
        self._per_second, self._burst = rate.per_second, rate.burst
        self._level, self._at = rate.burst, now

    def change(self, rate: Rate) -> None:
        """Go on at another rate, with what there is."""
        self._per_second, self._burst = rate.per_second, rate.burst

    def take(self, now: float) -> int:
        """
        Take one token. Return 0 if there was one, else the milliseconds until there is.

        `now` is in seconds of any clock that never goes back.
        """
        level = self._level + (now - self._at) * self._per_second
        self._at = now
        if level > self._burst:  # noqa: PLR1730  # min() costs three times as much, for each envelope
            level = self._burst
        if level >= 1.0:
            self._level = level - 1.0
            return 0
        self._level = level
        return max(1, math.ceil((1.0 - level) / self._per_second * 1000))

    def take_all(self, count: int, now: float) -> bool:
        """Take so many tokens if there are so many, else none; return whether they were taken."""
        level = self._level + (now - self._at) * self._per_second
        if level > self._burst:  # noqa: PLR1730  # as above
            level = self._burst
        if level < count:
            return False
        self._level, self._at = level - count, now
        return True

    def is_full(self, now: float) -> bool:
        """Whether nothing that was taken is missing any more: a new bucket would be no different."""
        return self._level + (now - self._at) * self._per_second >= self._burst


class RefusalStreak:
    """Whether a connection has been refused without pause for too long; it ends with the next acceptance."""

    __slots__ = ("_last", "_since")

    def __init__(self) -> None:
        self._since = self._last = -math.inf

    def refused(self, now: float) -> bool:
        """Count a refusal; return whether the streak has become too long (seconds, monotonic)."""
        if now - self._last > _STREAK_PAUSE_S:
            self._since = now
        self._last = now
        return now - self._since >= REFUSED_STREAK_S
