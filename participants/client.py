"""A participant that is connected to a gateway by WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from capabilities import CapabilitySet
from participants.conversation import Event, Notification, Outcome, Peer, Proposal, ProposalRef
from schemas import JsonObject, Kind


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is down; `final`: no reconnect follows."""

    code: int
    """The WebSocket close code; 1006 where none was received."""
    reason: str
    final: bool


@dataclass(frozen=True, slots=True)
class Reconnected:
    """Connected again, after the `Welcome`; what was said in between was missed."""


@dataclass(frozen=True, slots=True)
class EventsDropped:
    """The consumer of `events()` was too slow; here `count` events are missing."""

    count: int


ClientEvent = Event | Disconnected | Reconnected | EventsDropped


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
    notify: Callable[[str, JsonObject | None], Awaitable[None]]
    """Send a notification that belongs to this request: `await request.notify(method, params)`."""
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when whoever asked does not want the answer any more."""


RequestHandler = Callable[[Request], Awaitable[JsonObject]]
NotificationHandler = Callable[[Notification], Awaitable[None]]


class Participant:
    """One connection to one topic (skeleton)."""

    @classmethod
    def connect(
        cls,
        url: str,
        topic: str,
        token: str,
        *,
        mode: Literal["all", "directed"] = "all",
        reconnect: bool = True,
    ) -> Participant:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    @property
    def id(self) -> str:
        raise NotImplementedError

    @property
    def topic(self) -> str:
        raise NotImplementedError

    @property
    def capabilities(self) -> CapabilitySet:
        raise NotImplementedError

    @property
    def roster(self) -> Mapping[str, Peer]:
        raise NotImplementedError

    @property
    def connected(self) -> bool:
        raise NotImplementedError

    @property
    def pending_proposals(self) -> list[Proposal]:
        raise NotImplementedError

    @property
    def misbehaviour(self) -> Mapping[str, int]:
        raise NotImplementedError

    async def send(
        self,
        kind: Kind | str,
        payload: JsonObject,
        *,
        to: Sequence[str] = (),
        correlation_id: str | None = None,
    ) -> str:
        raise NotImplementedError

    async def chat(
        self,
        text: str,
        *,
        to: Sequence[str] = (),
        format: Literal["plain", "markdown"] = "plain",
        correlation_id: str | None = None,
    ) -> str:
        raise NotImplementedError

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
        raise NotImplementedError

    async def fulfill(
        self,
        proposal: Proposal,
        *,
        params: dict[str, Any] | None = None,
        target: str | None = None,
        timeout: float | None = 60.0,
    ) -> Outcome:
        raise NotImplementedError

    async def reject(self, proposal: Proposal, reason: str = "denied", message: str = "") -> None:
        raise NotImplementedError

    async def withdraw(self, proposal: Proposal, reason: str = "no_longer_needed", message: str = "") -> None:
        raise NotImplementedError

    async def notify(
        self,
        target: str | None,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        correlation_id: str | None = None,
    ) -> str:
        raise NotImplementedError

    def on_request(self, handler: RequestHandler, *, concurrency: int = 16) -> None:
        raise NotImplementedError

    def on_notification(self, handler: NotificationHandler) -> None:
        raise NotImplementedError

    def events(self) -> AsyncIterator[ClientEvent]:
        raise NotImplementedError

    async def wait_closed(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
