"""The opening handshake of a WebSocket (RFC 6455 4.2.1), as the bytes of a request and as its headers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

Header = tuple[bytes, bytes]

_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{22}==")
"""Sixteen bytes in base64."""
_VERSION: Final = (b"sec-websocket-version", b"13")
_ASKED: Final = frozenset({b"sec-websocket-key", b"sec-websocket-version"})

# A header's value stands behind one space, and its words have one between them.
_PLAIN: Final = re.compile(
    rb"GET (/[\w/.:@~%?&=+-]*) HTTP/1\.1\r\n((?:[\w-]+: [!-~]+(?: [!-~]+)*\r\n)+)\r\n",
    re.ASCII,
)
_PLAIN_CONNECTIONS: Final = frozenset({b"upgrade", b"keep-alive, upgrade"})
_ODD: Final = frozenset({b"content-length", b"transfer-encoding", b"expect"})


class Handshake(NamedTuple):
    """A valid opening handshake."""

    target: bytes
    """Path and query, as they came."""
    headers: list[Header]
    """Names in lower case, in the order of the request."""
    key: bytes
    """What the answer has to prove that it was read."""


def handshake_key(headers: Sequence[Header]) -> bytes | None:
    """Return the key in the headers of an opening handshake; `None` if it has none, or another version."""
    asked = sorted([header for header in headers if header[0] in _ASKED])
    if len(asked) != 2 or asked[1] != _VERSION or asked[0][0] == asked[1][0]:
        return None
    key = asked[0][1]
    return key if _KEY.fullmatch(key) else None


def plain_handshake(data: bytes) -> Handshake | None:
    """
    Return the handshake that these bytes are, whole and nothing else, if it is one as nearly all are.

    `None` says nothing: that is for a parser of HTTP to look at. What is taken
    here means to any of them what it means here.
    """
    plain = _PLAIN.fullmatch(data)
    if plain is None:
        return None
    target, lines = plain.groups()
    headers: list[Header] = []
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        headers.append((name.lower(), value))
    known = dict(headers)
    is_plain = (
        len(known) == len(headers)  # none comes twice
        and known.get(b"upgrade", b"").lower() == b"websocket"
        and known.get(b"connection", b"").lower() in _PLAIN_CONNECTIONS
        and known.keys().isdisjoint(_ODD)
    )
    key = handshake_key(headers) if is_plain else None
    return None if key is None else Handshake(target, headers, key)
