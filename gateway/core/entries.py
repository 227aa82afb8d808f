"""
What a topic's one order is made of (docs/protocol.md, Delivery).

Envelopes, joins, leaves, changes of capabilities and forced ends are entries of
the same order, so every node computes the same roster at the same place. They
are msgspec structs because they are also what travels between nodes.
"""

from __future__ import annotations

from typing import Any

import msgspec


class ConnectionRecord(msgspec.Struct, frozen=True, array_like=True):
    """One live connection, as every node knows it."""

    connection: str
    """Unique among all nodes: the node's id, a slash, a number."""
    node: str
    participant: str
    base: tuple[str, ...]
    """The capabilities of the connection's token, before promotions."""
    jti: str
    iat: int
    """Unix seconds."""
    at: float
    """Unix seconds of the join."""


class Relayed(msgspec.Struct, frozen=True, array_like=True, tag="relayed", gc=False):
    """
    An envelope that a member sent and was allowed to send.

    Nothing in it could be part of a cycle, and one is made for every envelope.
    """

    connection: str
    sender: str
    to: tuple[str, ...]
    data: bytes


class Joined(msgspec.Struct, frozen=True, array_like=True, tag="joined"):
    """A connection takes part from here on."""

    record: ConnectionRecord
    version: int
    """Version of the amendments below."""
    amendments: list[dict[str, Any]]
    """The participant's promotions in force in this topic."""


class Left(msgspec.Struct, frozen=True, array_like=True, tag="left"):
    """A connection has ended."""

    connection: str
    at: float


class Gone(msgspec.Struct, frozen=True, array_like=True, tag="gone"):
    """A node has died; its connections have ended."""

    node: str
    at: float


class Amended(msgspec.Struct, frozen=True, array_like=True, tag="amended"):
    """A participant's capabilities in this topic have changed (MCPx 11.3)."""

    participant: str
    version: int
    """Rises with each change of the participant; an older one coming later has no effect."""
    amendments: list[dict[str, Any]]
    at: float


class Ended(msgspec.Struct, frozen=True, array_like=True, tag="ended"):
    """
    Connections are made to end: a revocation, or an admin's disconnect.

    A connection is meant when every field that is not `None` fits it.
    """

    code: int
    at: float
    participant: str | None = None
    jti: str | None = None
    iat_until: int | None = None
    """Unix seconds: tokens issued later are not meant."""

    def means(self, record: ConnectionRecord) -> bool:
        """Whether this connection is made to end."""
        return (
            (self.participant is None or self.participant == record.participant)
            and (self.jti is None or self.jti == record.jti)
            and (self.iat_until is None or record.iat <= self.iat_until)
        )


Entry = Relayed | Joined | Left | Gone | Amended | Ended
"""One place in a topic's order."""
