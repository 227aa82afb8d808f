"""A participant that is connected to a gateway by WebSocket (MCPx 6.2)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Self
from uuid import uuid4

from capabilities import CapabilitySet
from participants.answering import CONCURRENCY, WAITING, Request, RequestHandler
from participants.conversation import (
    Conversation,
    Mode,
    Outcome,
    Peer,
    Proposal,
    Way,
)
from participants.dialing import Backoff, gateway_address
from participants.errors import Closed, ConnectionLost, NotAllowed
from participants.link import Link
from participants.session import Session
from participants.streams import ClientEvent, Disconnected, EventsDropped, EventStream, Reconnected
from participants.waiting import NotificationHandler, Waiter, with_progress_token
from schemas import JsonObject, Kind, RejectReason, WithdrawReason

__all__ = [
    "ClientEvent",
    "Disconnected",
    "EventStream",
    "EventsDropped",
    "NotificationHandler",
    "Participant",
    "Reconnected",
    "Request",
    "RequestHandler",
]

DEFAULT_TIMEOUT_S: Final = 60.0
DEFAULT_EXPIRY_S: Final = 300.0


class Participant:
    """
    One participant in one topic.

        async with Participant.connect("ws://127.0.0.1:8080", "demo", token) as me:
            outcome = await me.request("files", "tools/call", {"name": "read", "arguments": {}})

    The block is entered once the gateway has said welcome. Afterwards the
    connection is opened again when it is lost, after a pause; calls under way
    fail with `ConnectionLost` and are never sent again by themselves.
    """

    @classmethod
    def connect(
        cls,
        url: str,
        topic: str,
        token: str,
        *,
        mode: Literal["all", "directed"] = "all",
        reconnect: bool = True,
        open_timeout: float = 10.0,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] | None = None,
    ) -> Participant:
        """
        Return a participant that connects when its block is entered.

        `url` is like `ws://127.0.0.1:8080` or `https://host`; `token` travels
        in the Authorization header. `open_timeout` is in seconds, and holds
        for the handshake and for the welcome. Handlers set before the block
        is entered, or in it before anything is awaited, miss no request.

        Raises:
            NameRefused: `url` or `topic` is none.

        Entering the block raises:
            HandshakeRefused: the gateway does not let this token into this topic.
            ConnectionLost: it cannot be reached.
        """
        address = gateway_address(url, topic, mode)
        return cls(
            address,
            topic,
            token,
            mode=Mode(mode),
            reconnect=reconnect,
            open_timeout=open_timeout,
            backoff=backoff or Backoff(),
            clock=clock,
            new_id=new_id or _uuid4_text,
        )

    def __init__(
        self,
        address: str,
        topic: str,
        token: str,
        *,
        mode: Mode,
        reconnect: bool,
        open_timeout: float,
        backoff: Backoff,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        """See `connect`."""
        self._clock, self._new_id = clock, new_id
        self._conversation = Conversation(topic, new_id=new_id, mode=mode)
        self._speak = self._conversation.speak

        def link(session: Session) -> Link:
            return Link(
                address, token, session, reconnect=reconnect, open_timeout=open_timeout, backoff=backoff
            )

        self._session = Session(self._conversation, clock, link)

    # Coming and going

    async def __aenter__(self) -> Self:
        await self._session.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """
        Leave the topic: what is pending is withdrawn or cancelled, then the connection is closed.

        Calls that others still wait for here end with `Closed`.
        """
        await self._session.close()

    async def wait_closed(self) -> Closed:
        """Wait until the connection ended for good, and return why."""
        return await self._session.wait_closed()

    # What is known

    @property
    def id(self) -> str:
        """Own participant id, as the token names it and the welcome says."""
        known = self._conversation.id
        if known is None:
            raise ConnectionLost("not welcomed yet")
        return known

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self._conversation.topic

    @property
    def mode(self) -> Mode:
        """What the gateway delivers (MCPx 6.3)."""
        return self._conversation.mode

    @property
    def capabilities(self) -> CapabilitySet:
        """What may be sent; changes when an admin promotes (MCPx 6.2)."""
        return self._conversation.capabilities

    @property
    def roster(self) -> Mapping[str, Peer]:
        """Everyone present, this participant included; a view that changes."""
        return self._conversation.roster

    @property
    def connected(self) -> bool:
        """Whether what is sent now reaches the gateway."""
        return self._session.is_open

    @property
    def pending_proposals(self) -> list[Proposal]:
        """What somebody may still fulfill or reject, oldest first; own proposals included."""
        return self._conversation.pending(self._clock())

    @property
    def misbehaviour(self) -> Mapping[str, int]:
        """How often each sender broke a rule (MCPx 4.3)."""
        return self._conversation.misbehaviour

    def __repr__(self) -> str:
        state = "connected" if self.connected else "not connected"
        return f"<Participant {self._conversation.id or '?'} in {self.topic}, {state}>"

    # Saying

    async def send(
        self,
        kind: Kind | str,
        payload: JsonObject,
        *,
        to: Sequence[str] = (),
        correlation_id: str | None = None,
    ) -> str:
        """
        Send an envelope as it is, and return its id; whether it was refused is heard as `ErrorHeard`.

        Raises:
            ConnectionLost: there is no connection now.
            KindError, NameRefused: `kind` or `to` is none.
        """
        self._session.need_connection()
        return await self._session.say(
            self._speak.say(kind, payload, self._clock(), to=to, correlation_id=correlation_id)
        )

    async def chat(
        self,
        text: str,
        *,
        to: Sequence[str] = (),
        format: Literal["plain", "markdown"] = "plain",
        correlation_id: str | None = None,
    ) -> str:
        """
        Say something to people and agents, and return the envelope's id (MCPx 3.3).

        Raises:
            NotAllowed: no capability grants `chat`.
            ConnectionLost: there is no connection now.
        """
        kind = Kind.parse("chat")
        if not self.capabilities.grants(kind):
            raise NotAllowed("chat", self.capabilities.nearest(kind))
        payload: JsonObject = {"text": text, "format": format}
        return await self.send(kind, payload, to=to, correlation_id=correlation_id)

    async def notify(
        self,
        target: str | None,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        correlation_id: str | None = None,
    ) -> str:
        """
        Send a JSON-RPC notification to one, or to everybody, and return the envelope's id (MCPx 3.1).

        Raises:
            NotAllowed: no capability grants it.
            ConnectionLost: there is no connection now.
        """
        self._session.need_connection()
        to = () if target is None else (target,)
        return await self._session.say(
            self._speak.notify(to, method, params, self._clock(), correlation_id=correlation_id)
        )

    # Asking

    async def request(
        self,
        target: str | None,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        timeout: float | None = DEFAULT_TIMEOUT_S,
        expires_in: float | None = DEFAULT_EXPIRY_S,
        mode: Literal["auto", "request", "propose"] = "auto",
        on_progress: NotificationHandler | None = None,
        on_notification: NotificationHandler | None = None,
    ) -> Outcome:
        """
        Have something done by `target`, at any level of trust (MCPx 3.1.1, 3.2).

        `auto` requests where a capability grants it. Without, or when the
        gateway answers `capability_violation`, it proposes, once, and waits
        for somebody who fulfills the proposal and for the answer to that.
        `target` `None` asks everybody for a list, or leaves the choice of the
        target to the fulfiller. `timeout` is in seconds for all of it;
        `expires_in` for how long a proposal may be fulfilled, `None`: for
        ever. Cancelling, or the timeout, withdraws a proposal and cancels a
        request. `on_progress` gets `notifications/progress`, `on_notification`
        the others that belong to the call; both in order.

        Raises:
            RequestFailed: the target answered with a JSON-RPC error.
            ProposalRejected, ProposalExpired, ProposalWithdrawn: the proposal ended so.
            NotAllowed: neither the request nor its proposal is granted.
            Refused: the gateway refused it otherwise, such as `rate_limited`.
            NeedsAllMode: it had to be a proposal, in Directed mode.
            TargetRequired: `mode="request"` without a target.
            RequestTimeout, PeerLeft, ConnectionLost: no answer; it may have been done.
        """
        self._session.need_connection()
        asked = dict(params or {})
        if on_progress is not None:
            asked = with_progress_token(asked, self._new_id())
        said = self._speak.ask(target, method, asked, self._clock(), way=Way(mode), expires_in=expires_in)
        return await self._session.outcome(said, method, timeout, Waiter(on_progress, on_notification))

    async def fulfill(
        self,
        proposal: Proposal,
        *,
        params: dict[str, Any] | None = None,
        target: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT_S,
    ) -> Outcome:
        """
        Carry a proposal out, as proposed or with other `params` (MCPx 3.2.1).

        Raises:
            ProposalSettled: it was fulfilled, rejected, withdrawn or expired before.
            NotAllowed: no capability grants the request.
            NotYours: it is an own proposal.
            NeedsAllMode: this participant listens in Directed mode.
            TargetRequired: the proposal leaves the target open, and `target` is missing.
            PayloadError: `params` name another tool, or `target` is none of the proposal's.
            RequestFailed, RequestTimeout, PeerLeft, ConnectionLost, Refused: as `request`.
        """
        self._session.need_connection()
        # What the caller saw is what runs, whatever else may be known under that id.
        executed = proposal.params if params is None else params
        said = self._speak.fulfill(proposal.id, executed, target, self._clock())
        return await self._session.outcome(said, proposal.method, timeout, Waiter())

    async def reject(self, proposal: Proposal, reason: str = "denied", message: str = "") -> str:
        """
        Refuse a proposal, and return the envelope's id.

        `reason` is `denied`, `policy`, `invalid`, `expired` or `busy`. Whether
        it came first is heard as a `RejectSeen` of that id.

        Raises:
            ProposalSettled: it was fulfilled, rejected, withdrawn or expired before.
            NotAllowed: no capability grants the request proposed.
            NeedsAllMode: this participant listens in Directed mode.
            ValueError: `reason` is none of those.
        """
        self._session.need_connection()
        said = self._speak.reject(proposal.id, RejectReason(reason), message, self._clock())
        return await self._session.say(said)

    async def withdraw(self, proposal: Proposal, reason: str = "no_longer_needed", message: str = "") -> str:
        """
        Take an own proposal back, and return the envelope's id.

        `reason` is `no_longer_needed`, `superseded` or `timeout`. Whether it
        came first is heard as a `WithdrawSeen` of that id.

        Raises:
            ProposalSettled: it was fulfilled, rejected, withdrawn or expired before.
            NotYours: it is another's.
            ValueError: `reason` is none of those.
        """
        self._session.need_connection()
        said = self._speak.withdraw(proposal.id, WithdrawReason(reason), message, self._clock())
        return await self._session.say(said)

    # Answering

    def on_request(
        self, handler: RequestHandler, *, concurrency: int = CONCURRENCY, waiting: int = WAITING
    ) -> None:
        """
        Answer requests to this participant with `handler`; the last one set counts.

        At most `concurrency` run at once and `waiting` wait; further ones are
        answered with JSON-RPC error -32000. Receiving never waits for a handler.
        Without a handler requests are not answered: another connection of the
        same participant may serve. Let only one do so, for each would act on
        every request; the first answer counts and cancels the others' work.
        """
        self._session.answering.on_request(handler, concurrency, waiting)

    def on_notification(self, handler: NotificationHandler) -> None:
        """
        Hear notifications that belong to no pending call of this participant; one at a time, in order.

        Over 1,024 that wait, the newest are dropped and logged.
        """
        self._session.answering.on_notification(handler)

    def events(self) -> EventStream:
        """
        Return everything valid that is heard from now on, own envelopes included, for `async for`.

        A slow reader delays nobody: over 4,096 events or 16 MiB that wait,
        events are dropped, and an `EventsDropped` stands in their place. The
        stream ends when the connection does, for good.
        """
        return self._session.streams.open()


def _uuid4_text() -> str:
    return str(uuid4())
