"""A topic without a gateway: members that ask and notify each other, as `Participant` does over the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from capabilities import CapabilitySet
from participants.client import NotificationHandler, Request, RequestHandler
from participants.conversation import Notification, Outcome, Peer, kind_for
from participants.errors import METHOD_NOT_FOUND, NotAllowed, ProposalRejected, RequestFailed, RequestTimeout
from schemas import JsonObject

FULL = ("mcp/*", "chat")


def _over_the_wire(value: JsonObject | None) -> JsonObject:
    """What the other side reads: a copy, and nothing that JSON cannot say."""
    copy: JsonObject = json.loads(json.dumps(value or {}))
    return copy


@dataclass
class MemoryTopic:
    """Who is there, and all that was said; `reject` names the reason with which proposals are refused."""

    members: dict[str, MemoryMember] = field(default_factory=dict)
    said: list[tuple[str, str | None, str, JsonObject, str | None]] = field(default_factory=list)
    """Notifications: sender, target, method, params, correlation id."""
    proposed: list[str] = field(default_factory=list)
    reject: str | None = None
    ids: count[int] = field(default_factory=lambda: count(1))
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def join(self, id: str, *capabilities: str) -> MemoryMember:
        member = MemoryMember(self, id, CapabilitySet.of(capabilities or FULL))
        self.members[id] = member
        return member

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class MemoryMember:
    """One who takes part; the same calls as a `Participant`."""

    def __init__(self, topic: MemoryTopic, id: str, capabilities: CapabilitySet) -> None:
        self.topic, self.id, self.capabilities = topic, id, capabilities
        self.request_handler: RequestHandler | None = None
        self.notification_handler: NotificationHandler | None = None
        self.asked: list[Request] = []
        self._told: asyncio.Queue[Notification] = asyncio.Queue()

    @property
    def roster(self) -> dict[str, Peer]:
        return {id: Peer(id, member.capabilities) for id, member in self.topic.members.items()}

    def on_request(self, handler: RequestHandler, *, concurrency: int = 16) -> None:
        self.request_handler = handler

    def on_notification(self, handler: NotificationHandler) -> None:
        if self.notification_handler is None:
            self.topic.spawn(self._hear())
        self.notification_handler = handler

    async def _hear(self) -> None:
        while True:
            notification = await self._told.get()
            assert self.notification_handler is not None
            await self.notification_handler(notification)

    async def notify(
        self,
        target: str | None,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        correlation_id: str | None = None,
    ) -> str:
        if not self.capabilities.grants(kind_for("mcp/request", method, params)):
            raise NotAllowed(f"mcp/request:{method}", None)
        sent = _over_the_wire(params)
        self.topic.said.append((self.id, target, method, sent, correlation_id))
        for other in self.topic.members.values():
            if other is not self and target in {None, other.id} and other.notification_handler is not None:
                other._told.put_nowait(Notification(self.id, method, sent, correlation_id))
        return f"env-{next(self.topic.ids)}"

    async def request(
        self,
        target: str | None,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        timeout: float | None = 60.0,
        expires_in: float | None = 300.0,
        mode: Literal["auto", "request", "propose"] = "auto",
        on_progress: NotificationHandler | None = None,
        on_notification: NotificationHandler | None = None,
    ) -> Outcome:
        assert target is not None
        proposal_id = None
        if not self.capabilities.grants(kind_for("mcp/request", method, params)):
            if mode == "request":
                raise NotAllowed(f"mcp/request:{method}", None)
            proposal_id = f"env-{next(self.topic.ids)}"
            self.topic.proposed.append(method)
            if self.topic.reject is not None:
                raise ProposalRejected("alice", self.topic.reject, "not today")
        peer = self.topic.members[target]
        id = f"env-{next(self.topic.ids)}"

        async def notify(method: str, params: JsonObject | None = None) -> None:
            handler = on_progress if method == "notifications/progress" else on_notification
            self.topic.said.append((target, self.id, method, _over_the_wire(params), id))
            if handler is not None:
                await handler(Notification(target, method, _over_the_wire(params), id))

        sent = _over_the_wire(params)
        request = Request(id, self.id, method, None, sent, f"rpc-{id}", None, notify)
        peer.asked.append(request)
        if peer.request_handler is None:
            raise RequestFailed(METHOD_NOT_FOUND, "nobody serves")
        work = asyncio.ensure_future(peer.request_handler(request))
        try:
            async with asyncio.timeout(timeout):
                result = await asyncio.shield(work)
        except TimeoutError:
            request.cancelled.set()
            raise RequestTimeout(method, timeout or 0) from None
        except asyncio.CancelledError:
            request.cancelled.set()
            self.topic.spawn(_settled(work))
            raise
        return Outcome(_over_the_wire(result), target, sent, id, proposal_id, None)


async def _settled(work: asyncio.Future[JsonObject]) -> None:
    await asyncio.wait({work})
    if not work.cancelled():
        work.exception()
