"""How a participant reaches its gateway: the address, the handshake, and when to try again (MCPx 6.2)."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, cast
from urllib.parse import quote, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.http11 import Response

from participants.errors import ConnectionLost, HandshakeRefused
from schemas import JsonObject, NameRefused, PayloadError, check_topic, parse_strictly

FRAME_BYTES: Final = 256 << 20
"""Bytes of the largest frame read. The gateway bounds envelopes; a welcome lists everyone present."""
LONGEST_WAIT_S: Final = 300.0
"""Seconds that a gateway can make its participants wait by `Retry-After`."""
CLOSE_S: Final = 2.0
"""Seconds that a closing handshake may take."""
_SCHEMES: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_RETRIED: Final = frozenset({408, 425, 429})
"""Statuses below 500 that may be another one a little later."""

# Its own, outside the hierarchy: at level DEBUG the library would log the
# Authorization header, and no setting of an application may turn that on.
_quiet: Final = logging.Logger("participants.websocket", logging.WARNING)  # noqa: LOG001 - see above
_quiet.parent = logging.getLogger("participants")


def gateway_address(url: str, topic: str, mode: str) -> str:
    """
    Return the WebSocket address of a topic at a gateway: `ws://HOST:PORT/ws?topic=…&mode=…`.

    `url` begins with `ws`, `wss`, `http` or `https`; a path before `/ws` is kept.

    Raises:
        NameRefused: `url` is no such address, or `topic` no topic's name.
    """
    check_topic(topic)
    parts = urlsplit(url)
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise NameRefused("gateway address", url.partition("?")[0], "it looks like ws://127.0.0.1:8080")
    if parts.username is not None or parts.query or parts.fragment:
        # The text is not repeated: what stands there may be a secret.
        raise NameRefused(
            "gateway address",
            parts.hostname,
            "it has no user, query or fragment; a token never stands in a URL",
        )
    path = parts.path.rstrip("/")
    if not path.endswith("/ws"):
        path += "/ws"
    return f"{scheme}://{parts.netloc}{path}?topic={quote(topic, safe='')}&mode={mode}"


async def dial(address: str, token: str, open_timeout: float) -> ClientConnection:
    """
    Open a WebSocket; the token goes into the Authorization header, nowhere else.

    Raises:
        HandshakeRefused: the gateway answered with an HTTP error.
        ConnectionLost: nobody answered, or nobody who speaks WebSocket.
    """
    try:
        return await connect(
            address,
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            proxy=None,
            open_timeout=open_timeout,
            close_timeout=CLOSE_S,
            max_size=FRAME_BYTES,
            logger=_quiet,
        )
    except InvalidStatus as refused:
        raise refusal_of(refused.response, datetime.now(UTC)) from None
    except (OSError, TimeoutError, InvalidHandshake, EOFError) as error:
        raise ConnectionLost(f"{type(error).__name__}: {error}"[:300]) from None


def refusal_of(response: Response, now: datetime) -> HandshakeRefused:
    """Return what an HTTP answer to the handshake says, by its problem detail (RFC 9457)."""
    detail = response.reason_phrase
    try:
        problem = parse_strictly(bytes(response.body or b""))
    except PayloadError:
        problem = None
    if isinstance(problem, dict):
        members = cast("JsonObject", problem)
        for name in ("title", "detail"):
            text = members.get(name)
            detail = text[:500] if isinstance(text, str) and text else detail
    retry_after = _retry_after(response.headers.get("Retry-After"), now)
    return HandshakeRefused(response.status_code, detail, retry_after)


def _retry_after(text: str | None, now: datetime) -> float | None:
    """Read `Retry-After`: seconds, or a date (RFC 9110, 10.2.3)."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


def may_succeed_later(refused: HandshakeRefused) -> bool:
    """Whether the same handshake may be let in another time; 401 and 403 may not."""
    return refused.status >= 500 or refused.status in _RETRIED


@dataclass(frozen=True, slots=True)
class Backoff:
    """
    How long to wait before trying again: full jitter.

    A thousand participants that lose one node come back spread over the whole
    span, not in waves.
    """

    first: float = 0.5
    """Seconds: the most before the first try."""
    most: float = 30.0
    """Seconds."""
    settled_after: float = 10.0
    """Seconds that a connection has to last for the next loss to begin anew."""
    jitter: Callable[[float, float], float] = random.uniform

    def delay(self, tries: int, at_least: float | None = None) -> float:
        """Return the seconds to wait after `tries` failures in a row; a wait asked for comes on top."""
        span = min(self.most, self.first * 2.0 ** min(tries, 30))
        return min(at_least or 0.0, LONGEST_WAIT_S) + self.jitter(0.0, span)
