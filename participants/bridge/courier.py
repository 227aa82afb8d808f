"""Carries notifications one after another, without making who brings them wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from participants.bridge.log import log
from participants.errors import ParticipantError
from schemas import JsonObject

AT_MOST: Final = 1000
"""Notifications that may wait; a server that is faster loses the oldest."""

Deliver = Callable[[str, JsonObject | None], Awaitable[object]]


class Courier:
    """A bounded queue in front of something that takes time."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._waiting: deque[tuple[str, JsonObject | None]] = deque()
        self._brought = asyncio.Event()
        self._all_delivered = asyncio.Event()
        self._all_delivered.set()
        self._dropped = 0

    def bring(self, method: str, params: JsonObject | None) -> None:
        """Put a notification into the queue."""
        if len(self._waiting) >= AT_MOST:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append((method, params))
        self._all_delivered.clear()
        self._brought.set()

    @asynccontextmanager
    async def at_work(self) -> AsyncGenerator[Courier]:
        """Deliver for as long as the block lasts."""
        delivering = asyncio.create_task(self._deliver_all(), name="bridge.courier")
        try:
            yield self
        finally:
            delivering.cancel()
            await asyncio.wait({delivering})

    async def wait_delivered(self) -> None:
        """Return when nothing waits any more."""
        await self._all_delivered.wait()

    async def _deliver_all(self) -> None:
        while True:
            await self._brought.wait()
            while self._waiting:
                method, params = self._waiting.popleft()
                try:
                    await self._deliver(method, params)
                except ParticipantError as error:
                    log.warning("notification.not_sent", method=method, why=str(error))
                except Exception:  # noqa: BLE001 - one that cannot be delivered must not keep the next
                    log.exception("notification.not_sent", method=method)
            if self._dropped:
                log.warning("notifications.dropped", count=self._dropped)
                self._dropped = 0
            self._brought.clear()
            self._all_delivered.set()
