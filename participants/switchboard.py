"""
Who of one participant answers: the server that it serves, or the clients that it calls with.

A participant has one handler of requests and one of notifications. Whoever
serves a server and calls others at once needs both shared out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol
from weakref import WeakKeyDictionary

from capabilities import CapabilitySet
from participants.client import NotificationHandler, Request, RequestHandler
from participants.conversation import Notification, Outcome, Peer
from participants.errors import METHOD_NOT_FOUND, RequestFailed
from schemas import JsonObject

CONCURRENCY: Final = 64
"""Requests worked on at once; generous, since a subscription is a request that lasts."""

ASKED_OF_CLIENTS: Final = frozenset({"sampling/createMessage", "elicitation/create", "roots/list"})
"""What a server asks of the one that called it (MCP 2025-11-25); from 2026-07-28 no server does."""


class Member(Protocol):
    """As much of a `Participant` as serving, calling and bridging need."""

    @property
    def id(self) -> str: ...

    @property
    def capabilities(self) -> CapabilitySet: ...

    @property
    def roster(self) -> Mapping[str, Peer]: ...

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
    ) -> Outcome: ...

    async def notify(
        self,
        target: str | None,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        correlation_id: str | None = None,
    ) -> str: ...

    def on_request(self, handler: RequestHandler, *, concurrency: int = 16) -> None: ...

    def on_notification(self, handler: NotificationHandler) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class ClientEnd:
    """A client that calls one peer: what that peer asks back, or says of its own accord, goes to it."""

    peer: str
    answer: Callable[[Request], Awaitable[JsonObject]]
    hear: Callable[[Notification], Awaitable[None]]


class Switchboard:
    """Shares one participant's handlers out."""

    _of_members: Final[WeakKeyDictionary[Member, Switchboard]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._served: tuple[RequestHandler, NotificationHandler] | None = None
        self._ends: list[ClientEnd] = []

    @classmethod
    def of(cls, me: Member) -> Switchboard:
        """Return the participant's switchboard; from the first time on its handlers are this one's."""
        board = cls._of_members.get(me)
        if board is None:
            board = cls._of_members[me] = cls()
            me.on_request(board._answer, concurrency=CONCURRENCY)
            me.on_notification(board._hear)
        return board

    @contextmanager
    def serving(self, answer: RequestHandler, hear: NotificationHandler) -> Generator[None]:
        """Give requests to this server for as long as the block lasts; one at a time."""
        assert self._served is None, "a participant serves one server"
        self._served = (answer, hear)
        try:
            yield
        finally:
            self._served = None

    @contextmanager
    def calling(self, end: ClientEnd) -> Generator[None]:
        """Give this client what its peer asks back and says, for as long as the block lasts."""
        self._ends.append(end)
        try:
            yield
        finally:
            self._ends.remove(end)

    async def _answer(self, request: Request) -> JsonObject:
        if request.method in ASKED_OF_CLIENTS or self._served is None:
            # The newest: a server remembers one handshake for each participant, the last.
            for end in reversed(self._ends):
                if end.peer == request.sender:
                    return await end.answer(request)
        if self._served is not None:
            return await self._served[0](request)
        raise RequestFailed(METHOD_NOT_FOUND, f"This participant does not serve {request.method!r}")

    async def _hear(self, notification: Notification) -> None:
        for end in tuple(self._ends):
            if end.peer == notification.sender:
                await end.hear(notification)
        if self._served is not None:
            await self._served[1](notification)
