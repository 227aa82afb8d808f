"""A participant that is connected to a gateway by WebSocket (MCPx 6.2)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Self
from uuid import uuid4

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from capabilities import CapabilitySet
from participants.conversation import (
    CallNotified,
    CallSettled,
    CancelServing,
    Conversation,
    Effect,
    Event,
    Incoming,
    Mode,
    Notification,
    Outcome,
    Peer,
    Proposal,
    ProposalRef,
    Said,
    Send,
    Serve,
    Told,
    Way,
    Welcome,
)
from participants.dialing import Backoff, dial, gateway_address, may_succeed_later
from participants.errors import (
    BUSY,
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    Closed,
    ConnectionLost,
    HandshakeRefused,
    NotAllowed,
    RequestFailed,
    RequestTimeout,
)
from participants.outbox import Outbox
from participants.streams import ClientEvent, Disconnected, EventsDropped, EventStream, Reconnected, Streams
from participants.waiting import NotificationHandler, Waiter, with_progress_token
from participants.workers import Workers
from schemas import CLOSE_REASONS, CloseCode, JsonObject, Kind, RejectReason, WithdrawReason

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
CONCURRENCY: Final = 16
"""Requests that a handler works on at once."""
WAITING: Final = 256
"""Requests that wait for a handler; over that they are answered with -32000."""
FLUSH_S: Final = 2.0
"""Seconds that closing waits for what is still to be written."""
WAKE_S: Final = 30.0
"""Seconds after which a timer looks at the clock again: the wall clock may be set."""
NO_CLOSE_FRAME: Final = 1006

_log = logging.getLogger(__name__)


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
    """Set when whoever asked does not want the answer any more, or cannot get it."""


RequestHandler = Callable[[Request], Awaitable[JsonObject]]
"""Returns the result, or raises `RequestFailed` to answer with that JSON-RPC error."""


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
        self._address, self._token = address, token
        self._reconnect, self._open_timeout, self._backoff = reconnect, open_timeout, backoff
        self._clock = clock
        self._new_id = new_id
        self._conversation = Conversation(topic, new_id=new_id, mode=mode)
        self._speak = self._conversation.speak

        self._socket: ClientConnection | None = None
        """Set while connected and welcomed."""
        self._outbox = Outbox()
        self._streams = Streams()
        self._waiters: dict[str, Waiter] = {}
        self._requests: dict[str, Request] = {}
        self._timer: asyncio.TimerHandle | None = None

        self._request_handler: RequestHandler | None = None
        self._request_workers = Workers(CONCURRENCY, WAITING)
        self._notification_handler: NotificationHandler | None = None
        self._notification_workers = Workers(1, 4 * WAITING)

        self._runner: asyncio.Task[None] | None = None
        self._welcomed: asyncio.Future[None] | None = None
        self._entered = asyncio.Event()
        self._ended = asyncio.Event()
        self._end: Closed | None = None

    # Coming and going

    async def __aenter__(self) -> Self:
        if self._runner is not None:
            raise RuntimeError("a participant connects once; make another")
        loop = asyncio.get_running_loop()
        self._welcomed = loop.create_future()
        self._runner = loop.create_task(self._run(), name=f"participant in {self.topic}")
        try:
            await self._welcomed
        except BaseException:
            await self.close()
            raise
        # The receiver goes on only now, so that handlers set in the block's
        # first lines, and streams opened there, miss nothing.
        self._entered.set()
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
        if self._runner is None:
            return
        if self._socket is not None:
            for call_id in self._conversation.calls_pending:
                self._give_up(call_id, WithdrawReason.NO_LONGER_NEEDED)
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._outbox.wait_empty()
        self._finish(Closed(CloseCode.NORMAL, CLOSE_REASONS[CloseCode.NORMAL].reason))
        self._runner.cancel()
        with suppress(asyncio.CancelledError):
            await self._runner

    async def wait_closed(self) -> Closed:
        """Wait until the connection ended for good, and return why."""
        await self._ended.wait()
        assert self._end is not None
        return self._end

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
        return self._socket is not None

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
        self._need_connection()
        return await self._say(
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
        self._need_connection()
        to = () if target is None else (target,)
        return await self._say(
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
        self._need_connection()
        asked = dict(params or {})
        if on_progress is not None:
            asked = with_progress_token(asked, self._new_id())
        said = self._speak.ask(target, method, asked, self._clock(), way=Way(mode), expires_in=expires_in)
        return await self._outcome(said, method, timeout, Waiter(on_progress, on_notification))

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
        self._need_connection()
        said = self._speak.fulfill(proposal.id, params, target, self._clock())
        return await self._outcome(said, proposal.method, timeout, Waiter())

    async def reject(self, proposal: Proposal, reason: str = "denied", message: str = "") -> None:
        """
        Refuse a proposal: `denied`, `policy`, `invalid`, `expired` or `busy`.

        Raises:
            ProposalSettled: it was fulfilled, rejected, withdrawn or expired before.
            NotAllowed: no capability grants the request proposed.
            NeedsAllMode: this participant listens in Directed mode.
            ValueError: `reason` is none of those.
        """
        self._need_connection()
        await self._say(self._speak.reject(proposal.id, RejectReason(reason), message, self._clock()))

    async def withdraw(self, proposal: Proposal, reason: str = "no_longer_needed", message: str = "") -> None:
        """
        Take an own proposal back: `no_longer_needed`, `superseded` or `timeout`.

        Raises:
            ProposalSettled: it was fulfilled, rejected, withdrawn or expired before.
            NotYours: it is another's.
            ValueError: `reason` is none of those.
        """
        self._need_connection()
        await self._say(self._speak.withdraw(proposal.id, WithdrawReason(reason), message, self._clock()))

    async def _outcome(self, said: Said, method: str, timeout: float | None, waiter: Waiter) -> Outcome:
        self._waiters[said.id] = waiter
        reason = WithdrawReason.NO_LONGER_NEEDED
        self._post(said.data)
        self._arm_timer()
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                return await waiter.outcome()
        except TimeoutError:
            if not limit.expired() or timeout is None:
                raise
            reason = WithdrawReason.TIMEOUT
            raise RequestTimeout(method, timeout) from None
        finally:
            del self._waiters[said.id]
            self._give_up(said.id, reason)

    def _give_up(self, call_id: str, reason: WithdrawReason) -> None:
        for said in self._conversation.give_up(call_id, reason, self._clock()):
            self._post(said.data)

    # Answering

    def on_request(
        self, handler: RequestHandler, *, concurrency: int = CONCURRENCY, waiting: int = WAITING
    ) -> None:
        """
        Answer requests to this participant with `handler`; the last one set counts.

        At most `concurrency` run at once and `waiting` wait; further ones are
        answered with JSON-RPC error -32000. Receiving never waits for a handler.
        """
        self._request_workers.resize(concurrency, waiting)
        self._request_handler = handler

    def on_notification(self, handler: NotificationHandler) -> None:
        """
        Hear notifications that belong to no pending call of this participant; one at a time, in order.

        Over 1,024 that wait, the newest are dropped and logged.
        """
        self._notification_handler = handler

    def events(self) -> EventStream:
        """
        Return everything valid that is heard from now on, own envelopes included, for `async for`.

        A slow reader delays nobody: over 4,096 events or 16 MiB that wait,
        events are dropped, and an `EventsDropped` stands in their place. The
        stream ends when the connection does, for good.
        """
        return self._streams.open()

    def _serve(self, incoming: Incoming) -> None:
        handler = self._request_handler
        if handler is None:
            if incoming.to:
                self._answer_error(incoming, METHOD_NOT_FOUND, "This participant serves nothing")
            else:
                self._conversation.ignore(incoming.id)
            return

        async def notify(method: str, params: JsonObject | None = None) -> None:
            said = self._conversation.notify_about(incoming.id, method, params, self._clock())
            if said is not None and self.connected:
                await self._say(said)

        request = Request(
            incoming.id,
            incoming.sender,
            incoming.kind.method or "",
            incoming.kind.context,
            incoming.params,
            incoming.rpc_id,
            incoming.proposal,
            notify,
        )
        self._requests[incoming.id] = request
        if not self._request_workers.offer(lambda: self._handle(handler, request, incoming)):
            del self._requests[incoming.id]
            self._answer_error(incoming, BUSY, "Too many requests wait already; try again later")

    async def _handle(self, handler: RequestHandler, request: Request, incoming: Incoming) -> None:
        try:
            result = await handler(request)
            said = self._conversation.respond(incoming.id, result, self._clock())
        except RequestFailed as failed:
            said = self._conversation.respond_error(
                incoming.id, failed.code, failed.message, self._clock(), failed.data
            )
        except Exception:  # noqa: BLE001 - the edge of a task: whoever asked is told nothing internal
            _log.exception("request.failed", extra={"method": request.method, "envelope_id": request.id})
            said = self._conversation.respond_error(
                incoming.id, INTERNAL_ERROR, "Internal error", self._clock()
            )
        finally:
            self._requests.pop(incoming.id, None)
        if said is not None and self.connected:
            self._post(said.data)

    def _answer_error(self, incoming: Incoming, code: int, message: str) -> None:
        said = self._conversation.respond_error(incoming.id, code, message, self._clock())
        if said is not None:
            self._post(said.data)

    def _tell(self, notification: Notification) -> None:
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

    # The connection

    async def _run(self) -> None:
        """Stay connected until that ends for good."""
        loop = asyncio.get_running_loop()
        tries = 0
        end = Closed(CloseCode.INTERNAL, "this participant failed")
        try:
            while True:
                started = loop.time()
                try:
                    loss = await self._connection()
                except (HandshakeRefused, ConnectionLost) as error:
                    loss = _Loss.of(error)
                if not (self._reconnect and self._entered.is_set() and loss.may_reconnect):
                    end = loss.end
                    break
                tries = 0 if loop.time() - started >= self._backoff.settled_after else tries + 1
                await asyncio.sleep(self._backoff.delay(tries, loss.retry_after_s))
        finally:
            self._finish(end)
            await self._request_workers.end()
            await self._notification_workers.end()

    async def _connection(self) -> _Loss:
        """Connect, and stay connected as long as that lasts; return why it ended."""
        socket = await dial(self._address, self._token, self._open_timeout)
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._write(socket))
                try:
                    loss = await self._read(socket)
                finally:
                    writer.cancel()
        finally:
            self._socket = None
            self._outbox.clear()
            await socket.close()
        final = not (self._reconnect and loss.may_reconnect)
        if self._welcomed is not None and self._welcomed.done() and not final:
            self._perform(self._conversation.disconnected(ConnectionLost(loss.end.reason)))
            self._streams.publish(Disconnected(loss.end.code, loss.end.reason, final=False))
        return loss

    async def _read(self, socket: ClientConnection) -> _Loss:
        try:
            async with asyncio.timeout(self._open_timeout):
                await self._read_welcome(socket)
            await self._entered.wait()
            while True:
                self._take_in(await socket.recv(decode=False))
        except TimeoutError:
            return _Loss(Closed(NO_CLOSE_FRAME, "the gateway said no welcome"), may_reconnect=True)
        except ConnectionClosed as closed:
            return _Loss.by_close(closed)

    async def _read_welcome(self, socket: ClientConnection) -> None:
        again = self._welcomed is not None and self._welcomed.done()
        while True:
            frame = await socket.recv(decode=False)
            steps = self._conversation.receive(frame, self._clock())
            welcomed = any(isinstance(step, Welcome) for step in steps)
            if welcomed:
                self._socket = socket
            self._perform(steps, len(frame))
            if welcomed:
                break
        if again:
            self._streams.publish(Reconnected())
        elif self._welcomed is not None:
            self._welcomed.set_result(None)

    async def _write(self, socket: ClientConnection) -> None:
        try:
            while True:
                await socket.send(await self._outbox.wait_next(), text=True)
                self._outbox.written()
        except ConnectionClosed:
            return  # the reader hears of it, too, and says why

    def _take_in(self, frame: bytes) -> None:
        self._perform(self._conversation.receive(frame, self._clock()), len(frame))
        self._arm_timer()

    def _perform(self, steps: list[Event | Effect], size: int = 0) -> None:
        """Do what the conversation decided; `size` is of the frame that led to it."""
        for step in steps:
            match step:
                case Send(data):
                    self._post(data)
                case CallSettled(call_id, end):
                    if (waiter := self._waiters.get(call_id)) is not None:
                        waiter.settle(end)
                case CallNotified(call_id, notification):
                    if (waiter := self._waiters.get(call_id)) is not None:
                        waiter.notify(notification)
                case Serve(incoming):
                    self._serve(incoming)
                case CancelServing(request_id):
                    if (request := self._requests.get(request_id)) is not None:
                        request.cancelled.set()
                case Told(notification):
                    self._tell(notification)
                case _:
                    self._streams.publish(step, size)

    def _post(self, data: bytes) -> None:
        """Put an envelope into the outbox; while there is no connection, nobody would take it."""
        if self._socket is None:
            return
        self._outbox.put(data)
        if self._outbox.overfull:
            self._socket.transport.abort()

    async def _say(self, said: Said) -> str:
        self._post(said.data)
        await self._outbox.wait_room()
        return said.id

    def _need_connection(self) -> None:
        if self._end is not None:
            raise Closed(self._end.code, self._end.reason) from self._end.__cause__
        if self._socket is None:
            raise ConnectionLost("not connected now" if self._entered.is_set() else "not connected yet")

    def _arm_timer(self) -> None:
        """See to it that `tick` runs when it has something to do."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._conversation.next_deadline()
        if due is not None and self._end is None:
            wait = min(max(0.0, due - self._clock()), WAKE_S)
            self._timer = asyncio.get_running_loop().call_later(wait, self._tick)

    def _tick(self) -> None:
        self._perform(self._conversation.tick(self._clock()))
        self._arm_timer()

    def _finish(self, end: Closed) -> None:
        """End everything that waits for this connection, once."""
        if self._end is not None:
            return
        self._end, self._socket = end, None
        if self._timer is not None:
            self._timer.cancel()
        self._perform(self._conversation.disconnected(end))
        for waiter in self._waiters.values():
            waiter.settle(end)
        self._outbox.clear()
        self._streams.publish(Disconnected(end.code, end.reason, final=True))
        self._streams.end()
        if self._welcomed is not None and not self._welcomed.done():
            self._welcomed.set_exception(end.__cause__ if isinstance(end.__cause__, Exception) else end)
        self._ended.set()


@dataclass(frozen=True, slots=True)
class _Loss:
    """Why a connection ended, or could not be made."""

    end: Closed
    may_reconnect: bool
    retry_after_s: float | None = None

    @classmethod
    def of(cls, error: HandshakeRefused | ConnectionLost) -> _Loss:
        end = Closed(NO_CLOSE_FRAME, str(error))
        end.__cause__ = error
        if isinstance(error, HandshakeRefused):
            return cls(end, may_succeed_later(error), error.retry_after_s)
        return cls(end, may_reconnect=True)

    @classmethod
    def by_close(cls, closed: ConnectionClosed) -> _Loss:
        code = NO_CLOSE_FRAME if closed.rcvd is None else closed.rcvd.code
        known = CLOSE_REASONS[CloseCode(code)] if code in set(CloseCode) else None
        reason = closed.rcvd.reason if closed.rcvd is not None else ""
        reason = reason or (known.reason if known is not None else "the connection broke")
        return cls(Closed(code, reason), known is None or known.reconnect)


def _uuid4_text() -> str:
    return str(uuid4())
