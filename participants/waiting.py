"""One call, from the side of the coroutine that waits for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, cast

from participants.conversation import Notification, Outcome
from participants.errors import ParticipantError
from schemas import JsonObject

NOTIFICATIONS_WAITING: Final = 1024
"""Notifications of one call kept for its handlers; over that, the oldest are dropped."""
PROGRESS: Final = "notifications/progress"

NotificationHandler = Callable[[Notification], Awaitable[None]]


class Waiter:
    """
    Collects what belongs to a call until its caller takes it.

    The handlers run in the caller's own task, so a slow one delays its call
    and nothing else, and an answer is returned after all that came before it.
    """

    def __init__(
        self,
        on_progress: NotificationHandler | None = None,
        on_notification: NotificationHandler | None = None,
    ) -> None:
        self._on_progress, self._on_notification = on_progress, on_notification
        self._notifications: deque[Notification] = deque(maxlen=NOTIFICATIONS_WAITING)
        self._end: Outcome | ParticipantError | None = None
        self._changed = asyncio.Event()

    def settle(self, end: Outcome | ParticipantError) -> None:
        """The call is over; the first end counts."""
        if self._end is None:
            self._end = end
            self._changed.set()

    def notify(self, notification: Notification) -> None:
        """Keep a notification for the handler that it is for, if there is one."""
        if self._handler_of(notification) is not None:
            self._notifications.append(notification)
            self._changed.set()

    async def outcome(self) -> Outcome:
        """
        Wait for the call's end, handing notifications on meanwhile.

        Raises:
            ParticipantError: the call ended so.
        """
        while True:
            while self._notifications:
                notification = self._notifications.popleft()
                handler = self._handler_of(notification)
                if handler is not None:
                    await handler(notification)
            if isinstance(self._end, Outcome):
                return self._end
            if self._end is not None:
                raise self._end
            self._changed.clear()
            await self._changed.wait()

    def _handler_of(self, notification: Notification) -> NotificationHandler | None:
        if notification.method == PROGRESS:
            return self._on_progress or self._on_notification
        return self._on_notification


def with_progress_token(params: JsonObject, token: str) -> JsonObject:
    """Return params that ask for progress (MCP, Progress); a token that stands there already is kept."""
    given = params.get("_meta")
    meta = cast("JsonObject", given) if isinstance(given, dict) else {}
    return {**params, "_meta": {"progressToken": token, **meta}}
