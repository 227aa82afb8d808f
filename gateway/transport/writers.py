"""What writes frames to a socket: past its transport, or by way of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.transport import compiled

if TYPE_CHECKING:
    from gateway.transport._wire import Writer


class PlainWriter:
    """A `Writer` that leaves everything to the transport."""

    __slots__ = ("_to", "_transport_write")

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._to = self._transport_write = write

    def __call__(self, frames: bytes, *_: object) -> None:
        self._to(frames)

    def divert(self, instead: Callable[[bytes], None] | None) -> None:
        """Give everything to `instead` from here on; `None`: to the transport again."""
        self._to = instead or self._transport_write

    def close(self) -> None:
        """Nothing: this one knows no socket."""


def writer_for(transport: asyncio.Transport) -> Writer | PlainWriter:
    """Return what writes past a transport as long as it holds nothing, unless it encrypts."""
    socket = transport.get_extra_info("socket")
    if compiled.Writer is None or socket is None or encrypts(transport):
        return PlainWriter(transport.write)
    return compiled.Writer(socket.fileno(), transport.write)


def encrypts(transport: asyncio.Transport) -> bool:
    """Whether a transport is TLS."""
    return transport.get_extra_info("sslcontext") is not None
