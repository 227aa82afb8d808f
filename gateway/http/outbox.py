"""A connection's queue: bounded in bytes and in time, so that a slow one delays nobody else."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from starlette.types import Send

from schemas import CLOSE_REASONS, CloseCode

_TEXTS: Final = 64
"""Decoded envelopes remembered, about as many as one round of the loop brings."""


class Texts:
    """
    Envelopes as ASGI wants them: decoded.

    The same bytes go to every receiver, so a few are remembered and decoded once.
    """

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: dict[int, tuple[bytes, str]] = {}

    def of(self, data: bytes) -> str:
        """Return an envelope's text."""
        known = self._texts.get(id(data))
        if known is not None and known[0] is data:
            return known[1]
        if len(self._texts) >= _TEXTS:
            self._texts.clear()
        text = data.decode()
        self._texts[id(data)] = (data, text)
        return text


class SocketOutbox:
    """What waits for one WebSocket (`gateway.core.Outbox`), and the task that sends it."""

    def __init__(
        self,
        send: Send,
        texts: Texts,
        *,
        max_bytes: int,
        max_seconds: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._send, self._texts, self._monotonic = send, texts, monotonic
        self._max_bytes, self._max_seconds = max_bytes, max_seconds
        self._queue: deque[tuple[float, int, str]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._code: CloseCode | None = None
        self.overflown: Callable[[], None] = lambda: None
        """Called once when more waits than may."""

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the socket has not taken yet."""
        return self._bytes

    def send(self, frames: bytes, envelopes: Sequence[bytes]) -> None:  # noqa: ARG002  # ASGI makes frames itself
        if self._code is not None:
            return
        now = self._monotonic()
        for data in envelopes:
            self._queue.append((now, len(data), self._texts.of(data)))
            self._bytes += len(data)
        if self._bytes > self._max_bytes:
            self.overflown()
        self._wake.set()

    def send_long(self, head: bytes, envelopes: Sequence[bytes]) -> None:
        self.send(head, envelopes)

    def close(self, code: CloseCode) -> None:
        if self._code is not None:
            return
        self._code = code
        if code is CloseCode.SLOW_CONSUMER:
            # It has missed envelopes in any case: what waits would only keep the close frame back.
            self._queue.clear()
            self._bytes = 0
        self._wake.set()

    def is_behind(self) -> bool:
        return bool(self._queue) and self._monotonic() - self._queue[0][0] > self._max_seconds

    async def run(self) -> None:
        """Send what is queued, in order, until closed; then say why."""
        try:
            while True:
                while self._queue:
                    _, size, text = self._queue[0]
                    await self._send({"type": "websocket.send", "text": text})
                    if self._queue:  # a slow consumer's queue is dropped meanwhile
                        self._queue.popleft()
                        self._bytes -= size
                if self._code is not None:
                    reason = CLOSE_REASONS[self._code].reason
                    await self._send({"type": "websocket.close", "code": int(self._code), "reason": reason})
                    return
                self._wake.clear()
                await self._wake.wait()
        except OSError:
            return  # the peer has gone; the reader hears of it
