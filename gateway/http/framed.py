"""A WebSocket that moves frames past ASGI: what its member hears, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import structlog

from gateway.core import Member
from gateway.http.turnstile import Pass
from gateway.node import Node
from gateway.transport import Deflater, FramedConnection, Inlet, MakeInlet
from schemas import CLOSE_REASONS, CloseCode

log = structlog.get_logger("gateway.websocket")

_Send = Callable[[bytes, Sequence[bytes]], None]


class FramedOutbox:
    """What goes to one connection (`gateway.core.Outbox`), also before it is attached."""

    __slots__ = ("_before", "_code", "_connection", "_deflater", "_max_seconds", "_monotonic", "send")

    def __init__(
        self, *, max_seconds: float, monotonic: Callable[[], float], deflater: Deflater | None = None
    ) -> None:
        self._max_seconds, self._monotonic, self._deflater = max_seconds, monotonic, deflater
        self._connection: FramedConnection | None = None
        self._code: CloseCode | None = None
        """Why it is to be closed, if that was decided before it was attached."""
        before: list[bytes] = []
        self._before: Sequence[bytes] = before
        """Its welcome, and what comes between that and being attached."""
        # No method of this object's own: it would know itself, and only the collector would part that.
        self.send = self._packed(lambda frames, _: before.append(frames))
        """As `gateway.core.Outbox` has it: the connection's own `write`, if nothing lies between."""

    def _packed(self, send: _Send) -> _Send:
        """What compresses on its way to `send`, if that was agreed on."""
        return send if self._deflater is None else partial(_send_deflated, self._deflater, send)

    def attached(self, connection: FramedConnection) -> None:
        """From here on there is a connection to write to."""
        self._connection = connection
        self.send = self._packed(connection.write)
        before, self._before = self._before, ()
        if before:
            connection.write(b"".join(before))
        if self._code is not None:
            self.close(self._code)

    def tap(self, make: MakeInlet) -> tuple[Inlet, Callable[[bytes], object]] | None:
        """As `gateway.flows.Tappable`."""
        if self._connection is None or self._deflater is not None:
            return None
        inlet = self._connection.tap(make)
        return None if inlet is None else (inlet, self._connection.write)

    @property
    def waiting_bytes(self) -> int:
        connection = self._connection
        return sum(map(len, self._before)) if connection is None else connection.waiting_bytes

    def send_long(self, head: bytes, envelopes: Sequence[bytes]) -> None:
        if self._deflater is not None:
            self.send(head, envelopes)
        elif self._connection is None:
            self.send(head + envelopes[0], envelopes)
        else:
            self._connection.write_long(head, envelopes[0])

    def close(self, code: CloseCode) -> None:
        connection = self._connection
        if connection is None:
            self._code = self._code or code
            return
        if code is CloseCode.SLOW_CONSUMER:
            # It has missed envelopes in any case: what waits would only keep the close frame back.
            connection.drop_waiting()
        connection.close(int(code), CLOSE_REASONS[code].reason)

    def is_behind(self) -> bool:
        if self._connection is None:
            return False
        now = self._monotonic()
        since = self._connection.waiting_since(now)
        return since is not None and now - since > self._max_seconds


def _send_deflated(deflater: Deflater, send: _Send, _: bytes, envelopes: Sequence[bytes]) -> None:
    send(deflater.frames(envelopes), envelopes)


class Door(Protocol):
    """Who let a connection in, as far as its end goes."""

    def too_large(self, member: Member) -> bytes:
        """What to say before a message over the limit closes the connection."""
        ...

    def left(self, member: Member, used: Pass, code: int) -> None:
        """The connection is over."""
        ...


class Seat:
    """What one connection brings, handed to the node (`gateway.transport.Receiver`)."""

    __slots__ = ("_door", "_member", "_node", "_pass", "read_done")

    def __init__(self, node: Node, member: Member, door: Door, used: Pass) -> None:
        self._node, self._member, self._door, self._pass = node, member, door, used
        self.read_done = node.read_done  # as it is: called for each read

    def received(self, messages: Sequence[bytes]) -> None:
        try:
            self._node.receive(self._member, messages)
        except Exception:
            # A fault of ours, and the edge of this connection: it ends, and the others go on.
            log.exception(
                "connection.failed",
                topic=self._member.topic,
                participant=self._member.id,
                next="closed with 1011",
            )
            self._node.close(self._member, CloseCode.INTERNAL)

    def received_binary(self) -> None:
        self._node.close(self._member, CloseCode.TEXT_ONLY)

    def overflown(self) -> None:
        self._node.close(self._member, CloseCode.SLOW_CONSUMER)

    def too_big_farewell(self) -> bytes:
        return self._door.too_large(self._member)

    def ended(self, code: int) -> None:
        self._door.left(self._member, self._pass, code)
        # If its read failed under the transport's hands nobody else says that it is done, and
        # what everybody is to hear of it would wait for somebody else's.
        self.read_done()
