"""A connection of this node, as the topic's rules see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from capabilities import CapabilitySet
from gateway.core.entries import ConnectionRecord
from gateway.core.limits import Bucket, RefusalStreak
from schemas import CloseCode


class Mode(StrEnum):
    """What a connection hears (MCPx 6.3, Message Routing)."""

    ALL = "all"
    DIRECTED = "directed"


class Outbox(Protocol):
    """A connection's queue to its participant. The core hands it on and never calls it."""

    @property
    def waiting_bytes(self) -> int:
        """What the socket has not taken yet."""
        ...

    def send(self, frames: bytes, envelopes: Sequence[bytes], /) -> None:
        """
        Queue envelopes; never blocks, never raises.

        They come twice: as the frames that go over a WebSocket, and as they are.
        """
        ...

    def send_long(self, head: bytes, envelopes: Sequence[bytes]) -> None:
        """
        Queue the only one of `envelopes`, too long to be joined to its frame's `head`; as `send`.

        Both go or neither.
        """
        ...

    def close(self, code: CloseCode) -> None:
        """Close the connection once what is queued has left."""
        ...

    def is_behind(self) -> bool:
        """Whether what is queued has waited too long to be taken."""
        ...


@dataclass(slots=True, eq=False)
class Member:
    """
    One connection on this node.

    `capabilities` is what counts for the next envelope; everything else is as
    the token and the handshake said.
    """

    topic: str
    record: ConnectionRecord
    capabilities: CapabilitySet
    mode: Mode
    expires_at: float
    """Unix seconds; `inf` for a member that never expires."""
    outbox: Outbox
    bucket: Bucket
    """What the participant's connections on this node may send together; so no one of them sends more."""
    streak: RefusalStreak | None = None
    """Begun by a refusal, and over with what is accepted."""
    is_welcome: bool = False
    """Whether its join has come back in the topic's order."""
    ended: CloseCode | None = None
    """Set once it is being closed; nothing that it sends counts any more."""

    connection: str = field(init=False)
    """As the record has it; asked for again and again."""
    id: str = field(init=False)
    """The participant's id, as the record has it."""

    def __post_init__(self) -> None:
        self.connection, self.id = self.record.connection, self.record.participant
