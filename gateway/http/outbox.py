"""A connection's queue: bounded in bytes and in time, so that a slow one delays nobody else."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from starlette.types import Send

from schemas import CLOSE_REASONS, CloseCode

_END_GRACE_S: Final = 5.0
"""Seconds that a closing connection gets to take its last bytes and its close frame."""


class Texts:
    """
    Envelopes as ASGI wants them: decoded.

    The same bytes go to every receiver one after the other, so remembering
    the last one decodes once per envelope.
    """

    __slots__ = ("_data", "_text")

    def __init__(self) -> None:
        self._data, self._text = b"", ""

    def of(self, data: bytes) -> str:
        """Return an envelope's text."""
        if data is not self._data:
            self._data, self._text = data, data.decode()
        return self._text


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
        abort: Callable[[], None],
    ) -> None:
        self._send, self._texts, self._abort, self._monotonic = send, texts, abort, monotonic
        self._max_bytes, self._max_seconds = max_bytes, max_seconds
        self._queue: deque[tuple[float, int, str]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._code: CloseCode | None = None
        self._last_call: asyncio.TimerHandle | None = None
        self.overflown: Callable[[], None] = lambda: None
        """Called once when more waits than may."""

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the socket has not taken yet."""
        return self._bytes

    def send(self, data: bytes) -> None:
        if self._code is not None:
            return
        self._queue.append((self._monotonic(), len(data), self._texts.of(data)))
        self._bytes += len(data)
        if self._bytes > self._max_bytes:
            self.overflown()
        self._wake.set()

    def close(self, code: CloseCode) -> None:
        if self._code is not None:
            return
        self._code = code
        if code is CloseCode.SLOW_CONSUMER:
            # It has missed envelopes in any case: what waits would only keep the close frame back.
            self._queue.clear()
            self._bytes = 0
        self._last_call = asyncio.get_running_loop().call_later(_END_GRACE_S, self._abort)
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

    def end(self) -> None:
        """The connection is over: stop the last call."""
        if self._last_call is not None:
            self._last_call.cancel()
