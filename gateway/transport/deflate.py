"""
permessage-deflate without contexts (RFC 7692): one compression serves every receiver.

A context of its own would make each connection compress each message again, sixty
times the cost, and keep what one participant said beside what another says.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension

from gateway.transport.frames import frame_head

_WINDOW_BITS: Final = 12
"""The window of 4 KiB that clients are used to ask for; one that could take more reads it, too."""
_MEMORY_LEVEL: Final = 5
_WORTH_BYTES: Final = 256
"""Shorter messages go as they are: with no context there is too little to find in them."""
_COMPRESSED: Final = 0x40
_EMPTY_BLOCK: Final = -4

_factory: Final = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True, server_max_window_bits=_WINDOW_BITS
)


def negotiate(offers: Sequence[str]) -> tuple[str, PerMessageDeflate] | None:
    """
    Take the first acceptable offer to compress.

    Return what `Sec-WebSocket-Extensions` answers, and what reads the client's
    messages; `None` when there is nothing to agree on.
    """
    for offer in offers:
        try:
            for name, parameters in parse_extension(offer):
                if name != "permessage-deflate":
                    continue
                try:
                    agreed, extension = _factory.process_request_params(parameters, [])
                except NegotiationError:
                    continue
                return build_extension([(name, agreed)]), extension
        except InvalidHeader:
            return None
    return None


def deflated_frame(data: bytes) -> bytes:
    """Return a whole server-side text frame, compressed where that is worth it."""
    if len(data) < _WORTH_BYTES:
        return frame_head(len(data)) + data
    compressor = zlib.compressobj(zlib.Z_BEST_SPEED, zlib.DEFLATED, -_WINDOW_BITS, _MEMORY_LEVEL)
    short = (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:_EMPTY_BLOCK]
    head = bytearray(frame_head(len(short)))
    head[0] |= _COMPRESSED
    return bytes(head) + short


class Deflater:
    """Compresses each batch once: everybody who is given the same list gets the same frames."""

    __slots__ = ("_batch", "_frames")

    def __init__(self) -> None:
        self._batch: Sequence[bytes] = ()
        self._frames = b""

    def frames(self, batch: Sequence[bytes]) -> bytes:
        """Return a batch of messages as frames."""
        if batch is not self._batch:
            self._batch, self._frames = batch, b"".join(map(deflated_frame, batch))
        return self._frames
