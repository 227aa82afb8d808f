"""Limits as values: how often somebody may ask, and when a model that fails is left alone."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

ASKERS_REMEMBERED: Final = 4_096


class Allowance:
    """So many intents a minute for each asker, with a burst; the time is given."""

    def __init__(self, per_minute: float = 60.0, burst: float = 20.0) -> None:
        self._rate, self._burst = per_minute / 60.0, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def takes(self, asker: str, now: float) -> bool:
        """Whether one more intent of an asker is taken at `now`, in seconds; if so it is counted."""
        left, at = self._left.pop(asker, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - at) * self._rate)
        taken = left >= 1.0
        self._left[asker] = (left - 1.0 if taken else left, now)
        if len(self._left) > ASKERS_REMEMBERED:
            self._left.popitem(last=False)
        return taken


class State(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    """Everything."""
    OPEN = "open"
    """Nothing, until its pause is over."""
    HALF_OPEN = "half-open"
    """One attempt, which decides."""


@dataclass
class Breaker:
    """Leaves a model alone that failed several times in a row, and tries it again after a pause."""

    failures: int = 3
    """In a row; then it opens."""
    pause: float = 30.0
    """Seconds; twice as long after each attempt that failed, at most ten times as long."""
    _failed: int = field(default=0, init=False)
    _pauses: int = field(default=0, init=False)
    _until: float = field(default=0.0, init=False)
    _trying: bool = field(default=False, init=False)

    def state(self, now: float) -> State:
        """What it lets through at `now`, in seconds."""
        if self._failed < self.failures:
            return State.CLOSED
        return State.HALF_OPEN if now >= self._until and not self._trying else State.OPEN

    def admits(self, now: float) -> bool:
        """Whether an attempt may be made; one that may must be followed by what became of it."""
        match self.state(now):
            case State.CLOSED:
                return True
            case State.HALF_OPEN:
                self._trying = True
                return True
            case State.OPEN:
                return False

    def succeeded(self) -> None:
        """The attempt went well."""
        self._failed = self._pauses = 0
        self._trying = False

    def withdrew(self) -> None:
        """The attempt of a half-open breaker was never made: another may be."""
        self._trying = False

    def failed(self, now: float, *, at_once: bool = False) -> None:
        """The attempt went wrong; `at_once` opens, where one more attempt would cost too much."""
        if self.state(now) is State.OPEN and not self._trying:
            return  # it was begun before this opened, and failed for the same reason
        self._failed = max(self._failed + 1, self.failures if at_once else 0)
        self._trying = False
        if self._failed >= self.failures:
            self._until = now + self.pause * min(10, 2**self._pauses)
            self._pauses += 1
