"""The protocol's own door: `GET /ws?topic=…&mode=…` (MCPx 6.2, WebSocket Connection)."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

import structlog
from starlette.types import Receive, Scope, Send

from capabilities import ParticipantClaims, TokenRefused
from gateway.broker.protocol import BrokerUnavailable
from gateway.clock import Clock
from gateway.core import Member, Mode, refusal
from gateway.http.bearer import bearer_token
from gateway.http.framed import FramedOutbox, Seat
from gateway.http.guard import Guard, refuse
from gateway.http.outbox import SocketOutbox, Texts
from gateway.http.problems import Problem, ProblemCode
from gateway.http.turnstile import DoorLimits, Pass, Turnstile
from gateway.node import AccessRevoked, Admission, Node, TopicFull
from gateway.patience import within
from gateway.transport import EXTENSION, Deflater, WebSocketTransport
from schemas import CLOSE_REASONS, CloseCode, EnvelopeTooLarge, is_topic

log = structlog.get_logger("gateway.websocket")

SUBPROTOCOL: Final = "mcpx.v0.1"
BEARER_SUBPROTOCOL: Final = "base64url.bearer.mcpx."
"""Prefix of the subprotocol by which a browser, which can set no header, brings its token."""


_PLAIN_QUERY: Final = re.compile(rb"topic=([\w.:@/-]+)", re.ASCII)
"""What nearly everybody asks, and nothing that a query would read otherwise."""


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """What may wait for one connection."""

    max_bytes: int
    max_seconds: float


class WebSocketDoor:
    """
    An ASGI application for `/ws`.

    It answers the handshake (401, 400, 403, 429, 503 as problem+json), then moves
    text frames between the socket and the node. A plain GET gets the same
    answers, since a browser cannot read a failed upgrade, and 426 when all is well.
    """

    def __init__(
        self,
        node: Node,
        read_token: Callable[[str, float], ParticipantClaims],
        guard: Guard,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        limits: OutboxLimits,
        door_limits: DoorLimits,
        handshake_timeout_s: float = 10.0,
    ) -> None:
        self._node, self._read_token, self._guard = node, read_token, guard
        self._turnstile = Turnstile(door_limits)
        self._clock, self._new_id = clock, new_id
        self._limits, self._handshake_timeout_s = limits, handshake_timeout_s
        self._texts, self._deflater = Texts(), Deflater()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            mode, topic, claims = self._read_handshake(scope)
            used = self._turnstile.enter(
                jti=claims.jti,
                participant=claims.id,
                address=(scope.get("client") or ("",))[0],
                monotonic=self._clock.monotonic(),
            )
            try:
                admission = await self._admit(topic, claims, scope)
            except BaseException:
                self._turnstile.leave(used)
                raise
        except Problem as problem:
            if problem.code is not ProblemCode.UPGRADE_REQUIRED:
                self._node.metrics.handshake_refused(str(problem.facts.get("reason", problem.code)))
                log.warning("handshake.refused", reason=str(problem.code), why=problem.detail)
            await refuse(problem, scope, receive, send)
            return
        await self._serve(admission, mode, used, scope, receive, send)

    def change_limits(self, limits: DoorLimits) -> None:
        """Hold whoever comes from now on to these limits."""
        self._turnstile.change(limits)

    async def _admit(self, topic: str, claims: ParticipantClaims, scope: Scope) -> Admission:
        """
        Ask the node.

        Raises:
            Problem: what to answer, 426 to a plain GET included.
        """
        try:
            admission = await within(self._handshake_timeout_s, self._node.admit(topic, claims))
        except (BrokerUnavailable, TimeoutError):
            code = ProblemCode.DRAINING if self._node.is_draining else ProblemCode.BROKER_UNAVAILABLE
            raise Problem(code) from None
        except AccessRevoked as error:
            raise Problem(
                ProblemCode.TOKEN_REFUSED, f"{error}; ask for a new one", reason="revoked"
            ) from None
        except TopicFull as full:
            raise Problem(ProblemCode.TOO_MANY_CONNECTIONS, str(full), per="topic", most=full.most) from None
        if scope["type"] == "http":
            self._node.dismiss(admission)
            raise Problem(ProblemCode.UPGRADE_REQUIRED, "Connect with a WebSocket client; the token is fine")
        return admission

    def _read_handshake(self, scope: Scope) -> tuple[Mode, str, ParticipantClaims]:
        """
        Check everything that needs no store: origin, token, query, topic.

        Raises:
            Problem: what to answer.
        """
        headers = dict(reversed(scope["headers"]))  # the first of each name, as everybody reads them
        origin = headers.get(b"origin")
        if origin is not None:
            host = headers.get(b"host", b"").decode("latin-1")
            if not self._guard.lets_in(origin.decode("latin-1"), host, scope["scheme"]):
                raise Problem(
                    ProblemCode.ORIGIN_REFUSED,
                    "Add the page's origin to MCPX_ALLOWED_ORIGINS if it is yours",
                )
        token = _token(scope["headers"], scope.get("subprotocols", ()))
        if token is None:
            raise Problem(
                ProblemCode.TOKEN_MISSING, "Bring a token in Authorization: Bearer", reason="missing"
            )
        try:
            claims = self._read_token(token, self._clock.now())
        except TokenRefused as error:
            raise Problem(ProblemCode.TOKEN_REFUSED, str(error), reason=str(error.code)) from None
        mode, topic = _read_query(scope["query_string"])
        if not claims.may_enter(topic):
            raise Problem(ProblemCode.TOPIC_FORBIDDEN)
        return mode, topic, claims

    async def _serve(
        self, admission: Admission, mode: Mode, used: Pass, scope: Scope, receive: Receive, send: Send
    ) -> None:
        is_handed_over = False
        try:
            if not await self._accept(admission, scope, receive, send):
                return
            transport = scope.get("extensions", {}).get(EXTENSION)
            if isinstance(transport, WebSocketTransport):
                is_handed_over = await self._hand_over(admission, mode, used, transport, send)
            else:
                await self._converse(admission, mode, used, receive, send)
        finally:
            if not is_handed_over:
                self._turnstile.leave(used)

    async def _accept(self, admission: Admission, scope: Scope, receive: Receive, send: Send) -> bool:
        """Say yes, and return whether there is still somebody to hear it."""
        try:
            message = await receive()
            if message["type"] != "websocket.connect":
                self._node.dismiss(admission)
                return False
            offered = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
            await send({"type": "websocket.accept", "subprotocol": offered})
        except BaseException:
            self._node.dismiss(admission)
            raise
        return True

    async def _hand_over(
        self, admission: Admission, mode: Mode, used: Pass, transport: WebSocketTransport, send: Send
    ) -> bool:
        """
        Join, and leave the frames to the transport: nothing of the handshake is kept.

        Return whether it was done; then the pass comes back when the connection ends.
        """
        outbox = FramedOutbox(
            max_seconds=self._limits.max_seconds,
            monotonic=self._clock.monotonic,
            deflater=self._deflater if transport.is_deflated else None,
        )
        member = await self._join(admission, mode, outbox, send)
        if member is None:
            return False

        seat = Seat(self._node, member, self, used)
        outbox.attached(transport.attach(seat, max_waiting=self._limits.max_bytes))
        return True

    async def _join(
        self, admission: Admission, mode: Mode, outbox: SocketOutbox | FramedOutbox, send: Send
    ) -> Member | None:
        try:
            member = await within(self._handshake_timeout_s, self._node.join(admission, mode, outbox))
        except (BrokerUnavailable, TimeoutError):
            await _close(send, CloseCode.RESTART)
            return None
        except AccessRevoked:
            await _close(send, CloseCode.REVOKED)
            return None
        self._node.metrics.opened()
        log.info("connection.opened", topic=member.topic, participant=member.id, connection=member.connection)
        return member

    async def _converse(
        self, admission: Admission, mode: Mode, used: Pass, receive: Receive, send: Send
    ) -> None:
        """Join, and move texts as ASGI has it: under any other server."""
        outbox = SocketOutbox(
            send,
            self._texts,
            max_bytes=self._limits.max_bytes,
            max_seconds=self._limits.max_seconds,
            monotonic=self._clock.monotonic,
        )
        member = await self._join(admission, mode, outbox, send)
        if member is None:
            return

        def overflown() -> None:
            # Later: this is amid writing to many, and the leave must not overtake what they hear.
            asyncio.get_running_loop().call_soon(self._node.close, member, CloseCode.SLOW_CONSUMER)

        outbox.overflown = overflown
        seat = Seat(self._node, member, self, used)
        writer = asyncio.create_task(outbox.run(), name=f"outbox {member.connection}")
        message: dict[str, Any] = {}
        try:
            while True:
                message = dict(await receive())
                if message["type"] == "websocket.disconnect":
                    break
                text = message.get("text")
                if text is None:
                    seat.received_binary()
                else:
                    seat.received((text.encode(),))
                    seat.read_done()
        finally:
            self._left(member, message.get("code") or int(CloseCode.INTERNAL))
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    def _left(self, member: Member, code: int) -> None:
        if member.ended is None:
            self._node.metrics.closed(code)
            log.info("connection.left", topic=member.topic, participant=member.id, code=code)
        self._node.leave(member)

    def left(self, member: Member, used: Pass, code: int) -> None:
        """A connection that was handed over has ended."""
        self._turnstile.leave(used)
        self._left(member, code)

    def too_large(self, member: Member) -> bytes:
        """What a member hears before 1009."""
        self._node.metrics.refused(EnvelopeTooLarge.code)
        error = EnvelopeTooLarge(self._node.max_envelope_bytes)
        return refusal(id=self._new_id(), at=self._clock.now(), to=member.id, error=error)


def _token(headers: Iterable[tuple[bytes, bytes]], subprotocols: Iterable[str]) -> str | None:
    given = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
    if given:
        return bearer_token(given)
    for offered in subprotocols:
        if offered.startswith(BEARER_SUBPROTOCOL):
            encoded = offered.removeprefix(BEARER_SUBPROTOCOL)
            try:
                return base64.b64decode(
                    encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True
                ).decode()
            except ValueError:  # no base64url, or no UTF-8
                return None
    return None


def _read_query(query_string: bytes) -> tuple[Mode, str]:
    plain = _PLAIN_QUERY.fullmatch(query_string)
    if plain is not None and is_topic(topic := plain[1].decode()):
        return Mode.ALL, topic
    return _read_any_query(query_string)


def _read_any_query(query_string: bytes) -> tuple[Mode, str]:
    try:
        query = parse_qs(query_string.decode(), keep_blank_values=True, strict_parsing=bool(query_string))
    except ValueError:
        raise Problem(ProblemCode.INVALID_PARAMETER, "The query is not readable", parameter="topic") from None
    if query.keys() - {"topic", "mode"}:
        # A misspelt mode would be All in silence. The name is not repeated: it may be a pasted token.
        raise Problem(ProblemCode.INVALID_PARAMETER, "There are only 'topic' and 'mode' here")
    topics, modes = query.get("topic", []), query.get("mode", [Mode.ALL])
    if len(topics) != 1 or not is_topic(topics[0]):
        why = "Name one topic: /ws?topic=NAME, 1 to 256 of A-Z a-z 0-9 . _ : @ / -"
        raise Problem(ProblemCode.INVALID_PARAMETER, why, parameter="topic")
    if len(modes) != 1 or modes[0] not in list(Mode):
        raise Problem(ProblemCode.INVALID_PARAMETER, "mode is 'all' or 'directed'", parameter="mode")
    return Mode(modes[0]), topics[0]


async def _close(send: Send, code: CloseCode) -> None:
    await send({"type": "websocket.close", "code": int(code), "reason": CLOSE_REASONS[code].reason})
