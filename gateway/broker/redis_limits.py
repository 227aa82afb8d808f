"""How long the broker over Redis waits, and how much it keeps."""

from __future__ import annotations

from dataclasses import dataclass


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
