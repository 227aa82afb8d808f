"""A WebSocket that moves frames past ASGI: what its member hears, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.core import Member
from gateway.node import Node
from gateway.transport import FramedConnection
from schemas import CLOSE_REASONS, CloseCode


class FramedOutbox:
    """What goes to one connection (`gateway.core.Outbox`), also before it is attached."""

    __slots__ = ("_before", "_code", "_connection", "_max_seconds", "_monotonic")

    def __init__(self, *, max_seconds: float, monotonic: Callable[[], float]) -> None:
        self._max_seconds, self._monotonic = max_seconds, monotonic
        self._connection: FramedConnection | None = None
        self._code: CloseCode | None = None
        """Why it is to be closed, if that was decided before it was attached."""
        self._before: list[bytes] = []
        """Its welcome, and what comes between that and being attached."""

    def attached(self, connection: FramedConnection) -> None:
        """From here on there is a connection to write to."""
        self._connection = connection
        before, self._before = self._before, []
        if before:
            connection.write(b"".join(before))
        if self._code is not None:
            self.close(self._code)

    @property
    def waiting_bytes(self) -> int:
        connection = self._connection
        return sum(map(len, self._before)) if connection is None else connection.waiting_bytes

    def send(self, frames: bytes, envelopes: Sequence[bytes]) -> None:  # noqa: ARG002  # frames are all it needs
        if self._connection is None:
            self._before.append(frames)
        else:
            self._connection.write(frames)

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


class Seat:
    """What one connection brings, handed to the node (`gateway.transport.Receiver`)."""

    __slots__ = ("_farewell", "_left", "_member", "_node", "read_done")

    def __init__(
        self,
        node: Node,
        member: Member,
        *,
        farewell: Callable[[Member], bytes],
        left: Callable[[Member, int], None],
    ) -> None:
        self._node, self._member, self._farewell, self._left = node, member, farewell, left
        self.read_done = node.read_done

    def received(self, data: bytes) -> None:
        self._node.receive(self._member, data)

    def received_binary(self) -> None:
        self._node.close(self._member, CloseCode.TEXT_ONLY)

    def overflown(self) -> None:
        self._node.close(self._member, CloseCode.SLOW_CONSUMER)

    def too_big_farewell(self) -> bytes:
        return self._farewell(self._member)

    def ended(self, code: int) -> None:
        self._left(self._member, code)
