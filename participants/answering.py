"""Requests and notifications on their way to the handlers of a participant."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from participants.conversation import Conversation, Incoming, Notification, ProposalRef, Said
from participants.errors import BUSY, INTERNAL_ERROR, RequestFailed
from participants.waiting import NotificationHandler
from participants.workers import Workers
from schemas import JsonObject

CONCURRENCY: Final = 16
"""Requests that a handler works on at once."""
WAITING: Final = 256
"""Requests that wait for a handler; over that they are answered with -32000."""
NOTIFICATIONS_WAITING: Final = 1024

_log = logging.getLogger(__name__)


class Notify(Protocol):
    """Sends a notification that belongs to a request."""

    def __call__(self, method: str, params: JsonObject | None = None) -> Awaitable[None]:
        """
        Send it to all whom the answer concerns.

        Raises:
            NotAllowed: no capability grants it.
        """
        ...


@dataclass(slots=True, eq=False)
class Request:
    """A request to be answered by a handler."""

    id: str
    """The envelope's."""
    sender: str
    method: str
    context: str | None
    params: JsonObject
    rpc_id: str | int
    proposal: ProposalRef | None
    """The proposal that it fulfills."""
    notify: Notify
    """Send a notification that belongs to this request: `await request.notify(method, params)`."""
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when whoever asked does not want the answer any more, cannot get it, or has it from elsewhere."""


RequestHandler = Callable[[Request], Awaitable[JsonObject]]
"""Returns the result, or raises `RequestFailed` to answer with that JSON-RPC error."""


class Answering:
    """Runs the handlers, so many at once, and says their answers; nothing here blocks whoever calls it."""

    def __init__(
        self, conversation: Conversation, clock: Callable[[], float], say: Callable[[Said], Awaitable[object]]
    ) -> None:
        self._conversation, self._clock, self._say = conversation, clock, say
        self._handler: RequestHandler | None = None
        self._workers = Workers(CONCURRENCY, WAITING)
        self._notification_handler: NotificationHandler | None = None
        self._notification_workers = Workers(1, NOTIFICATIONS_WAITING)
        self._requests: dict[str, Request] = {}

    def on_request(self, handler: RequestHandler, concurrency: int, waiting: int) -> None:
        """Answer requests with `handler` from now on."""
        self._workers.resize(concurrency, waiting)
        self._handler = handler

    def on_notification(self, handler: NotificationHandler) -> None:
        """Hand notifications to `handler` from now on."""
        self._notification_handler = handler

    def serve(self, incoming: Incoming) -> Said | None:
        """Hand a request to the handler; return what is to be said at once where that cannot be."""
        handler = self._handler
        if handler is None:
            # Another connection of this participant may serve, and the first answer is the one that counts.
            self._conversation.ignore(incoming.id)
            return None

        async def notify(method: str, params: JsonObject | None = None) -> None:
            said = self._conversation.notify_about(incoming.id, method, params, self._clock())
            if said is not None:
                await self._say(said)

        kind = incoming.kind
        request = Request(
            incoming.id,
            incoming.sender,
            kind.method or "",
            kind.context,
            incoming.params,
            incoming.rpc_id,
            incoming.proposal,
            notify,
        )
        if not self._workers.offer(lambda: self._handle(handler, request)):
            return self._refuse(incoming, BUSY, "Too many requests wait already; try again later")
        self._requests[incoming.id] = request
        return None

    def _refuse(self, incoming: Incoming, code: int, message: str) -> Said | None:
        return self._conversation.respond_error(incoming.id, code, message, self._clock())

    async def _handle(self, handler: RequestHandler, request: Request) -> None:
        try:
            said = await self._answer(handler, request)
        except Exception:  # noqa: BLE001 - the edge of a task: whoever asked is told nothing internal
            _log.exception("request.failed", extra={"method": request.method, "envelope_id": request.id})
            said = self._conversation.respond_error(
                request.id, INTERNAL_ERROR, "Internal error", self._clock()
            )
        finally:
            self._requests.pop(request.id, None)
        if said is not None:
            await self._say(said)

    async def _answer(self, handler: RequestHandler, request: Request) -> Said | None:
        try:
            result = cast("object", await handler(request))
        except RequestFailed as failed:
            return self._conversation.respond_error(
                request.id, failed.code, failed.message, self._clock(), failed.data
            )
        if not isinstance(result, dict):
            raise TypeError(f"a handler returns a JSON object, not {type(result).__name__}")
        return self._conversation.respond(request.id, cast("JsonObject", result), self._clock())

    def cancel(self, request_id: str) -> None:
        """Let the handler of a request know that nobody waits for its answer any more."""
        request = self._requests.get(request_id)
        if request is not None:
            request.cancelled.set()

    def tell(self, notification: Notification) -> None:
        """Hand a notification to its handler, after those before it."""
        handler = self._notification_handler
        if handler is None:
            return

        async def tell() -> None:
            try:
                await handler(notification)
            except Exception:  # noqa: BLE001 - the edge of a task
                _log.exception("notification.failed", extra={"method": notification.method})

        if not self._notification_workers.offer(tell):
            _log.warning("notification.dropped", extra={"method": notification.method})

    async def end(self) -> None:
        """Cancel what handlers do, and forget what waits."""
        await self._workers.end()
        await self._notification_workers.end()
