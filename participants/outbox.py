"""What waits for the wire: never more than a few envelopes, unless the gateway stops reading."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

ROOM_BYTES: Final = 1 << 20
"""Bytes that may wait before `wait_room` holds senders back."""
LIMIT_BYTES: Final = 64 << 20
"""Bytes that may wait at all; over that, the connection is given up."""


class Outbox:
    """Frames in the order in which they were put, written by one task."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def overfull(self) -> bool:
        """Whether the gateway has not read for so long that waiting makes no sense."""
        return self._bytes > LIMIT_BYTES

    def put(self, frame: bytes) -> None:
        """Put a frame behind the others."""
        self._frames.append(frame)
        self._bytes += len(frame)
        self._filled.set()
        self._empty.clear()
        if self._bytes > ROOM_BYTES:
            self._room.clear()

    async def wait_room(self) -> None:
        """Wait until more may be put."""
        await self._room.wait()

    async def wait_next(self) -> bytes:
        """Wait for the next frame; it stays until `written`."""
        await self._filled.wait()
        return self._frames[0]

    def written(self) -> None:
        """Remove the frame that `wait_next` returned."""
        self._bytes -= len(self._frames.popleft())
        if not self._frames:
            self._filled.clear()
            self._empty.set()
        if self._bytes <= ROOM_BYTES:
            self._room.set()

    async def wait_empty(self) -> None:
        """Wait until everything was written."""
        await self._empty.wait()

    def clear(self) -> None:
        """Forget what was not written, and let whoever waits for room go on."""
        self._frames.clear()
        self._bytes = 0
        self._filled.clear()
        self._empty.set()
        self._room.set()
