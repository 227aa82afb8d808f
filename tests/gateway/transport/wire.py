"""Both ends of a framed connection without a socket: frames as clients send them, and what was written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from websockets.speedups import apply_mask

from gateway.transport import FramedConnection
from gateway.transport.keepalive import Keepalive

CONT: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

FAREWELL: Final = b"that was too much"


def client_frame(
    opcode: int,
    data: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x01\x80\xfe\x37",
) -> bytes:
    """Encode a frame, also one that breaks the rules (RFC 6455 5.2); `mask=None` leaves the mask away."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0 if mask is None else 0x80
    size = len(data)
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 1 << 16:
        head = bytes((first, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + size.to_bytes(8, "big")
    return head + data if mask is None else head + mask + apply_mask(data, mask)


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """Encode a client's close frame."""
    return client_frame(CLOSE, code.to_bytes(2, "big") + reason)


def server_frames(data: bytes) -> list[tuple[int, bytes]]:
    """Decode what a server wrote: the opcode and the content of each frame, all of them whole."""
    frames = []
    while data:
        assert data[0] & 0xF0 == 0x80
        assert data[1] < 0x80, "a server masks nothing"
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        assert len(data) >= start + size
        frames.append((data[0] & 0xF, data[start : start + size]))
        data = data[start + size :]
    return frames


class FakeTransport(asyncio.Transport):
    """Keeps what is written, and can be full as a socket can."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.buffered = 0
        self.is_closed = self.is_aborted = self.is_reading_paused = False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        assert not self.is_closed, "nothing is written to a closed transport"
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def is_closing(self) -> bool:
        return self.is_closed or self.is_aborted

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def pause_reading(self) -> None:
        self.is_reading_paused = True


@dataclass
class Recorder:
    """A receiver that keeps what it is told, in order."""

    told: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    overflows: int = 0

    def received(self, messages: Sequence[bytes]) -> None:
        self.told += ["received"] * len(messages)
        self.messages += messages

    def received_binary(self) -> None:
        self.told.append("binary")

    def read_done(self) -> None:
        self.told.append("read done")

    def overflown(self) -> None:
        self.overflows += 1

    def too_big_farewell(self) -> bytes:
        return FAREWELL

    def ended(self, code: int) -> None:
        self.told.append("ended")
        self.codes.append(code)


class Owned:
    """uvicorn's list of connections."""

    def __init__(self) -> None:
        self.connections: set[Any] = set()


class Wire:
    """A connection after its handshake, and everything around it."""

    def __init__(self, *, max_size: int = 1 << 20, max_waiting: int = 1 << 20) -> None:
        self.transport, self.receiver, self.owner = FakeTransport(), Recorder(), Owned()
        self.connection = FramedConnection(
            self.transport,
            self.receiver,
            self.owner,
            Keepalive(0, 0),
            max_size=max_size,
            max_waiting=max_waiting,
        )

    def read(self, *pieces: bytes) -> None:
        """Bring these to the connection, one read each."""
        for piece in pieces:
            self.connection.data_received(piece)

    def lose(self) -> None:
        """End the TCP connection."""
        self.connection.connection_lost(None)

    @property
    def sent(self) -> list[tuple[int, bytes]]:
        """The frames that went out so far."""
        return server_frames(b"".join(self.transport.written))

    @property
    def close_code(self) -> int | None:
        """The code in the close frame that went out, which must be the last frame."""
        closes = [data for opcode, data in self.sent if opcode == CLOSE]
        if not closes:
            return None
        assert len(closes) == 1
        assert self.sent[-1][0] == CLOSE
        return int.from_bytes(closes[0][:2], "big") if closes[0] else 1005
